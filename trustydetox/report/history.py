"""Records read back from the `records.jsonl` of a run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trustydetox.errors import InputError
from trustydetox.records import Finding, Record, Toxicity, Verdict
from trustydetox.spans import Edit, Span

RECORDS = "records.jsonl"


class Entry(NamedTuple):
    """A record and where its text stood."""

    row: int
    field: str
    record: Record


def read_records(run: Path) -> Iterator[Entry]:
    """The records of a run, in order, one at a time; they hold no masks and no labels."""
    path = run / RECORDS
    if not path.is_file():
        raise InputError(f"{run} is no run folder of `clean`: it holds no {RECORDS}")
    return _entries(path)


def _entries(path: Path) -> Iterator[Entry]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield _entry(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"line {number} of {path} isn't a record ({type(error).__name__}): "
                    "the run was cut short, or the file was changed"
                ) from error


def _entry(line: dict[str, Any]) -> Entry:
    after = line["toxicity_after"]
    record = Record(
        line["original"],
        Verdict(line["verdict"]),
        line["output"],
        Toxicity(line["toxicity"]),
        reason=line["reason"],
        edits=tuple(
            Edit(Span(edit["start"], edit["end"]), edit["replacement"]) for edit in line["edits"]
        ),
        toxicity_after=None if after is None else Toxicity(after),
        findings=tuple(
            Finding(one["check"], one["passed"], _number(one["value"]), _number(one["limit"]))
            for one in line["findings"]
        ),
    )
    return Entry(line["row"], line["field"], record)


def _number(value: float | None) -> float:
    """A value that isn't finite is written as null."""
    return math.nan if value is None else value
