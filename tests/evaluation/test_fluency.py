from __future__ import annotations

import math

import numpy as np
import pytest

from trustydetox.evaluation.fluency import FluencyModel, KneserNey

CORPUS = [
    "The old dog sleeps in the garden.",
    "the old dog barks at the gate",
    "The small dog sleeps at the gate .",
    "a small cat sleeps in the old garden",
    "I don't see the dog, he is in the garden.",
    "she has 3 dogs",
]


@pytest.fixture(scope="module")
def model() -> FluencyModel:
    return FluencyModel.learn(CORPUS * 2 + ["lantern kettle piano"])


def test_probabilities_worked_out_by_hand() -> None:
    found = KneserNey.learn([[2], [2], [3]], 3)
    first, second = found.log_probabilities([[2], [3]])
    # One at a time 1/4, 1/4 and 1/2 for the end, with discount 1/2; pairs and triples have
    # discount 3/4 (none stands twice): (0.25 + 1.5 * p) / 2; the longest have 2 / (2 + 2 * 2).
    pair = (0.25 + 1.5 * 0.25) / 2
    triple = (0.25 + 1.5 * pair) / 2
    assert np.exp(first[0]) == pytest.approx((2 - 1 / 3 + 2 / 3 * triple) / 3)
    assert np.exp(second[0]) == pytest.approx((1 - 1 / 3 + 2 / 3 * triple) / 3)
    # The end always follows 2: pairs 0.25 + 0.75 * 0.5, triples likewise.
    end = 0.25 + 0.75 * (0.25 + 0.75 * 0.5)
    assert np.exp(first[1]) == pytest.approx((2 - 1 / 3 + 1 / 3 * end) / 2)


def test_what_can_follow_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    found = KneserNey.learn([rng.integers(2, 9, size=6).tolist() for _ in range(40)], 8)
    for context in ([], [3], [3, 4], [8, 8, 8], [2, 3, 4, 5]):
        ways = found.log_probabilities([[*context, number] for number in range(2, 9)])
        after = sum(np.exp(way[len(context)]) for way in ways)
        end = np.exp(found.log_probabilities([context])[0][-1])
        assert after + end == pytest.approx(1.0)


def test_the_score_is_the_mean_over_the_tokens_and_the_end(model: FluencyModel) -> None:
    numbers = [model.words["the"], model.words["dog"]]
    (logs,) = model.sentences.log_probabilities([numbers])
    assert len(logs) == 3
    assert model.score(["The dog"]) == [pytest.approx(float(logs.sum()) / 3)]


def test_a_sentence_is_more_fluent_than_its_words_in_disorder(model: FluencyModel) -> None:
    said, turned = model.score(["the small dog sleeps in the garden.", "in the the garden small."])
    assert said > turned


def test_case_spacing_and_the_value_of_a_number_count_for_nothing(model: FluencyModel) -> None:
    assert len(set(model.score(["I don't see 3 dogs.", "i don 't see 17 dogs ."]))) == 1


def test_an_unknown_word_costs_by_its_letters(model: FluencyModel) -> None:
    known, alike, odd = model.score(["the old dog", "the old lantle", "the old xqzxqz"])
    assert known > alike > odd > -math.inf


def test_the_end_belongs_to_the_sentence(model: FluencyModel) -> None:
    whole, cut = model.score(["the dog sleeps in the garden", "the dog sleeps in the"])
    assert whole > cut


def test_a_text_without_words_has_no_fluency(model: FluencyModel) -> None:
    assert math.isnan(model.score([""])[0])
    assert model.score([]) == []
    with pytest.raises(ValueError, match="got none"):
        FluencyModel.learn([" "])


def test_the_name_of_a_model_depends_on_its_texts_and_not_on_their_order() -> None:
    first = FluencyModel.learn(CORPUS).facts
    assert FluencyModel.learn(CORPUS[::-1]).facts == first
    assert FluencyModel.learn(CORPUS[1:]).facts.digest != first.digest
    assert first.texts == 6
