"""A few texts of a run to read, in bounded memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trustydetox.records import Record, Verdict
from trustydetox.spans import Edit, Span

CONTEXT = 160
"""Characters shown on each side of an edit."""

MOST_MARKS = 12
"""Edits of one text that are shown; the page says how many more there are."""

LONGEST = 600
"""Characters shown of a text, of an edited span or of a replacement."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters: `kept` as it was, `cut` from the original, `put` in its place, or a
    `gap` where text is left out.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One text to read: what it was, what became of it, and the numbers that decided.

    before, after: excerpts in pieces; `after` is empty where the text was dropped.
    hidden_marks: edits (or masked spans) beyond those shown.
    action: what was done: `rewritten`, `dropped`, `redacted` or `kept`.
    failed: names of the checks that the nearest miss failed.
    """

    row: int
    field: str
    verdict: str
    reason: str
    action: str
    toxicity: float
    toxicity_after: float | None
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    hidden_marks: int
    failed: tuple[str, ...]


def action_of(record: Record) -> str:
    """What was done to an edited or unresolved text, in one word."""
    if record.verdict is Verdict.REWRITTEN:
        return "rewritten"
    if record.output is None:
        return "dropped"
    return "kept" if record.output == record.original else "redacted"


def sample_of(row: int, field: str, record: Record, *, most_marks: int = MOST_MARKS) -> Sample:
    """The excerpt of one record; its size grows with the marks shown, not with the text."""
    masked = () if record.masked is None else record.masked.masked
    edits = record.edits or tuple(Edit(span, "") for span in masked)
    shown = edits[:most_marks]
    after: tuple[Piece, ...] = ()
    if record.output is not None:
        after = tuple(_excerpt(record.original, shown if record.edits else (), after=True))
    return Sample(
        row=row,
        field=field,
        verdict=record.verdict.value,
        reason=record.reason,
        action=action_of(record),
        toxicity=record.toxicity.overall,
        toxicity_after=None if record.toxicity_after is None else record.toxicity_after.overall,
        before=tuple(_excerpt(record.original, shown, after=False)),
        after=after,
        hidden_marks=len(edits) - len(shown),
        failed=tuple(finding.check for finding in record.findings if not finding.passed),
    )


def _excerpt(text: str, edits: Sequence[Edit], *, after: bool) -> Iterator[Piece]:
    if not edits:
        yield from _clipped("kept", text)
        return
    position = 0
    for edit in edits:
        yield from _between(text, position, edit.span.start)
        kind, words = ("put", edit.replacement) if after else ("cut", edit.span.of(text))
        if words:
            yield from _clipped(kind, words)
        position = edit.span.end
    yield Piece("kept", text[position : position + CONTEXT])
    if position + CONTEXT < len(text):
        yield Piece("gap", "")


def _between(text: str, start: int, end: int) -> Iterator[Piece]:
    """The kept characters between two edits, the middle left out where it is long."""
    if end - start <= 2 * CONTEXT:
        yield Piece("kept", text[start:end])
        return
    if start:
        yield Piece("kept", text[start : start + CONTEXT])
    yield Piece("gap", "")
    yield Piece("kept", text[end - CONTEXT : end])


def _clipped(kind: str, text: str) -> Iterator[Piece]:
    yield Piece(kind, text[:LONGEST])
    if len(text) > LONGEST:
        yield Piece("gap", "")


class Reservoir:
    """A uniform sample of a stream of unknown length; the same stream gives the same sample."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._random = random.Random(seed)
        self._seen = 0
        self._kept: list[Sample] = []

    def offer(self, row: int, field: str, record: Record) -> None:
        """Consider one record; its excerpt is made only if it is taken."""
        self._seen += 1
        if len(self._kept) < self.size:
            self._kept.append(sample_of(row, field, record))
            return
        place = self._random.randrange(self._seen)
        if place < self.size:
            self._kept[place] = sample_of(row, field, record)

    @property
    def seen(self) -> int:
        """How many were offered."""
        return self._seen

    def samples(self) -> list[Sample]:
        """What was kept, in row order."""
        return sorted(self._kept, key=lambda sample: (sample.row, sample.field))


def words_of(text: str, spans: Sequence[Span]) -> Iterator[str]:
    """The marked words of a text in lower case, each cut at 40 characters."""
    for span in spans:
        for word in span.of(text).lower().split():
            yield word[:40]
