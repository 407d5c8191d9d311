"""Spans and edits: where in a text something is, and what to put there instead.

Offsets are half-open and count code points of the *original* text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from unicodedata import category

from trustydetox.errors import SpanError


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A non-empty half-open range of code points."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise SpanError(f"expected 0 <= start < end, got {self.start}:{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """The characters of `text` inside this span."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """One replacement; an empty `replacement` deletes the span."""

    span: Span
    replacement: str


def require_disjoint(spans: Sequence[Span], length: int) -> None:
    """Raise SpanError unless `spans` are sorted, disjoint and inside a text of `length`.

    Touching spans are disjoint.
    """
    previous = 0
    for span in spans:
        if span.start < previous:
            raise SpanError(f"span {span.start}:{span.end} starts before {previous}")
        previous = span.end
    if previous > length:
        raise SpanError(f"span end {previous} is past the end of a text of {length} characters")


def merge(spans: Iterable[Span], *, gap: int = 0) -> tuple[Span, ...]:
    """The fewest sorted spans that cover the same characters, joined over up to `gap` others."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end + gap:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def overlapping(span: Span, spans: Sequence[Span]) -> Sequence[Span]:
    """Those of the sorted disjoint spans that overlap `span`."""
    first = bisect_right(spans, span.start, key=lambda one: one.end)
    return spans[first : bisect_left(spans, span.end, key=lambda one: one.start)]


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """`text` with every edit made; edits must be sorted, disjoint and inside the text."""
    require_disjoint([edit.span for edit in edits], len(text))
    pieces: list[str] = []
    kept = 0
    for edit in edits:
        pieces += (text[kept : edit.span.start], edit.replacement)
        kept = edit.span.end
    return "".join((*pieces, text[kept:]))


def compose(text: str, first: Sequence[Edit], second: Sequence[Edit]) -> tuple[Edit, ...]:
    """One list of edits of `text` that equals making `first` and then `second`.

    `second` is given in offsets of the text after `first`. Where the two overlap, the result
    is one edit over the union; elsewhere edits stay apart.
    """
    middle = apply_edits(text, first)
    require_disjoint([edit.span for edit in second], len(middle))
    blocks = _blocks(first)
    grown: list[_Block] = []
    made: list[list[Edit]] = []  # per grown block, the edits of `second` inside it
    at = 0
    for edit in second:
        while at < len(blocks) and blocks[at].high <= edit.span.start:
            grown.append(blocks[at])
            made.append([])
            at += 1
        inside = [edit]
        touched: list[_Block] = []
        if grown and edit.span.start < grown[-1].high:
            touched.append(grown.pop())
            inside = [*made.pop(), edit]
        while at < len(blocks) and blocks[at].low < edit.span.end:
            touched.append(blocks[at])
            at += 1
        grown.append(_grown(touched, grown[-1] if grown else None, edit.span))
        made.append(inside)
    grown += blocks[at:]
    made += [[] for _ in blocks[at:]]
    return tuple(
        Edit(Span(block.start, block.end), _edited(middle, block, edits))
        for block, edits in zip(grown, made, strict=True)
    )


def sources(edits: Sequence[Edit], spans: Sequence[Span]) -> list[Span]:
    """Where sorted disjoint spans of the edited text lie in the original.

    With the whole of every edit that one overlaps; so two of them may have one in common.
    """
    blocks = _blocks(edits)
    found: list[Span] = []
    first = 0
    for span in spans:
        while first < len(blocks) and blocks[first].high <= span.start:
            first += 1
        last = first
        while last < len(blocks) and blocks[last].low < span.end:
            last += 1
        block = _grown(blocks[first:last], blocks[first - 1] if first else None, span)
        found.append(Span(block.start, block.end))
    return found


