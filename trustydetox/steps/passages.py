"""The parts of a long text that hold what must go, each short enough for a network to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Edit, Span

_SENTENCE = re.compile(r"(?:[^.!?…\n]|[.!?…](?!\s))*(?:[.!?…]+|\n|\Z)\s*")


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text with its own masked spans.

    start: where in the text it begins; spans count from there.
    """

    start: int
    masked: MaskedText

    def placed(self, rewrite: Rewrite) -> Iterator[Edit]:
        """The edits of a rewrite of the passage, in offsets of the text."""
        for edit in rewrite.edits:
            span = Span(edit.span.start + self.start, edit.span.end + self.start)
            yield Edit(span, edit.replacement)


def passages_of(
    masked: MaskedText, fits: Callable[[str], bool], *, whole: bool
) -> list[Passage] | None:
    """The parts that hold a masked span; None where one with its span is too long to be read.

    fits: whether a network can read a piece of text at once.
    whole: whether a text that fits is one passage; else it is cut into sentences all the same.
    """
    text = masked.text
    if not masked.masked:
        return []
    if whole and fits(text):
        return [Passage(0, masked)]
    found: list[Passage] = []
    for start, end in _sentences(masked):
        part = _part(masked, start, end)
        if not part.masked.masked:
            continue
        if fits(part.masked.text):
            found.append(part)
            continue
        smaller = _cut(part, fits)
        if smaller is None:
            return None
        found += smaller
    return found


def together(text: str, parts: Sequence[tuple[Passage, Rewrite]]) -> Rewrite:
    """One rewrite of the text from one of each passage."""
    return Rewrite(text, tuple(edit for passage, each in parts for edit in passage.placed(each)))


def combined(
    masked: MaskedText, passages: Sequence[Passage], found: Sequence[Sequence[Rewrite]]
) -> tuple[Rewrite, ...]:
    """Candidates of a text: the first of every passage together, then the second, none twice.

    A passage with fewer gives its last again; one with none gives the text no candidate.
    """
    if not passages or not all(found):
        return ()
    ranks = max(map(len, found))
    rewrites = dict.fromkeys(
        together(
            masked.text,
            [
                (passage, each[min(rank, len(each) - 1)])
                for passage, each in zip(passages, found, strict=True)
            ],
        )
        for rank in range(ranks)
    )
    return tuple(rewrite for rewrite in rewrites if rewrite.edits)


def _sentences(masked: MaskedText) -> Iterator[tuple[int, int]]:
    """Ranges of the sentences with the space behind each; no masked span is cut."""
    start = 0
    inside = iter(masked.masked)
    span = next(inside, None)
    for match in _SENTENCE.finditer(masked.text):
        end = match.end()
        while span is not None and span.end <= end:
            span = next(inside, None)
        if end == start or (span is not None and span.start < end):
            continue
        yield start, end
        start = end
    if start < len(masked.text):
        yield start, len(masked.text)


def _part(masked: MaskedText, start: int, end: int) -> Passage:
    spans = tuple(
        Span(span.start - start, span.end - start)
        for span in masked.masked
        if start <= span.start and span.end <= end
    )
    return Passage(start, MaskedText(masked.text[start:end], spans))


def _cut(passage: Passage, fits: Callable[[str], bool]) -> list[Passage] | None:
    """Halves of a sentence that is too long, and theirs, as far as a masked span is in them."""
    masked = passage.masked
    middle = len(masked.text) // 2
    spaces = [
        match.end()
        for match in re.finditer(r"\s+", masked.text)
        if 0 < match.end() < len(masked.text)
        and not any(span.start < match.end() < span.end for span in masked.masked)
    ]
    if not spaces:
        return None
    at = min(spaces, key=lambda each: abs(each - middle))
    found: list[Passage] = []
    for start, end in ((0, at), (at, len(masked.text))):
        part = _part(masked, start, end)
        if not part.masked.masked:
            continue
        moved = Passage(passage.start + start, part.masked)
        if fits(moved.masked.text):
            found.append(moved)
            continue
        smaller = _cut(moved, fits)
        if smaller is None:
            return None
        found += smaller
    return found
