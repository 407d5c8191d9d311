"""`report.html`: one offline file that needs no script to be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from trustydetox.report.samples import Sample
from trustydetox.report.visible import visible


def render_page(
    report: Mapping[str, Any],
    samples: Sequence[Sample] = (),
    top_words: Sequence[tuple[str, int]] = (),
    *,
    title: str = "trustydetox report",
) -> str:
    """The page: the numbers of `Summary.report`, and texts to read where any are given.

    Everything that comes from rows is escaped; the content policy forbids scripts, images, fonts
    and requests, and allows this page's own style sheet by its hash. Without `samples` and
    `top_words` it holds no text of any row.
    """
    # Jinja costs a tenth of a second to import, and only the end of a run needs it.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    environment.filters["percent"] = _percent
    environment.filters["count"] = "{:,}".format
    own = files("trustydetox.report")
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = environment.from_string(own.joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        report=report,
        samples=samples,
        top_words=top_words,
        bars=_bars(report["toxicity"]),
        style=style,
        policy=(
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        ),
    )


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.3g} %"


def _bars(toxicity: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bars of both histograms on one square-root scale, so that a few texts stay visible."""
    before, after = toxicity["before"], toxicity["after"]
    most = max(*before, *after, 1)
    return [
        {
            "low": index * toxicity["bin_width"],
            "high": (index + 1) * toxicity["bin_width"],
            "before": was,
            "after": now,
            "before_height": round(100 * (was / most) ** 0.5, 1),
            "after_height": round(100 * (now / most) ** 0.5, 1),
        }
        for index, (was, now) in enumerate(zip(before, after, strict=True))
    ]
