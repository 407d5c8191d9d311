"""Acts of violence and parts of the body in plain words, which infillers leave as they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes import Deleter
from trustydetox.records import MaskedText, Rewrite, Veto
from trustydetox.spans import Span
from trustydetox.steps.leaving import Leaving, deeds_in
from trustydetox.steps.viewing import KnownWords


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("He kills, killed and was KILLING killers", "kill kill kill kill"),
        ("raped by rapists, raping, rape", "rap rap rap rap"),
        ("stabbed, strangled and executed", "stab strangl execut"),
        ("suicidal, sexually, genitals, penises", "suicid sexual genital penis"),
        ("rappers, skill, hanger-on, changed, stable, grape, analysis, sex", "hang"),
        ("dumb fool", ""),
    ],
)
def test_deeds_are_found_in_all_their_forms_and_in_no_other_word(text: str, stems: str) -> None:
    assert " ".join(stem for _, stem in deeds_in(text)) == stems


def test_the_span_of_a_deed_is_the_whole_word() -> None:
    assert [span for span, _ in deeds_in("he stabbed")] == [Span(3, 10)]


KNOWN = KnownWords.of(["dumb", "fool", "scum"])


class Asked:
    """Deletes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.masked: list[MaskedText] = []

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        self.masked += masked
        return Deleter().infill(masked)


def test_a_masked_phrase_loses_its_deeds_and_falls_into_parts() -> None:
    text = "that dumb rapist scum is a fool"
    veto = Veto(Span(0, 4), "deny")
    asked = Asked()
    masked = MaskedText(text, (Span(5, 21), Span(27, 31)), (0.5, 0.25), (veto,))
    [[rewrite]] = Leaving(asked, KNOWN).infill([masked])
    [found] = asked.masked
    assert [span.of(text) for span in found.masked] == ["dumb", "scum", "fool"]
    assert found.weights == (1.0, 1.0, 0.5)
    assert found.vetoes == (veto,)
    assert "rapist" in rewrite.text


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("I will kill you", "kill"), ("I torture someone", "torture someone"), ("hey you", "you")],
)
def test_where_all_or_none_of_a_mask_is_a_deed_it_stays(text: str, phrase: str) -> None:
    start = text.index(phrase)
    masked = MaskedText(text, (Span(start, start + len(phrase)),), (1.0,))
    asked = Asked()
    Leaving(asked, KNOWN).infill([masked])
    assert asked.masked == [masked]


def test_harmless_words_beside_a_deed_are_left_with_it() -> None:
    asked = Asked()
    text = "torture someone, you pest"
    masked = MaskedText(text, (Span(0, 15), Span(21, 25)), (1.0, 0.5))
    Leaving(asked, KNOWN).infill([masked])
    assert asked.masked == [MaskedText(text, (Span(21, 25),), (1.0,))]


def test_a_mask_without_weights_keeps_all_its_parts_as_strong() -> None:
    asked = Asked()
    Leaving(asked, KNOWN).infill([MaskedText("dumb killer fool", (Span(0, 16),))])
    assert asked.masked[0].weights == (1.0, 1.0)
