"""Records read back from the `records.jsonl` of a run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trustydetox.errors import InputError
from trustydetox.records import (
    Attempt,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
    Veto,
)
from trustydetox.spans import Edit, Span

RECORDS = "records.jsonl"


class Entry(NamedTuple):
    """A record and where its text stood.

    file: its name where the run cleaned several, else `""`.
    """

    row: int
    field: str
    record: Record
    file: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        """Where the text stood; no other of the run has the same."""
        return self.file, self.row, self.field


def read_records(run: Path) -> Iterator[Entry]:
    """The records of a run, in order, one at a time; they hold no labels."""
    path = run / RECORDS
    if not path.is_file():
        raise InputError(f"{run} is no run folder of `clean`: it holds no {RECORDS}")
    return _entries(path)


def _entries(path: Path) -> Iterator[Entry]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield read_entry(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"line {number} of {path} isn't a record ({type(error).__name__}): "
                    "the run was cut short, or the file was changed"
                ) from error


def read_entry(line: Mapping[str, Any]) -> Entry:
    """The record that a line of `records.jsonl` is, read as JSON; other keys are left alone."""
    after, text = line["toxicity_after"], line["original"]
    spans = line.get("spans", ())
    masked = MaskedText(
        text,
        tuple(Span(one["start"], one["end"]) for one in spans),
        tuple(one["weight"] for one in spans),
    )
    record = Record(
        text,
        Verdict(line["verdict"]),
        line["output"],
        Toxicity(line["toxicity"]),
        reason=line["reason"],
        edits=_edits(line["edits"]),
        masked=masked if spans else None,
        toxicity_after=None if after is None else Toxicity(after),
        findings=_findings(line["findings"]),
        misses=tuple(
            Attempt(
                Rewrite(text, _edits(miss["edits"])),
                Toxicity(miss["toxicity"]),
                _findings(miss["findings"]),
            )
            for miss in line.get("misses", ())
        ),
        rule=line.get("rule", ""),
        vetoes=tuple(
            Veto(Span(one["start"], one["end"]), one["rule"]) for one in line.get("vetoes", ())
        ),
    )
    return Entry(line["row"], line["field"], record, line.get("file", ""))


def _edits(lines: Iterable[dict[str, Any]]) -> tuple[Edit, ...]:
    return tuple(Edit(Span(one["start"], one["end"]), one["replacement"]) for one in lines)


def _findings(lines: Iterable[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(
        Finding(one["check"], one["passed"], _number(one["value"]), _number(one["limit"]))
        for one in lines
    )


def _number(value: float | None) -> float:
    """A value that isn't finite is written as null."""
    return math.nan if value is None else value
