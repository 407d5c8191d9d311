"""The section of a dataset's card that says what was done to it.

It stands between two markers, so that a card that has one gets the new one in its place and all
else in it is left alone. It holds numbers and names, no text of any row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trustydetox.report.groups import DISPARITY
from trustydetox.report.shares import wilson
from trustydetox.report.visible import visible

CARD = "README.md"
START, END = "<!-- trustydetox:start -->", "<!-- trustydetox:end -->"
FEWEST = 20
"""Texts that a group needs to be listed: of fewer, no share says anything."""

MOST_FILES = 50

_SECTION = re.compile(f"{re.escape(START)}.*?{re.escape(END)}\n?", re.DOTALL)


def with_section(
    card: str,
    report: Mapping[str, Any],
    *,
    name: str,
    models: Mapping[str, str],
    files: Mapping[str, Mapping[str, int]],
) -> str:
    """A dataset card with a section on what was done; `card` is `""` where there was none.

    report: the content of a run's `report.json`.
    models: name of a file of weights -> sha256.
    files: name of a file of rows -> its counts.
    """
    section = "\n".join([START, *_section(report, models, files), END]) + "\n"
    if _SECTION.search(card):
        return _SECTION.sub(lambda _: section, card, count=1)
    before = card or f"# {_plain(name)}\n"
    return f"{before.rstrip()}\n\n{section}"


def _section(
    report: Mapping[str, Any],
    models: Mapping[str, str],
    files: Mapping[str, Mapping[str, int]],
) -> Iterator[str]:
    recipe, rates, texts, rows = (report[key] for key in ("recipe", "rates", "texts", "rows"))
    version = report["versions"].get("trustydetox", "")
    yield "## Detoxification"
    yield ""
    name, threshold = _plain(recipe.get("name", "unnamed")), recipe.get("threshold")
    yield (
        f"Toxic spans of this dataset were mended by trustydetox {version}, recipe `{name}`: a "
        f"text is toxic from {threshold} on, and one that can't be mended meets the fallback "
        f"`{recipe.get('fallback')}`. All else is as it came."
    )
    yield ""
    yield from _table(
        ("", "n", "of", "share", "95 % interval"),
        [
            ("texts found toxic", *_share(rates["toxic"])),
            ("texts edited", *_share(wilson(report["edits"]["texts"], texts["total"]))),
            ("toxic texts not mended", *_share(rates["unresolved_of_toxic"])),
            ("rows dropped", *_share(rates["rows_dropped"])),
            ("rows that can't be read", *_share(rates["rows_quarantined"])),
        ],
    )
    yield f"{rows['read']:,} rows came, {rows['written']:,} are here."
    if files:
        yield from _by_file(files)
    yield from _by_group(report["mentions"])
    yield ""
    yield "### Models"
    yield ""
    yield from (f"- `{_plain(file)}`, sha256 `{digest}`" for file, digest in sorted(models.items()))
    yield ""
    yield "### Limits"
    yield ""
    yield (
        "Found is what a model finds: hate without a telltale word, irony and other languages than "
        "the recipe reads are missed, harmless strong words are sometimes mended, and a mend can "
        "say something else than its writer did. A dataset without toxic words makes no model "
        "safe: measure the model."
    )


def _by_file(files: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Rows edited and dropped by source."""
    yield ""
    yield "### By source"
    yield ""
    largest = sorted(files.items(), key=lambda pair: (-pair[1]["read"], pair[0]))
    yield from _table(
        ("file", "rows", "edited", "95 % interval", "dropped", "95 % interval"),
        [
            (
                f"`{_plain(name)}`",
                f"{counts['read']:,}",
                *_share(wilson(counts["edited"], counts["read"]))[2:],
                *_share(wilson(counts["dropped"], counts["read"]))[2:],
            )
            for name, counts in largest[:MOST_FILES]
        ],
    )
    if len(largest) > MOST_FILES:
        yield f"The {MOST_FILES} largest of {len(largest):,} files."


def _by_group(mentions: Mapping[str, Any]) -> Iterator[str]:
    """Texts edited and dropped by the group that they mention."""
    groups = {name: one for name, one in mentions["groups"].items() if one["texts"] >= FEWEST}
    if not groups:
        return
    yield ""
    yield "### By group that a text mentions"
    yield ""
    yield from _table(
        (
            "group",
            "texts",
            "toxic",
            "interval",
            "edited",
            "interval",
            "dropped",
            "interval",
            "ratio",
        ),
        [
            (
                name,
                f"{one['texts']:,}",
                *_share(one["toxic"])[2:],
                *_share(one["edited"])[2:],
                *_share(one["dropped"])[2:],
                "–" if one["ratio"] is None else f"{one['ratio']:.2f}",
            )
            for name, one in {"none": {**mentions["none"], "ratio": None}, **groups}.items()
        ],
    )
    yield (
        "Beside each share its 95 % interval. The ratio is that of the share found toxic to the "
        f"one among texts that mention no group; groups of fewer than {FEWEST} texts are left out."
    )
    for name, one in groups.items():
        if one["ratio"] is not None and one["ratio"] > DISPARITY:
            sure = "" if one["disparate"] else ", though the intervals meet, so it may be chance"
            yield ""
            yield (
                f"> **Disparity:** texts that mention the group {name} are found toxic "
                f"{one['ratio']:.2f} times as often as others{sure}. Read them before you train: "
                "people may be insulted there, or the model may take the mention for the insult."
            )


def _share(share: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """n, of how many, the share and its interval, as cells."""
    if share["value"] is None:
        return "0", "0", "–", "–"
    low, high = (f"{100 * share[side]:.3g}" for side in ("low", "high"))
    return (
        f"{share['hits']:,}",
        f"{share['n']:,}",
        f"{100 * share['value']:.3g} %",
        f"{low} – {high} %",
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _plain(name: str) -> str:
    """A name that is neither markup nor the end of a cell or of our section."""
    return re.sub(r"[`|<>\[\]]", "_", visible(name)).replace("\n", " ")
