from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy
import pytest

from tests.fakes import WordAttributor, WordScorer
from tests.networks import tiny_guide
from trustydetox.embedded.ngrams import NgramWeights
from trustydetox.errors import ConfigError
from trustydetox.records import Attribution, Toxicity
from trustydetox.steps.identifying import Gated
from trustydetox.steps.scoring import (
    Attributed,
    EncoderScorer,
    NgramScorer,
    WorstSentence,
    ngram_slots,
)
from trustydetox.steps.viewing import View

GUIDE = tiny_guide()
SCORER = EncoderScorer(GUIDE, View.of)


def test_a_score_does_not_depend_on_its_batch() -> None:
    texts = ["you are an idiot", "what a nice day", "go away", "it was very good " * 9]
    together = SCORER.score(texts)
    alone = [SCORER.score([text])[0] for text in texts]
    assert [score.overall for score in together] == pytest.approx(
        [score.overall for score in alone], abs=1e-5
    )
    # The control: another guide scores otherwise.
    other = EncoderScorer(tiny_guide(seed=1), View.of).score(texts)
    assert [s.overall for s in other] != pytest.approx([s.overall for s in alone], abs=1e-5)


def test_scores_name_the_labels() -> None:
    (score,) = SCORER.score(["you are an idiot"])
    assert set(score.by_label) == {"insult", "threat"}


def test_a_long_text_is_as_toxic_as_its_worst_window() -> None:
    worst, calm = sorted(
        ("idiot " * 100, "nice day " * 50), key=lambda text: -SCORER.score([text])[0].overall
    )
    whole = SCORER.score([calm * 8 + worst])[0].overall
    assert whole >= SCORER.score([worst])[0].overall - 0.05
    assert whole > SCORER.score([calm])[0].overall


