from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Edit, Span
from trustydetox.steps.passages import combined, passages_of, together

TEXT = "All is well. You idiot! Is it 3.5 m long? Go, moron.\nBye."


def masked(text: str, *words: str) -> MaskedText:
    starts = [text.index(word) for word in words]
    spans = [Span(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
    return MaskedText(text, tuple(spans))


def test_a_text_that_fits_is_one_passage() -> None:
    one = masked(TEXT, "idiot")
    (found,) = passages_of(one, lambda text: True, whole=True) or []
    assert (found.start, found.masked) == (0, one)


def test_only_sentences_that_hold_a_masked_span_are_passages() -> None:
    found = passages_of(masked(TEXT, "idiot", "moron"), lambda text: True, whole=False) or []
    assert [each.masked.text for each in found] == ["You idiot! ", "Go, moron.\n"]
    assert [span.of(each.masked.text) for each in found for span in each.masked.masked] == [
        "idiot",
        "moron",
    ]


def test_a_masked_span_over_two_sentences_keeps_them_together() -> None:
    found = passages_of(masked(TEXT, "idiot! Is"), lambda text: True, whole=False) or []
    assert [each.masked.text for each in found] == ["You idiot! Is it 3.5 m long? "]


def test_a_sentence_that_is_too_long_is_halved_at_a_space() -> None:
    text = "one two three idiot five six seven eight"
    found = passages_of(masked(text, "idiot"), lambda each: len(each) <= 12, whole=True) or []
    assert [each.masked.text for each in found] == ["three idiot "]
    assert found[0].start == 8


def test_a_span_that_no_network_can_read_has_no_passage() -> None:
    assert passages_of(masked("x" * 50, "x" * 50), lambda each: len(each) < 10, whole=True) is None


def test_edits_of_passages_are_edits_of_the_text() -> None:
    found = passages_of(masked(TEXT, "idiot", "moron"), lambda text: True, whole=False) or []
    parts = [
        (each, Rewrite(each.masked.text, (Edit(each.masked.masked[0], "friend"),)))
        for each in found
    ]
    assert together(TEXT, parts).text == TEXT.replace("idiot", "friend").replace("moron", "friend")


def test_candidates_of_passages_go_together_by_rank() -> None:
    one = masked(TEXT, "idiot", "moron")
    passages = passages_of(one, lambda text: True, whole=False) or []
    several = [
        [Rewrite(each.masked.text, (Edit(each.masked.masked[0], put),)) for put in puts]
        for each, puts in zip(passages, (["man", "sir"], ["dear"]), strict=True)
    ]
    first, second = combined(one, passages, several)
    assert first.text == TEXT.replace("idiot", "man").replace("moron", "dear")
    assert second.text == TEXT.replace("idiot", "sir").replace("moron", "dear")
    assert combined(one, passages, [several[0], []]) == ()


@given(st.text("ab .!\n", max_size=40), st.data())
def test_no_passage_loses_or_moves_a_masked_span(text: str, data: st.DataObject) -> None:
    if not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))))
    found = passages_of(MaskedText(text, (span,)), lambda each: True, whole=False)
    assert found is not None
    (passage,) = found
    (inner,) = passage.masked.masked
    assert (inner.start + passage.start, inner.end + passage.start) == (span.start, span.end)
    assert text[passage.start :].startswith(passage.masked.text)
