from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trustydetox.errors import SpanError
from trustydetox.spans import (
    Edit,
    Span,
    apply_edits,
    compose,
    edits_between,
    merge,
    minimal,
    overlapping,
    require_disjoint,
    sources,
)

TEXTS = st.text(alphabet="ab '.é\u0301🙂\u200d\n", max_size=24)


@st.composite
def spans_in(draw: st.DrawFn, length: int) -> list[Span]:
    cuts = draw(st.lists(st.integers(0, length), max_size=8).map(sorted))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return [Span(start, end) for start, end in pairs if start < end]


@st.composite
def texts_with_edits(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(TEXTS)
    return text, [Edit(span, draw(TEXTS)) for span in draw(spans_in(len(text)))]


@st.composite
def twice_edited(draw: st.DrawFn) -> tuple[str, list[Edit], list[Edit]]:
    text, first = draw(texts_with_edits())
    middle = slow_apply(text, first)
    second = [Edit(span, draw(TEXTS)) for span in draw(spans_in(len(middle)))]
    return text, first, second


def slow_apply(text: str, edits: Sequence[Edit]) -> str:
    """Right to left, one slice at a time."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (3, 3),  # empty
        (4, 3),  # backwards
        (-1, 3),  # before the text
    ],
)
def test_a_span_that_covers_nothing_or_starts_before_the_text_is_refused(
    start: int, end: int
) -> None:
    with pytest.raises(SpanError, match=f"got {start}:{end}"):
        Span(start, end)


def test_a_span_may_start_at_zero() -> None:
    assert Span(0, 1).of("abc") == "a"


def test_a_span_counts_code_points() -> None:
    assert len(Span(1, 3)) == 2
    assert Span(1, 3).of("a🙂éz") == "🙂é"


def test_spans_come_in_order_of_their_start_then_their_end() -> None:
    assert sorted([Span(2, 5), Span(0, 9), Span(2, 3)]) == [Span(0, 9), Span(2, 3), Span(2, 5)]


def test_touching_spans_are_disjoint_and_may_end_with_the_text() -> None:
    require_disjoint([Span(0, 2), Span(2, 5)], 5)


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 2, []), (0, 3, [0]), (4, 6, []), (3, 7, [0, 1]), (5, 20, [1, 2]), (12, 13, [])],
)
def test_spans_that_overlap_one_are_found_and_not_those_beside_it(
    start: int, end: int, found: list[int]
) -> None:
    spans = [Span(2, 4), Span(6, 8), Span(8, 12)]
    assert list(overlapping(Span(start, end), spans)) == [spans[at] for at in found]


def test_overlapping_spans_are_refused_with_both_places() -> None:
    with pytest.raises(SpanError, match="span 1:3 starts before 2"):
        require_disjoint([Span(0, 2), Span(1, 3)], 5)


def test_unsorted_spans_are_refused() -> None:
    with pytest.raises(SpanError, match="span 0:1 starts before 4"):
        require_disjoint([Span(3, 4), Span(0, 1)], 5)


def test_a_span_past_the_end_is_refused_with_the_length() -> None:
    with pytest.raises(SpanError, match="span end 6 is past the end of a text of 5 characters"):
        require_disjoint([Span(0, 6)], 5)


def test_touching_spans_merge() -> None:
    assert merge([Span(0, 2), Span(2, 4)]) == (Span(0, 4),)


def test_a_nested_span_does_not_shorten_the_one_around_it() -> None:
    assert merge([Span(0, 9), Span(2, 4)]) == (Span(0, 9),)


def test_spans_a_gap_apart_join_over_it_and_no_further() -> None:
    spans = [Span(0, 2), Span(3, 4), Span(6, 7)]
    assert merge(spans) == (Span(0, 2), Span(3, 4), Span(6, 7))
    assert merge(spans, gap=1) == (Span(0, 4), Span(6, 7))
    assert merge(spans, gap=2) == (Span(0, 7),)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=8))
def test_merging_covers_the_same_characters_with_really_separate_spans(
    pairs: list[tuple[int, int]],
) -> None:
    spans = [Span(start, start + length) for start, length in pairs]
    covered = {place for span in spans for place in range(span.start, span.end)}
    merged = merge(spans)
    assert {place for span in merged for place in range(span.start, span.end)} == covered
    # A free character lies between any two neighbours, so that no fewer spans would do.
    assert all(left.end < right.start for left, right in pairwise(merged))


def test_edits_are_made_in_offsets_of_the_original() -> None:
    edits = [Edit(Span(0, 3), ""), Edit(Span(4, 9), "friend"), Edit(Span(9, 10), "!!")]
    assert apply_edits("you idiot.", edits) == " friend!!"


def test_no_edits_leave_the_text() -> None:
    assert apply_edits("you", []) == "you"


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(SpanError):
        apply_edits("you idiot", [Edit(Span(0, 4), ""), Edit(Span(3, 6), "")])


@given(texts_with_edits())
def test_edits_equal_slicing_from_right_to_left(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    assert apply_edits(text, edits) == slow_apply(text, edits)


@given(texts_with_edits())
def test_replacing_spans_by_themselves_changes_nothing(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    assert apply_edits(text, [Edit(e.span, e.span.of(text)) for e in edits]) == text


@given(twice_edited())
def test_composed_edits_equal_making_both_in_turn(
    case: tuple[str, list[Edit], list[Edit]],
) -> None:
    text, first, second = case
    composed = compose(text, first, second)
    assert slow_apply(text, composed) == slow_apply(slow_apply(text, first), second)
    require_disjoint([edit.span for edit in composed], len(text))


@given(twice_edited())
def test_composed_edits_touch_only_what_either_list_touched(
    case: tuple[str, list[Edit], list[Edit]],
) -> None:
    text, first, second = case
    # Where each character of the text in between came from; None: written by the first edits.
    origin: list[int | None] = []
    kept = 0
    for edit in first:
        origin += [*range(kept, edit.span.start), *[None] * len(edit.replacement)]
        kept = edit.span.end
    origin += range(kept, len(text))
    touched = {place for edit in first for place in range(edit.span.start, edit.span.end)}
    touched |= {
        place
        for edit in second
        for place in origin[edit.span.start : edit.span.end]
        if place is not None
    }
    composed = compose(text, first, second)
    covered = {place for edit in composed for place in range(edit.span.start, edit.span.end)}
    assert covered == touched


@given(twice_edited())
def test_a_span_of_the_edited_text_lies_where_deleting_it_would_edit_the_original(
    case: tuple[str, list[Edit], list[Edit]],
) -> None:
    text, first, second = case
    spans = [edit.span for edit in second]
    for span, source in zip(spans, sources(first, spans), strict=True):
        composed = compose(text, first, [Edit(span, "")])
        assert source in [edit.span for edit in composed]
        # No more than that edit is new: the others are the first ones, as they were.
        assert {edit for edit in composed if edit.span != source} <= set(first)


def test_a_span_over_an_edit_lies_over_all_that_the_edit_replaced() -> None:
    first = [Edit(Span(2, 4), "XYZ"), Edit(Span(6, 8), "")]
    # abcdefgh -> abXYZef
    assert sources(first, [Span(0, 1), Span(3, 4), Span(5, 6), Span(6, 7)]) == [
        *(Span(0, 1), Span(2, 4), Span(4, 5), Span(5, 6))
    ]
    assert sources(first, [Span(1, 6)]) == [Span(1, 5)]
    assert sources([], [Span(1, 3)]) == [Span(1, 3)]


def test_edits_far_apart_stay_apart_when_composed() -> None:
    first = [Edit(Span(0, 1), "AA")]
    second = [Edit(Span(5, 6), "")]
    assert compose("abcdef", first, second) == (Edit(Span(0, 1), "AA"), Edit(Span(4, 5), ""))


def test_an_edit_of_what_was_just_written_becomes_one_edit_of_the_original() -> None:
    # "a idiot c" -> "a silly fool c" -> "a silly person c"
    first = [Edit(Span(2, 7), "silly fool")]
    second = [Edit(Span(8, 12), "person")]
    assert compose("a idiot c", first, second) == (Edit(Span(2, 7), "silly person"),)


def test_an_edit_across_two_earlier_ones_becomes_one_over_their_union() -> None:
    # "ab cd ef" -> "X cd Y" -> "Z"
    first = [Edit(Span(0, 2), "X"), Edit(Span(6, 8), "Y")]
    assert compose("ab cd ef", first, [Edit(Span(0, 6), "Z")]) == (Edit(Span(0, 8), "Z"),)


def test_later_edits_that_overlap_nothing_keep_the_earlier_ones() -> None:
    first = [Edit(Span(1, 2), ""), Edit(Span(4, 5), "xyz")]
    assert compose("abcdef", first, []) == tuple(first)
    assert compose("abcdef", [], first) == tuple(first)


def test_an_edit_past_a_deletion_is_shifted_by_it() -> None:
    # "abcdef" -> "adef": the d is character 1 there and 3 here.
    assert compose("abcdef", [Edit(Span(1, 3), "")], [Edit(Span(1, 2), "D")]) == (
        Edit(Span(1, 3), ""),
        Edit(Span(3, 4), "D"),
    )


def test_second_edits_outside_the_text_in_between_are_refused() -> None:
    with pytest.raises(SpanError, match="past the end of a text of 1 characters"):
        compose("abc", [Edit(Span(0, 2), "")], [Edit(Span(1, 2), "")])


@given(texts_with_edits())
def test_minimal_edits_have_the_same_effect_inside_the_same_spans(
    case: tuple[str, list[Edit]],
) -> None:
    text, edits = case
    small = minimal(text, edits)
    assert apply_edits(text, small) == apply_edits(text, edits)
    for edit in small:
        assert edit.replacement != edit.span.of(text)
        assert any(
            wide.span.start <= edit.span.start and edit.span.end <= wide.span.end for wide in edits
        )


@given(texts_with_edits())
def test_minimal_edits_are_as_small_as_they_get(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    small = minimal(text, edits)
    assert minimal(text, small) == small


@given(texts_with_edits())
def test_a_border_that_minimal_edits_move_lies_between_two_words(
    case: tuple[str, list[Edit]],
) -> None:
    text, edits = case
    borders = {edit.span.start for edit in edits} | {edit.span.end for edit in edits}
    for edit in minimal(text, edits):
        for border in {edit.span.start, edit.span.end} - borders:
            before, after = text[border - 1], text[border]
            assume(before not in "\u0301\u200d")
            assert not (before.isalnum() and after.isalnum())
            assert after not in "\u0301\u200d"


@pytest.mark.parametrize(
    ("before", "after", "span", "replacement"),
    [
        ("you idiot here", "you fool here", (4, 9), "fool"),  # words in common at both ends
        ("you idiot", "you", (3, 9), ""),  # the space goes with the word
        ("idiotic", "idiot", (0, 7), "idiot"),  # never half a word
        ("you idiots!", "you idiot!", (4, 10), "idiot"),
        ("don't", "do", (0, 5), "do"),  # an apostrophe is inside its word
        ("can\u2019t", "can", (0, 5), "can"),
        ("a_b", "a", (0, 3), "a"),  # and so is an underscore
        ("idiot idiot", "idiot", (5, 11), ""),  # the shared word is counted once
        ("you go", "you just go", (4, 6), "just go"),  # an insertion keeps the word after it
        ("you go", "you go now", (4, 6), "go now"),  # or the word before it, at the end
        ("go", "just go", (0, 2), "just go"),
        ("a  b", "a b", (1, 3), " "),  # a run of spaces is one piece
        ("damn!!!", "damn!", (5, 7), ""),  # signs are counted one by one
        ("cafe\u0301 x", "cafe y", (0, 7), "cafe y"),  # a mark stays with its letter
        ("🙂\u200d🙂", "🙂\u200d🙃", (2, 3), "🙃"),  # a joiner stays with what it follows
    ],
)
def test_an_edit_shrinks_to_the_words_that_change(
    before: str, after: str, span: tuple[int, int], replacement: str
) -> None:
    assert minimal(before, [Edit(Span(0, len(before)), after)]) == (Edit(Span(*span), replacement),)


def test_an_edit_that_changes_nothing_goes() -> None:
    edits = [Edit(Span(0, 3), "you"), Edit(Span(4, 9), "fool")]
    assert minimal("you idiot", edits) == (Edit(Span(4, 9), "fool"),)


@pytest.mark.parametrize(
    ("original", "text", "edits"),
    [
        ("you idiot, go", "you person, go", (Edit(Span(4, 9), "person"),)),
        ("you idiot, go", "you, go", (Edit(Span(3, 9), ""),)),
        ("a b", "a new b", (Edit(Span(1, 2), " new "),)),
        ("b", "a b", (Edit(Span(0, 1), "a b"),)),
        ("b", "a b c", (Edit(Span(0, 1), "a b c"),)),
        ("same", "same", ()),
        ("gone", "", (Edit(Span(0, 4), ""),)),
    ],
)
def test_edits_between_two_texts_are_of_whole_words(
    original: str, text: str, edits: tuple[Edit, ...]
) -> None:
    assert edits_between(original, text) == edits


@given(st.text("ab \u0301.\U0001f600", min_size=1), st.text("ab \u0301.\U0001f600"))
def test_edits_between_two_texts_turn_one_into_the_other(original: str, text: str) -> None:
    assert apply_edits(original, edits_between(original, text)) == text


def test_an_empty_text_has_no_span_to_edit() -> None:
    assert edits_between("", "") == ()
    with pytest.raises(SpanError, match="empty text"):
        edits_between("", "a")
