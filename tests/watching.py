"""A page in a real browser, and all it did that a page of ours must not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

TAKES_OVER = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    "<svg onload=\"document.title = 'taken'\"></svg><script src='http://127.0.0.1:9/x.js'></script>"
)
"""What takes a page over wherever it is not escaped."""


@dataclass
class Watched:
    """A Playwright page, the requests it made, the dialogs it opened, what its console said."""

    page: Any
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


@contextmanager
def watched(chromium: Any, **settings: Any) -> Iterator[Watched]:
    """A new page in a context of its own; `settings` as `Browser.new_context` takes them."""
    context = chromium.new_context(**settings)
    found = Watched(context.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("console", lambda message: found.console.append(message.text))
    found.page.on("pageerror", lambda error: found.console.append(str(error)))

    def refuse(dialog: Any) -> None:
        found.dialogs.append(dialog.message)
        dialog.dismiss()

    found.page.on("dialog", refuse)
    yield found
    context.close()


def violations(page: Any) -> list[str]:
    """What axe finds seriously wrong for people who can't see or use a mouse."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