def minimal(text: str, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits with the same effect that leave out the whole words which stay.

    Words (and single signs between them) that a span and its replacement have in common at
    either end are taken out of the edit; an edit that changes nothing goes. A border never falls
    inside a word. Where only an insertion would remain, the edit keeps the piece after it (at
    the end of the span: before it), because a span is never empty.
    """
    return tuple(
        trimmed
        for edit in edits
        if (trimmed := _trimmed(text, edit)).replacement != trimmed.span.of(text)
    )


def edits_between(original: str, text: str) -> tuple[Edit, ...]:
    """Edits of whole words that turn `original` into `text`; quadratic in words at worst.

    What is only put in takes the piece before it along (at the start: the one after it), because
    a span is never empty.
    """
    before, after = _pieces(original), _pieces(text)
    if not before and after:
        raise SpanError("an empty text has no span to edit")
    starts = list(accumulate(map(len, before), initial=0))
    edits: list[Edit] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, first, last, low, high in matcher.get_opcodes():
        if kind == "equal":
            continue
        new = "".join(after[low:high])
        if first == last == 1 and edits and edits[-1].span.end == starts[1]:
            # The only piece before it went along with what was put in at the start.
            edits[-1] = Edit(edits[-1].span, edits[-1].replacement + new)
            continue
        if first == last and first:
            first, new = first - 1, before[first - 1] + new
        elif first == last:
            last, new = last + 1, new + before[0]
        edits.append(Edit(Span(starts[first], starts[last]), new))
    return tuple(edits)


def _trimmed(text: str, edit: Edit) -> Edit:
    before, after = _pieces(edit.span.of(text)), _pieces(edit.replacement)
    most = min(len(before), len(after))
    head = 0
    while head < most and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < most - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    if head + tail == len(before):
        head, tail = (head, tail - 1) if tail else (head - 1, tail)
    start = edit.span.start + sum(map(len, before[:head]))
    end = edit.span.end - sum(map(len, before[len(before) - tail :]))
    return Edit(Span(start, end), "".join(after[head : len(after) - tail]))


def _pieces(text: str) -> list[str]:
    """`text` cut into words, runs of space and single signs; marks stay with what they mark."""
    pieces: list[str] = []
    last = ""
    for character in text:
        kind = _kind(character)
        if pieces and (kind == "mark" or (kind == last and kind != "sign")):
            pieces[-1] += character
        else:
            pieces.append(character)
            last = kind
    return pieces


def _kind(character: str) -> str:
    if character.isalnum() or character in "_'\u2019":
        return "word"
    if character.isspace():
        return "space"
    # Combining marks, and joiners such as those inside an emoji.
    if category(character)[0] == "M" or category(character) == "Cf":
        return "mark"
    return "sign"


@dataclass(frozen=True, slots=True)
class _Block:
    """A range of the original, and the range of the edited text that came of it."""

    start: int
    end: int
    low: int
    high: int


def _blocks(edits: Sequence[Edit]) -> list[_Block]:
    blocks: list[_Block] = []
    shift = 0
    for edit in edits:
        low = edit.span.start + shift
        blocks.append(_Block(edit.span.start, edit.span.end, low, low + len(edit.replacement)))
        shift += len(edit.replacement) - len(edit.span)
    return blocks


def _grown(touched: Sequence[_Block], before: _Block | None, span: Span) -> _Block:
    """One block over `touched`, in order, and a span of the edited text that overlaps them.

    before: the last block that ends before the span, which says how far the texts are shifted.
    """
    if not touched:
        shift = before.end - before.high if before else 0
        return _Block(span.start + shift, span.end + shift, span.start, span.end)
    left, right = touched[0], touched[-1]
    return _Block(
        left.start - max(0, left.low - span.start),
        right.end + max(0, span.end - right.high),
        min(left.low, span.start),
        max(right.high, span.end),
    )


def _edited(middle: str, block: _Block, edits: Sequence[Edit]) -> str:
    inside = [
        Edit(Span(edit.span.start - block.low, edit.span.end - block.low), edit.replacement)
        for edit in edits
    ]
    return apply_edits(middle[block.low : block.high], inside)
