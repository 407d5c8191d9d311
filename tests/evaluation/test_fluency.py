from __future__ import annotations

import math

import pytest

from trustydetox.evaluation.fluency import FluencyModel

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
