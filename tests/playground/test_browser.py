"""The playground in a real browser, served by the real command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.watching import TAKES_OVER, Watched, violations, watched

pytestmark = [
    pytest.mark.needs("chromium"),
    pytest.mark.needs("playwright"),
    pytest.mark.needs("axe_playwright_python"),
    pytest.mark.needs("gradio"),
]

ROOT = Path(__file__).parents[2]
OPAQUE = """() => {
  let part = document.querySelector("#result article.card");
  while (part && getComputedStyle(part).opacity === "1") part = part.parentElement;
  return part === null;
}"""
INSULT = "Read the manual, you stupid idiot, it is on page two."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a playground that was started with `trustydetox play`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = tmp_path_factory.mktemp("cwd")
    (place / "secret.txt").write_text("not for the page", "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "trustydetox", "play", "--port", str(port)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    address = f"http://127.0.0.1:{port}"
    for line in process.stderr:
        if line.startswith(address):
            break
    yield address
    process.terminate()
    process.wait(timeout=60)
    process.stderr.close()


@pytest.fixture
def opened(chromium: Any, served: str) -> Iterator[Watched]:
    with watched(chromium, reduced_motion="reduce") as seen:
        seen.page.set_default_timeout(300_000)
        seen.page.goto(served)
        seen.page.get_by_role("button", name="Clean it").wait_for()
        yield seen


def submit(seen: Watched, text: str) -> Any:
    seen.page.get_by_label("Text", exact=True).fill(text)
    seen.page.get_by_role("button", name="Clean it").click()
    card = seen.page.locator("#result article.card")
    card.wait_for()
    # Gradio shows an answer faintly at first.
    seen.page.wait_for_function(OPAQUE)
    return card


def test_a_text_is_cleaned_and_shown_with_its_evidence(opened: Watched) -> None:
    card = submit(opened, INSULT)
    assert "stupid idiot" in card.locator("del").first.inner_text()
    assert "less-toxic" in card.inner_text()
    assert "it is on page two" in card.locator(".side").nth(1).inner_text()


def test_settings_are_there_to_copy(opened: Watched) -> None:
    opened.page.get_by_label("redact").check()
    code = opened.page.locator(".cm-content:visible").first
    opened.page.wait_for_function(
        "() => document.querySelector('.cm-content').innerText.includes('--fallback redact')"
    )
    assert "trustydetox clean rows.jsonl" in code.inner_text()


@pytest.mark.parametrize("text", [f"you idiot {TAKES_OVER}", "you idiot ${alert(1)} {{7*7}}"])
def test_scripts_in_a_text_stay_text_and_nobody_else_is_asked(
    opened: Watched, served: str, text: str
) -> None:
    card = submit(opened, text)
    # Of a long text the card shows the beginning.
    assert text[10:60] in card.locator(".text").first.inner_text()
    assert opened.page.title() == "trustydetox playground"
    assert opened.dialogs == []
    strangers = [url for url in opened.requests if not url.startswith((served, "data:", "blob:"))]
    assert strangers == []


def test_a_file_is_cleaned_whatever_its_name_and_columns_are(
    opened: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.jsonl"
    row = {"<b>column</b>": "you idiot <img src=x onerror=alert(1)>"}
    path.write_text(json.dumps(row) + "\n", "utf-8")
    opened.page.get_by_role("tab", name="File").click()
    opened.page.locator("input[type=file]").first.set_input_files(path)
    opened.page.get_by_text("onerror").first.wait_for()
    opened.page.get_by_role("button", name="Clean the file").click()
    opened.page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some(one => /rows read/.test(one.value))"
    )
    assert "1 rows read" in opened.page.get_by_label("What was done").input_value()
    assert opened.dialogs == []
    assert opened.page.locator("td img, td b").count() == 0


def test_a_large_file_is_refused_politely(opened: Watched, tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("a\n" * 2001, "utf-8")
    opened.page.get_by_role("tab", name="File").click()
    opened.page.locator("input[type=file]").first.set_input_files(path)
    opened.page.get_by_text("large.txt").first.wait_for()
    opened.page.get_by_role("button", name="Clean the file").click()
    opened.page.get_by_text("more than 2,000 rows").wait_for()


def test_right_to_left_texts_start_on_the_right(opened: Watched) -> None:
    card = submit(opened, "أنت أحمق يا صديقي")
    direction = card.locator(".text").first.evaluate("one => getComputedStyle(one).direction")
    assert direction == "rtl"


def test_a_keyboard_is_enough(opened: Watched) -> None:
    opened.page.get_by_label("Text", exact=True).focus()
    opened.page.keyboard.type(INSULT)
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")
    opened.page.locator("#result article.card").wait_for()


def test_a_phone_needs_no_sideways_scrolling(chromium: Any, served: str) -> None:
    with watched(chromium, viewport={"width": 360, "height": 800}) as seen:
        seen.page.set_default_timeout(300_000)
        seen.page.goto(served)
        submit(seen, INSULT)
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_result_is_not_seriously_hard_to_use(chromium: Any, served: str, scheme: str) -> None:
    with watched(chromium, color_scheme=scheme, reduced_motion="reduce") as seen:
        seen.page.set_default_timeout(300_000)
        seen.page.goto(served)
        submit(seen, INSULT)
        assert violations(seen.page) == []


def test_files_of_the_machine_are_not_served(served: str) -> None:
    for path in ("secret.txt", "/etc/hostname", "../../etc/hostname"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{served}/gradio_api/file={path}", timeout=60)
        assert refused.value.code in {403, 404}
        refused.value.close()


def test_only_this_machine_can_ask(served: str) -> None:
    port = int(served.rpartition(":")[2])
    found = {str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), port)}
    for address in found:
        if not address.startswith("127.") and address != "::1":
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=5)
