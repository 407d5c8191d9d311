"""`report.html`: one offline file, readable without its script, which only filters and searches."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from trustydetox.report.samples import Sample
from trustydetox.report.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment

FEWEST = 5
"""Texts that a group needs to be shown."""

ACTIONS = ("rewritten", "dropped", "redacted", "kept")


def render_page(
    report: Mapping[str, Any],
    samples: Sequence[Sample] = (),
    top_words: Sequence[tuple[str, int]] = (),
    *,
    title: str = "trustydetox report",
) -> str:
    """The page: the numbers of `Summary.report`, and texts to read where any are given.

    Everything that comes from rows is escaped; the content policy forbids images, fonts and
    requests, and allows this page's own style sheet and script by their hashes. Without `samples`
    and `top_words` it holds no text of any row, and no script.
    """
    style, script = _file("card.css") + _file("page.css"), _file("page.js")
    scripts = f"script-src '{_sha256(script)}'; " if samples else ""
    threshold = report["recipe"].get("threshold")
    groups = report.get("mentions", {"groups": {}})["groups"]
    template = _environment().get_template("page.html")
    return template.render(
        title=title,
        report=report,
        samples=samples,
        actions=[one for one in ACTIONS if any(sample.action == one for sample in samples)],
        top_words=top_words,
        threshold=threshold,
        parts=_parts(report["texts"]),
        groups={name: one for name, one in groups.items() if one["texts"] >= FEWEST},
        fewest=FEWEST,
        bars=_bars(report["toxicity"]),
        sweep=_sweep(report["toxicity"]),
        lengths=_lengths(report.get("length", {"ratio": ()})["ratio"]),
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_sha256(style)}'; {scripts}"
            "base-uri 'none'; form-action 'none'"
        ),
    )


def render_card(sample: Sample) -> str:
    """One text as the page shows it, opened and revealed: an HTML fragment for `card_style`."""
    module = _environment().get_template("card.html").module
    return str(module.card(sample, open=True))  # type: ignore[attr-defined]


def card_style() -> str:
    """The style sheet of cards, and nothing else."""
    return _file("card.css")


@cache
def _environment() -> Environment:
    # Jinja costs a tenth of a second to import, and only the end of a run needs it.
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["percent"] = _percent
    environment.filters["number"] = _number
    environment.filters["count"] = "{:,}".format
    return environment


@cache
def _file(name: str) -> str:
    return files("trustydetox.report").joinpath("page", name).read_text(encoding="utf-8")


def _sha256(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.3g} %"


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "–"


def _parts(texts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The verdicts as parts of a bar of 1000; a part that isn't empty is never invisible."""
    counts = {kind: texts[kind] for kind in ("clean", "rewritten", "unresolved")}
    widths = {kind: max(6.0, 1000 * n / texts["total"]) if n else 0.0 for kind, n in counts.items()}
    whole = sum(widths.values()) or 1.0
    parts, x = [], 0.0
    for kind, width in widths.items():
        share = 1000 * width / whole
        parts.append({"kind": kind, "x": round(x, 2), "width": round(share, 2)})
        x += share
    return parts


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


def _sweep(toxicity: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How many texts each border between two bins would find toxic, were it the threshold."""
    toxic = list(accumulate(reversed(toxicity["before"])))[::-1]
    most = max(*toxic, 1)
    return [
        {
            "threshold": round(index * toxicity["bin_width"], 4),
            "toxic": n,
            "height": round(100 * (n / most) ** 0.5, 1),
        }
        for index, n in enumerate(toxic)
    ]


def _lengths(ratios: Sequence[int]) -> list[dict[str, Any]]:
    most = max([*ratios, 1])
    return [{"texts": n, "height": round(100 * (n / most) ** 0.5, 1)} for n in ratios]
