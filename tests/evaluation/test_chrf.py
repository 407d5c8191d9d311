from __future__ import annotations

import math

import pytest

from trustydetox.evaluation.chrf import chrf


def test_equal_texts_score_100_whatever_their_spacing() -> None:
    assert chrf("a dog barks", ["a dog barks"]) == pytest.approx(100.0)
    assert chrf("a dogbarks", ["a dog barks"]) == pytest.approx(100.0)


def test_a_score_worked_out_by_hand() -> None:
    # Runs of 1: 2 of 3 shared; of 2: 1 of 2; of 3: 0 of 1. Longer ones don't exist.
    assert chrf("abc", ["abd"]) == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)


def test_a_score_is_as_sacrebleu_2_5_gives_it() -> None:
    references = ["the old dog barks loudly at night", "a dog barks"]
    assert chrf("the dog barks at night", references) == pytest.approx(66.66782650979289)


def test_recall_weighs_more_than_precision() -> None:
    # Runs of 1: precision 1, recall 1/2; of 2: precision and recall nothing to speak of.
    # Output "a" has no run of 2, so only runs of 1 count: F2 = 5 * 1 * 0.5 / (4 * 1 + 0.5).
    assert chrf("a", ["ab"]) == pytest.approx(100 * 2.5 / 4.5)
    assert chrf("ab", ["a"]) == pytest.approx(100 * 2.5 / 3.0)


def test_the_reference_that_fits_best_counts() -> None:
    assert chrf("abc", ["xyz", "abc"]) == pytest.approx(100.0)
    assert chrf("abc", ["xyz"]) == 0.0
    assert chrf("", ["xyz"]) == 0.0
    assert math.isnan(chrf("abc", []))
