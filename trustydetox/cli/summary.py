"""What a run did, as a short table, and the files that say so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.errors import InputError, ResourceError
from trustydetox.report import visible

if TYPE_CHECKING:
    from trustydetox.evaluation.tables import Table

ROWS = ("read", "written", "dropped", "quarantined")
TEXTS = ("clean", "rewritten", "unresolved")


def read_report(run: Path) -> dict[str, Any]:
    """The content of a run folder's `report.json`."""
    path = run / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{run} is no finished run folder: it holds no report.json") from error
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} isn't JSON: it was cut short or changed") from error
    return report


def title_of(run: Path) -> str:
    """The name of a run's report: that of the file it wrote, unless its folder was named."""
    return run.resolve().name.removesuffix(".detox")


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The numbers of a `report.json` as lines of text."""
    rows = [("rows " + name, report["rows"][name]) for name in ROWS]
    texts = [("texts " + name, report["texts"][name]) for name in TEXTS]
    width = max(len(f"{n:,}") for _, n in rows + texts)
    for (what, n), text in zip_longest(rows, texts):
        line = f"{what:<17}  {n:>{width},}"
        if text is not None:
            line += f"      {text[0]:<16}  {text[1]:>{width},}"
        yield line
    unresolved = report["unresolved"]
    if unresolved["by_reason"]:
        reasons = _counted(unresolved["by_reason"])
        yield visible(f"unresolved for: {reasons}; they were {_counted(unresolved['by_action'])}")
    edits = report["edits"]
    if edits["edits"]:
        share = edits["share_of_characters_removed"]
        yield (
            f"{edits['edits']:,} edits in {edits['texts']:,} texts took out "
            f"{100 * share:.3g} % of their characters"
        )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def write_private(path: Path, content: str) -> None:
    """A file that only its owner can read, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        part.replace(path)
    except OSError as error:
        raise ResourceError(f"can't write {path}: {error.strerror}") from error


def answer(shown: Sequence[Table]) -> None:
    """Print the tables."""
    from trustydetox.evaluation import tables

    print(tables.markdown(shown))
