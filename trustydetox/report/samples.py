"""A few texts of a run to read, in bounded memory."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trustydetox.records import Finding, Record, Verdict
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
class Word:
    """A span that was found toxic, and how strong it is in its text, in [0, 1]."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate that failed: an excerpt of it, its toxicity, and the checks that it failed."""

    text: tuple[Piece, ...]
    toxicity: float
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One text to read: what it was, what became of it, and the numbers that decided.

    before, after: excerpts in pieces; `after` is empty where the text was dropped.
    hidden_marks: edits (or masked spans) beyond those shown.
    action: what was done: `rewritten`, `dropped`, `redacted` or `kept`.
    failed: names of the checks that the nearest miss failed.
    words: the spans found toxic, at most as many as the marks; findings: as the record has them;
    tried: the candidates that failed.
    file: its name where the run cleaned several, else `""`.
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
    words: tuple[Word, ...] = ()
    findings: tuple[Finding, ...] = ()
    tried: tuple[Tried, ...] = ()
    file: str = ""

    @property
    def place(self) -> str:
        """Where the text stood, in words."""
        where = f"row {self.row}, {self.field}"
        return f"{self.file}: {where}" if self.file else where


def action_of(record: Record) -> str:
    """What was done to a text, in one word."""
    if record.verdict is not Verdict.UNRESOLVED:
        return record.verdict.value
    if record.output is None:
        return "dropped"
    return "kept" if record.output == record.original else "redacted"


def sample_of(
    row: int, field: str, record: Record, file: str = "", *, most_marks: int = MOST_MARKS
) -> Sample:
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
        failed=_failed(record.findings),
        words=tuple(_words(record, most_marks)),
        findings=record.findings,
        tried=tuple(
            Tried(
                tuple(_excerpt(record.original, miss.rewrite.edits[:most_marks], after=True)),
                miss.toxicity.overall,
                _failed(miss.findings),
            )
            for miss in record.misses
        ),
        file=file,
    )


def _failed(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(finding.check for finding in findings if not finding.passed)


def _words(record: Record, most: int) -> Iterator[Word]:
    if record.masked is None:
        return
    for span, weight in record.masked.weighted[:most]:
        yield Word(span.of(record.original)[:LONGEST], weight)


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


class Reading:
    """What is worth reading of a stream: the worst half, and a uniform sample of all the others.

    The same stream gives the same texts. Worst is what left with the most toxicity; of texts that
    were dropped, which left with none, what came with the most.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._most_worst, self._most_others = size - size // 2, size // 2
        self._random = random.Random(seed)
        self._worst: list[tuple[float, float, int, Sample]] = []
        self._others: list[tuple[int, Sample]] = []
        self._offered = self._passed_on = 0

    def offer(self, row: int, field: str, record: Record, file: str = "") -> None:
        """Consider one record; its excerpt is made only if it is taken."""
        self._offered += 1
        left, came = -1.0, record.toxicity.overall
        if record.output is not None:
            left = (record.toxicity_after or record.toxicity).overall
        # Of two that are as bad the earlier one stays, and no two samples are ever compared.
        rank = (left, came, -self._offered)
        if len(self._worst) < self._most_worst:
            heapq.heappush(self._worst, (*rank, sample_of(row, field, record, file)))
        elif self._worst and rank > self._worst[0][:3]:
            gone = heapq.heapreplace(self._worst, (*rank, sample_of(row, field, record, file)))
            self._pass_on(-gone[2], lambda: gone[3])
        else:
            self._pass_on(self._offered, lambda: sample_of(row, field, record, file))

    def _pass_on(self, number: int, make: Callable[[], Sample]) -> None:
        self._passed_on += 1
        if len(self._others) < self._most_others:
            self._others.append((number, make()))
            return
        place = self._random.randrange(self._passed_on)
        if place < self._most_others:
            self._others[place] = (number, make())

    def samples(self) -> list[Sample]:
        """The worst, worst first; then the others, in the order they came."""
        worst = [one[3] for one in sorted(self._worst, key=lambda one: one[:3], reverse=True)]
        return worst + [sample for _, sample in sorted(self._others, key=lambda one: one[0])]


def words_of(text: str, spans: Sequence[Span]) -> Iterator[str]:
    """The marked words of a text in lower case, each cut at 40 characters."""
    for span in spans:
        for word in span.of(text).lower().split():
            yield word[:40]
