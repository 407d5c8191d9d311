from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import WordScorer
from tests.networks import tiny_fluency
from trustydetox.errors import ConfigError, ModelError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Edit, Span
from trustydetox.steps.infilling import Delete
from trustydetox.steps.ranking import FEATURES, Measures, Ranked, excerpt, load_ranks, save_ranks

TEXT = "you are an idiot, day."
IDIOT = Span(11, 16)
MASKED = MaskedText(TEXT, (IDIOT,))
SCORERS = (WordScorer({"idiot": 0.9}), WordScorer({"idiot": 0.8, "bad": 0.7}))


def put(*replacements: str) -> tuple[Rewrite, ...]:
    return tuple(Rewrite(TEXT, (Edit(IDIOT, each),)) for each in replacements)


def ranks(**weights: float) -> Mapping[str, float]:
    return dict.fromkeys(FEATURES, 0.0) | weights


class Given:
    """Always the same candidates."""

    def __init__(self, *rewrites: Rewrite) -> None:
        self.rewrites = rewrites

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [self.rewrites for _ in masked]


class Holes:
    """Sure that a word is missing before a comma; otherwise sure that none is."""

    def read(self, texts: Sequence[str], places: Sequence[Sequence[int]], /) -> list[list[float]]:
        return [
            [1.5 if text[place:].startswith(",") else -3.0 for place in each]
            for text, each in zip(texts, places, strict=True)
        ]


MEASURES = Measures(SCORERS, tiny_fluency(), Holes())


def features(*replacements: str) -> list[dict[str, float]]:
    rows = MEASURES.features(MASKED, put(*replacements))
    return [dict(zip(FEATURES, row, strict=True)) for row in rows]


def test_features_worked_out_by_hand() -> None:
    idiot, bad, gone = features("stupid idiot", "bad", "")
    assert idiot["guide"] == pytest.approx(2.197, abs=1e-3)  # 0.9 / 0.1
    assert bad["guide"] == pytest.approx(-6.0)
    assert bad["check"] == pytest.approx(0.847, abs=1e-3)  # 0.7 / 0.3
    assert bad["kept"] == gone["kept"] == 1.0
    assert bad["came"] == pytest.approx(1 / 5)
    assert gone["length"] == pytest.approx(17 / 22)
    assert [row["dangling"] for row in (idiot, bad, gone)] == [0.0, 0.0, 1.0]
    assert [row["deletes"] for row in (idiot, bad, gone)] == [0.0, 0.0, 1.0]
    assert idiot["order"] == 0.0 < bad["order"] < gone["order"]
    said, fluent = features("are nice", "nice")
    assert fluent["fluency"] != said["fluency"]


def test_a_joint_is_what_follows_an_edit() -> None:
    text = "you idiot are nice"
    ((_, logs),) = tiny_fluency().read(["you are nice"])
    edit = Rewrite(text, (Edit(Span(4, 10), ""),))
    (row,) = MEASURES.features(MaskedText(text, (Span(4, 9),)), [edit])
    assert dict(zip(FEATURES, row, strict=True))["joints"] == pytest.approx(float(logs[1]))
    last = Rewrite("you idiot", (Edit(Span(3, 9), ""),))
    ((_, end),) = tiny_fluency().read(["you"])
    (row,) = MEASURES.features(MaskedText("you idiot", (Span(4, 9),)), [last])
    assert dict(zip(FEATURES, row, strict=True))["joints"] == pytest.approx(float(end[-1]))


def test_a_word_outside_the_masked_span_that_goes_is_not_kept() -> None:
    cut = Rewrite(TEXT, (Edit(Span(4, 16), ""),))
    (row,) = MEASURES.features(MASKED, [cut])
    assert dict(zip(FEATURES, row, strict=True))["kept"] == pytest.approx(2 / 4)


def test_a_gap_is_looked_for_at_both_ends_of_what_came() -> None:
    text = "you idiot, stop"
    gone, bad, early = MEASURES.features(
        MaskedText(text, (Span(4, 9),)),
        [
            Rewrite(text, (Edit(Span(3, 9), ""),)),
            Rewrite(text, (Edit(Span(4, 9), "bad"),)),
            Rewrite(text, (Edit(Span(4, 10), "all"),)),
        ],
    )
    found = [dict(zip(FEATURES, row, strict=True))["gap"] for row in (gone, bad, early)]
    assert found == [2.5, 2.5, 0.0]  # 1.5 over -1; below -1 a sentence is whole


def test_only_the_sentences_in_question_are_compared() -> None:
    text = "All is well. You idiot! He left.\n\nHer idiot of a cat stayed. Bye."
    first, second = Span(17, 22), Span(38, 43)
    gone = Rewrite(text, (Edit(Span(16, 22), ""), Edit(second, "fool")))
    masked, (short,) = excerpt(MaskedText(text, (first, second), (1.0, 0.5)), [gone])
    assert masked.text == "You idiot! Her idiot of a cat stayed. "
    assert [span.of(masked.text) for span in masked.masked] == ["idiot", "idiot"]
    assert masked.weights == (1.0, 0.5)
    assert short.text == "You! Her fool of a cat stayed. "


def test_an_edit_over_two_sentences_keeps_both_and_one_sentence_is_itself() -> None:
    text = "You idiot. Go. Now. Bye."
    cut = Rewrite(text, (Edit(Span(4, 13), "left"),))
    masked, (short,) = excerpt(MaskedText(text, (Span(4, 9),)), [cut])
    assert (masked.text, short.text) == ("You idiot. Go. ", "You left. ")
    assert excerpt(MASKED, put("bad")) == (MASKED, list(put("bad")))


@pytest.mark.parametrize(
    ("weights", "first"),
    [
        ({"check": -1.0}, "nice"),
        ({"guide": -1.0, "check": 0.5}, "bad"),
        ({"order": 1.0}, "nice"),
        ({}, "stupid idiot"),  # a tie keeps the order
    ],
)
def test_the_candidate_that_weighs_most_comes_first(
    weights: Mapping[str, float], first: str
) -> None:
    given = put("stupid idiot", "bad", "nice")
    step = Ranked(Given(*given), SCORERS, tiny_fluency(), Holes(), ranks(**weights))
    (found,) = step.infill([MASKED])
    assert found[0].edits[0].replacement == first
    assert sorted(found, key=str) == sorted(given, key=str)


def test_one_candidate_and_none_pass_through() -> None:
    step = Ranked(Delete(), SCORERS, tiny_fluency(), Holes(), ranks())
    assert step.infill([]) == []
    assert list(map(len, step.infill([MASKED, MaskedText("", ())]))) == [1, 0]


def test_ranks_and_scorers_must_be_complete() -> None:
    step = Ranked(Delete(), SCORERS, tiny_fluency(), Holes(), ranks())
    with pytest.raises(ConfigError, match="got guide"):
        replace(step, ranks={"guide": 1.0})
    with pytest.raises(ConfigError, match="got 1"):
        replace(step, scorers=SCORERS[:1])


def test_ranks_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "ranks.json"
    save_ranks(ranks(guide=-0.25), path)
    assert load_ranks(path) == ranks(guide=-0.25)
    path.write_text("[]")
    with pytest.raises(ModelError, match="no ranking weights"):
        load_ranks(path)
    with pytest.raises(ModelError, match="can't read"):
        load_ranks(tmp_path / "none.json")
