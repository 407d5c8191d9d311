from __future__ import annotations

import numpy as np
import pytest

from trustydetox.steps.ranking import FEATURES
from trustydetox.training.ranking import Choice, learn_ranks, nearness


def test_the_nearest_reference_counts_and_case_does_not() -> None:
    assert nearness("you idiot", "You are wrong .", ["go away", "you are wrong ."]) == 1.0
    assert nearness("a", "a", ["b"]) == 0.0


def test_that_something_was_put_in_counts_more_than_what() -> None:
    text, person = "you are an idiot , bob", "you are wrong , bob"
    other, same, gone = (
        nearness(text, said, [person])
        for said in ("you are quite mistaken , bob", person, "you are , bob")
    )
    assert gone < other < same == 1.0
    # Four words of six are among the person's five, and all five shapes are the same.
    assert other == pytest.approx(0.5 * 4 * 4 / (6 + 3 * 5) + 0.5)


def test_a_missing_word_counts_more_than_a_needless_one() -> None:
    text = "you are an idiot , bob"
    missing = nearness(text, "you are , bob", ["you are wrong , bob"])
    needless = nearness(text, "you are wrong , bob", ["you are , bob"])
    assert missing < needless < 1.0


def test_ranks_find_the_features_that_made_people_choose() -> None:
    rng = np.random.default_rng(0)
    true = {"fluency": 1.0, "dangling": -2.0}
    weights = np.array([true.get(name, 0.0) for name in FEATURES])
    choices = []
    for _ in range(200):
        rows = rng.normal(size=(5, len(FEATURES)))
        worth = rows @ weights
        choices.append(Choice(rows.tolist(), (worth / 40).tolist()))
    found = learn_ranks(choices)
    assert found["fluency"] == pytest.approx(1.0, abs=0.15)
    assert found["dangling"] == pytest.approx(-2.0, abs=0.15)
    assert all(abs(found[name]) < 0.15 for name in FEATURES if name not in {*true, "gap"})
    # A gap counts against a candidate beyond what people's choices say.
    assert found["gap"] == pytest.approx(-0.6, abs=0.15)


def test_a_feature_that_never_changes_weighs_nothing() -> None:
    rows = [[float(at)] + [1.0] * (len(FEATURES) - 1) for at in range(3)]
    found = learn_ranks([Choice(rows, [0.0, 0.1, 0.2])] * 5)
    assert found[FEATURES[0]] > 0.5
    assert all(found[name] == pytest.approx(0.0, abs=1e-6) for name in FEATURES[1:])
