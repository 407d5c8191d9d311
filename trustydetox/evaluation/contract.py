"""The promise of every record: its edits turn its original into its output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trustydetox.errors import ContractError
from trustydetox.records import Record, Verdict


@dataclass(frozen=True)
class EditCounts:
    """How many records of a source kept the promise, and what was done in them."""

    source: str
    records: int
    clean: int
    rewritten: int
    unresolved: int
    dropped: int
    edits: int


def check_edits(source: str, texts: Sequence[str], records: Iterable[Record]) -> EditCounts:
    """Counts over the records of `texts`; ContractError names the first row that breaks it."""
    seen = list(records)
    if len(seen) != len(texts):
        raise ContractError(f"{source}: {len(seen)} records for {len(texts)} texts")
    for row, (text, record) in enumerate(zip(texts, seen, strict=True)):
        if record.original != text:
            raise ContractError(f"{source}, row {row}: the record is about another text")
        if record.output is not None and _edited(record) != record.output:
            raise ContractError(f"{source}, row {row}: the edits don't give the output")
        if record.verdict is Verdict.CLEAN and (record.edits or record.output != text):
            raise ContractError(f"{source}, row {row}: a clean text was changed")
    verdicts = [record.verdict for record in seen]
    return EditCounts(
        source,
        len(seen),
        verdicts.count(Verdict.CLEAN),
        verdicts.count(Verdict.REWRITTEN),
        verdicts.count(Verdict.UNRESOLVED),
        sum(record.output is None for record in seen),
        sum(len(record.edits) for record in seen),
    )


def _edited(record: Record) -> str:
    # From the last edit to the first, on purpose unlike `apply_edits`, which this measures too.
    text = record.original
    for edit in reversed(record.edits):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text
