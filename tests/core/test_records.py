from __future__ import annotations

import dataclasses

import pytest

from trustydetox.errors import SpanError
from trustydetox.records import (
    Attempt,
    Attribution,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
    Veto,
)
from trustydetox.spans import Edit, Span

TOXIC = Toxicity(0.9)
CUT = (Edit(Span(3, 9), ""),)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_probability_may_be_any_from_zero_to_one(value: float) -> None:
    assert Toxicity(value, {"insult": value}).overall == value


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_an_overall_that_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="toxicity 'overall' must be in"):
        Toxicity(value)


def test_a_label_that_is_no_probability_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"toxicity 'insult' must be in \[0, 1\], got 1.5"):
        Toxicity(0.5, {"insult": 1.5})


def test_a_toxicity_without_labels_has_none() -> None:
    assert dict(Toxicity(0.5).by_label) == {}


def test_an_attribution_needs_one_weight_per_unit() -> None:
    with pytest.raises(SpanError, match="1 units but 2 weights"):
        Attribution("you", (Span(0, 3),), (0.1, 0.2))


def test_an_attribution_keeps_its_units_inside_the_text() -> None:
    with pytest.raises(SpanError, match="past the end"):
        Attribution("you", (Span(0, 4),), (0.1,))


def test_an_attribution_of_an_empty_text_has_no_units() -> None:
    assert Attribution("", (), ()).units == ()


def test_masked_spans_lie_inside_the_text() -> None:
    with pytest.raises(SpanError, match="past the end"):
        MaskedText("you", (Span(0, 4),))


def test_a_mask_may_leave_out_its_weights_but_not_some_of_them() -> None:
    assert MaskedText("you", (Span(0, 3),)).weights == ()
    with pytest.raises(SpanError, match="1 masked spans but 2 weights"):
        MaskedText("you", (Span(0, 3),), (1.0, 0.5))


def test_a_rewrite_derives_its_text() -> None:
    assert Rewrite("you idiot", CUT).text == "you"


def test_a_rewrite_refuses_edits_outside_its_original() -> None:
    with pytest.raises(SpanError, match="past the end"):
        Rewrite("you", CUT)


def test_an_attempt_passes_only_where_every_finding_does() -> None:
    good, bad = Finding("a", True, 1.0, 0.5), Finding("b", False, 0.1, 0.5)
    rewrite = Rewrite("you idiot", CUT)
    assert Attempt(rewrite, TOXIC, (good, good)).passed
    assert not Attempt(rewrite, TOXIC, (good, bad)).passed


def test_a_record_whose_edits_give_another_output_is_refused() -> None:
    with pytest.raises(SpanError, match="don't turn the original into the output"):
        Record("you idiot", Verdict.REWRITTEN, "you ", TOXIC, edits=CUT)


def test_a_dropped_text_has_no_edits() -> None:
    assert Record("you idiot", Verdict.UNRESOLVED, None, TOXIC).edits == ()
    with pytest.raises(SpanError, match="a dropped text has no edits"):
        Record("you idiot", Verdict.UNRESOLVED, None, TOXIC, edits=CUT)


def test_a_record_says_what_happened() -> None:
    record = Record("you idiot", Verdict.REWRITTEN, "you", TOXIC, edits=CUT)
    assert record.output == "you"
    assert (record.reason, record.masked, record.toxicity_after) == ("", None, None)


def test_verdicts_are_the_words_that_files_hold() -> None:
    assert [str(verdict) for verdict in Verdict] == ["clean", "rewritten", "unresolved"]


def test_nothing_here_can_be_changed_after_it_was_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOXIC.overall = 0.1  # type: ignore[misc]


def test_a_mask_pairs_its_spans_with_their_weights() -> None:
    first, second = Span(0, 3), Span(4, 8)
    assert MaskedText("you fool", (first, second), (0.5, 1.0)).weighted == (
        (first, 0.5),
        (second, 1.0),
    )
    assert MaskedText("you fool", (first, second)).weighted == ((first, 1.0), (second, 1.0))


def test_what_is_left_of_a_mask_is_weighed_against_its_strongest() -> None:
    veto = Veto(Span(9, 12), "deny")
    masked = MaskedText("you fool, you", (Span(0, 3), Span(4, 8)), (1.0, 0.5), (veto,))
    left = masked.only([(Span(4, 6), 0.5), (Span(6, 8), 0.25)])
    assert left == MaskedText(masked.text, (Span(4, 6), Span(6, 8)), (1.0, 0.5), (veto,))
    assert masked.only([]) == MaskedText(masked.text, (), (), (veto,))