class Adding:
    """Each `mild` adds a quarter, to a label as well; counts the texts that it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        self.asked += texts
        found = [min(0.25 * text.count("mild"), 1.0) for text in texts]
        return [Toxicity(overall, {"insult": overall / 2}) for overall in found]


@pytest.mark.parametrize(
    ("text", "overall"),
    [
        ("mild. mild. mild.", 0.75),  # three sentences: as the scorer says
        ("mild. mild. mild. Bye", 0.25),
        ("mild. mild mild. Oh!\nmild", 0.5),
        ("mild mild mild mild mild. Oh. Oh. mild", 1.0),
        ("mild. mild. mild. \n\n \n", 0.75),  # what is blank is no sentence
    ],
)
def test_a_long_text_is_at_most_as_toxic_as_its_worst_sentence(text: str, overall: float) -> None:
    (found,) = WorstSentence(scorer=Adding(), above=0.3).score([text])
    assert found == Toxicity(overall, {"insult": overall / 2})
    # The control: the scorer itself adds them up.
    assert Adding().score([text])[0].overall == min(0.25 * text.count("mild"), 1.0)


def test_only_long_texts_that_are_toxic_enough_are_read_by_sentences() -> None:
    adding = Adding()
    texts = ["mild. Oh. Oh. Bye", "mild mild. Oh. Bye", "mild. mild. Oh. Bye"]
    assert [one.overall for one in WorstSentence(scorer=adding, above=0.3).score(texts)] == [
        *(0.25, 0.5, 0.25)
    ]
    assert adding.asked[3:] == ["mild. ", "mild. ", "Oh. ", "Bye"]


@pytest.mark.parametrize(
    ("text", "overall"),
    [
        ("mild mild mild. Oh. Oh. Bye", 0.5),
        ("mild mild mild mild. Oh. Oh. Bye", 1.0),
        ("mild. Oh. Oh. Bye", 0.1),  # below what is read by sentences: doubted all the same
        ("mild mild mild. Oh. Oh.", 0.75),  # three sentences are not long
    ],
)
def test_a_long_text_needs_a_worse_sentence(text: str, overall: float) -> None:
    (found,) = WorstSentence(scorer=Adding(), above=0.3, sure=0.75).score([text])
    assert found.overall == pytest.approx(overall)
    assert found.by_label == {"insult": min(0.25 * text.count("mild"), 1.0) / 2}


@pytest.mark.parametrize(("sentences", "overall"), [(4, 0.5), (12, 0.5), (13, 0.25)])
def test_a_very_long_text_needs_a_still_worse_sentence(sentences: int, overall: float) -> None:
    text = "mild mild mild. " + "Oh. " * (sentences - 1)
    scorer = WorstSentence(scorer=Adding(), above=0.3, sure=0.75, surer=0.9)
    assert [one.overall for one in scorer.score([text])] == [pytest.approx(overall)]
    # The control: without it length alone changes nothing.
    assert replace(scorer, surer=None).score([text])[0].overall == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "insult"),
    [
        ("mild mild mild. Oh. Oh. Bye", 0.375),  # three sentences are found clean by the gate
        ("mild. mild. mild. Bye", 0.0),  # and here all of them
    ],
)
def test_a_sentence_that_a_gate_finds_clean_has_no_label(text: str, insult: float) -> None:
    class Unlabelled(WordScorer):
        def score(self, texts: Sequence[str], /) -> list[Toxicity]:
            return [Toxicity(one.overall) for one in super().score(texts)]

    gated = Gated(Unlabelled({"mild": 0.2}), Adding(), limit=0.3)
    (found,) = WorstSentence(scorer=gated, above=0.3).score([text])
    assert found.by_label == {"insult": insult}


@pytest.mark.parametrize("sure", [0.49, 1.0])
def test_how_sure_is_a_share_of_one_half_or_more(sure: float) -> None:
    with pytest.raises(ConfigError, match=r"sure must be in \[0\.5, 1\)"):
        WorstSentence(scorer=Adding(), sure=sure)


@pytest.mark.parametrize("surer", [0.69, 1.0])
def test_a_very_long_text_is_never_less_sure(surer: float) -> None:
    with pytest.raises(ConfigError, match=r"surer must be in \[0\.7, 1\), as sure is"):
        WorstSentence(scorer=Adding(), sure=0.7, surer=surer)


@pytest.mark.parametrize(
    ("text", "overall"),
    [
        ("mild mild", 0.2),  # odds of 1 to 1, divided by those of 0.8
        ("mild mild mild", 3 / 7),
        ("mild mild mild mild", 1.0),  # surely toxic: no word is asked for
        ("mild", 0.25),  # as little as below
        ("mild mild idiot", 0.5),  # a word accounts for it
        ("mild mild faint", 0.2),  # and one of less weight doesn't
    ],
)
def test_toxicity_that_no_word_accounts_for_is_in_doubt(text: str, overall: float) -> None:
    words = WordAttributor({"idiot": 0.6, "faint": 0.59})
    scorer = Attributed(scorer=Adding(), attributor=words, least=0.6)
    (found,) = scorer.score([text])
    assert found.overall == pytest.approx(overall)
    assert found.by_label == Adding().score([text])[0].by_label
    # The control: where any word does, it is as the scorer says.
    assert replace(scorer, least=0.0).score([text]) == Adding().score([text])


@pytest.mark.parametrize(
    ("text", "overall"),
    [
        ("mild idiot", 0.5),
        ("mild fool", 0.25),  # a word of too little weight
        ("idiot", 0.0),  # too little toxicity: no word is asked for
        ("mild mild idiot", 0.5),  # enough without
        ("mild mild mild idiot", 0.75),
        ("mild f", 0.25),  # no masker masks a single letter
    ],
)
def test_a_convincing_word_makes_a_likely_toxicity_one_half(text: str, overall: float) -> None:
    words = WordAttributor({"idiot": 0.9, "fool": 0.89, "f": 0.95})
    scorer = Attributed(scorer=Adding(), attributor=words, least=0.6, likely=0.25)
    (found,) = scorer.score([text])
    assert found.overall == pytest.approx(overall)
    assert found.by_label == Adding().score([text])[0].by_label
    # The control: by default nothing below one half is asked about.
    assert replace(scorer, likely=0.5).score([text]) == Adding().score([text])


@pytest.mark.parametrize(("sentences", "overall"), [(12, 0.5), (13, 0.25)])
def test_in_a_very_long_text_no_word_convinces(sentences: int, overall: float) -> None:
    text = "mild idiot. " + "Oh. " * (sentences - 1)
    words = WordAttributor({"idiot": 0.9})
    scorer = Attributed(scorer=Adding(), attributor=words, least=0.6, likely=0.25)
    assert [one.overall for one in scorer.score([text])] == [overall]


def test_only_texts_in_doubt_are_attributed_and_those_at_a_border_alone() -> None:
    class Counting(WordAttributor):
        asked: ClassVar[list[list[str]]] = []

        def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
            self.asked.append(list(texts))
            return super().attribute(texts)

    adding = Adding()
    weights = {"idiot": 0.6, "moron": 0.9}
    scorer = Attributed(
        scorer=adding, attributor=Counting(weights), least=0.6, sure=0.75, likely=0.25
    )
    texts = ["mild moron", "mild mild idiot", "mild mild mild", "fine"]
    assert [one.overall for one in scorer.score(texts)] == [0.5, 0.5, 0.75, 0.0]
    assert adding.asked[4:] == texts[:3]
    # Their weights are at the borders too.
    assert Counting.asked == [texts[:2], texts[:1], texts[1:2]]


@pytest.mark.parametrize(("likely", "sure"), [(0.5, 0.4), (0.5, 1.0), (0.0, 0.8), (0.6, 0.8)])
def test_doubt_lies_between_likely_and_surely(likely: float, sure: float) -> None:
    with pytest.raises(ConfigError, match=r"0 < likely <= 0\.5 <= sure < 1"):
        Attributed(Adding(), WordAttributor({}), 0.6, sure, likely)


def test_a_convincing_word_accounts_for_toxicity_too() -> None:
    with pytest.raises(ConfigError, match=r"convincing must be at least 0\.95, as least is"):
        Attributed(Adding(), WordAttributor({}), 0.95, likely=0.4)
    # The control: where nothing below one half is asked about, it doesn't matter.
    Attributed(Adding(), WordAttributor({}), 0.95)


def test_a_toxicity_at_the_border_is_asked_for_alone() -> None:
    adding = Adding()
    WorstSentence(scorer=adding, above=0.5).score(["mild. mild. Oh. Bye", "fine"])
    assert adding.asked[:3] == ["mild. mild. Oh. Bye", "fine", "mild. mild. Oh. Bye"]


def test_calibration_moves_the_probability() -> None:
    shifted = replace(GUIDE, shift=(GUIDE.shift[0] + 2.0, 0.0, 0.0))
    (before,), (after,) = (
        EncoderScorer(guide, View.of).score(["a cat"]) for guide in (GUIDE, shifted)
    )
    logit = math.log(before.overall / (1 - before.overall))
    assert after.overall == pytest.approx(1 / (1 + math.exp(-logit - 2.0)), abs=1e-5)


def test_the_view_is_what_is_scored() -> None:
    shouting = EncoderScorer(GUIDE, lambda text: View.of("you are an idiot"))
    assert shouting.score(["a cat"]) == SCORER.score(["you are an idiot"])


def test_n_grams_stay_inside_words_and_count_once() -> None:
    size = 2**20
    once = ngram_slots("ab", (2, 2), size)
    assert len(once) == 3  # " a", "ab", "b "
    assert ngram_slots("ab AB ab", (2, 2), size) == once
    assert ngram_slots("", (1, 5), size) == []


def test_a_word_without_end_has_bounded_n_grams() -> None:
    assert ngram_slots("x" * 100_000, (1, 5), 2**20) == ngram_slots("x" * 64, (1, 5), 2**20)


def test_the_linear_score_is_the_sum_over_the_root_of_the_count() -> None:
    weights = numpy.zeros(1024, dtype=numpy.float32)
    slots = ngram_slots("ab", (2, 2), 1024)
    weights[slots] = 1.0
    scorer = NgramScorer(NgramWeights(weights, -0.5, (2, 2)), View.of)
    logit = len(slots) / math.sqrt(len(slots)) - 0.5
    assert scorer.score(["ab"])[0].overall == pytest.approx(1 / (1 + math.exp(-logit)))
    assert scorer.score([""])[0].overall == 0.0


def test_a_long_text_is_scored_in_pieces() -> None:
    weights = numpy.zeros(1024, dtype=numpy.float32)
    weights[ngram_slots("bad", (3, 3), 1024)] = 4.0
    scorer = NgramScorer(NgramWeights(weights, -3.0, (3, 3)), View.of, piece=4)
    calm = "one two six ten " * 20
    assert scorer.score([f"{calm}bad"])[0].overall > scorer.score([calm])[0].overall + 0.05
    whole = replace(scorer, piece=1000)
    assert scorer.score([f"{calm}bad"])[0].overall > whole.score([f"{calm}bad"])[0].overall
