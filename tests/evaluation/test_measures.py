from __future__ import annotations

import math

import numpy as np
import pytest

from trustydetox.evaluation.measures import (
    Bin,
    Overlap,
    auc,
    auc_gain,
    calibration_error,
    correlation,
    error_ratio,
    kappa,
    reliability,
)
from trustydetox.spans import Span


def once(statistic: object, n: int) -> float:
    return float(statistic(np.arange(n)[np.newaxis])[0])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("gold", "predicted", "f1"),
    [
        ([], [], 1.0),
        ([], [Span(0, 3)], 0.0),
        ([Span(0, 3)], [], 0.0),
        ([Span(0, 3)], [Span(0, 3)], 1.0),
        ([Span(0, 3)], [Span(5, 8)], 0.0),
        # 2 of 4 gold characters among 3 predicted: 2 * 2 / (4 + 3)
        ([Span(0, 4)], [Span(2, 5)], 4 / 7),
        # The same characters in other pieces.
        ([Span(0, 4)], [Span(0, 2), Span(2, 4)], 1.0),
        # Two spans, one found whole and one missed: 2 * 3 / (5 + 3)
        ([Span(0, 3), Span(10, 12)], [Span(0, 3)], 6 / 8),
    ],
)
def test_character_f1_is_as_semeval_counts_it(
    gold: list[Span], predicted: list[Span], f1: float
) -> None:
    assert Overlap.of(gold, predicted).f1 == pytest.approx(f1)


def test_the_area_counts_pairs_and_ties_half() -> None:
    # Toxic 0.9, 0.4; clean 0.4, 0.1: of four pairs three are won and one is tied.
    assert once(auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]), 4) == pytest.approx(3.5 / 4)


def test_the_area_of_a_resample_counts_a_row_as_often_as_it_was_drawn() -> None:
    # Drawn: toxic 0.4 twice, clean 0.4 once, clean 0.1 once: two ties and two wins of four pairs.
    statistic = auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
    assert statistic(np.array([[1, 1, 2, 3]]))[0] == pytest.approx(3 / 4)


def test_the_area_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.3
    scores = np.round(rng.random(300) + 0.3 * labels, 1)
    assert once(auc(labels, scores), 300) == pytest.approx(roc_auc_score(labels, scores))


def test_one_class_has_no_area() -> None:
    assert math.isnan(once(auc([1, 1], [0.2, 0.3]), 2))


def test_the_ratio_is_of_what_is_missing_to_a_perfect_area() -> None:
    labels = [1, 1, 0, 0]
    ours = [0.9, 0.4, 0.4, 0.1]  # 3.5 of 4 pairs: 0.125 is missing
    theirs = [0.9, 0.1, 0.4, 0.2]  # 2 of 4 pairs: 0.5 is missing
    assert once(error_ratio(labels, ours, theirs), 4) == pytest.approx(0.25)
    assert once(auc_gain(labels, ours, theirs), 4) == pytest.approx(0.375)
    assert once(error_ratio(labels, theirs, ours), 4) == pytest.approx(4.0)


def test_calibration_error_of_two_rows_per_bin_is_the_mean_gap_of_the_bins() -> None:
    # 30 rows make 15 bins of two. Every bin says 0.5 and holds one of each class, but for the
    # bin of the highest scores: two clean rows at 0.8.
    scores = [0.5] * 28 + [0.8, 0.8]
    labels = [0, 1] * 14 + [0, 0]
    assert once(calibration_error(labels, scores), 30) == pytest.approx(0.8 / 15)


def test_calibration_error_does_not_depend_on_the_order_of_rows() -> None:
    scores = [k / 40 for k in range(40)]
    labels = [int(k % 3 == 0) for k in range(40)]
    mixed = np.random.default_rng(0).permutation(40)
    again = calibration_error([labels[k] for k in mixed], [scores[k] for k in mixed])
    assert once(again, 40) == pytest.approx(once(calibration_error(labels, scores), 40))


def test_the_calibration_error_of_a_resample_is_that_of_its_rows() -> None:
    scores = np.linspace(0, 1, 50)
    labels = (np.arange(50) % 4 == 0).astype(int)
    rows = np.random.default_rng(1).integers(0, 50, 50)
    whole = calibration_error(labels, scores)(rows[np.newaxis])[0]
    assert whole == pytest.approx(once(calibration_error(labels[rows], scores[rows]), 50))


def test_fewer_rows_than_bins_are_a_bin_each() -> None:
    assert once(calibration_error([1, 0], [0.9, 0.2]), 2) == pytest.approx((0.1 + 0.2) / 2)


def test_reliability_has_the_lowest_scores_first() -> None:
    assert reliability([1, 0], [0.75, 0.25]) == (Bin(1, 0.25, 0.0), Bin(1, 0.75, 1.0))
    assert reliability([], []) == ()


def test_correlation_is_pearson_s() -> None:
    assert once(correlation([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), 3) == pytest.approx(1.0)
    assert once(correlation([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]), 3) == pytest.approx(-1.0)
    # Deviations (-1, 0, 1) and (-1, 2, -1): their products sum to 0.
    assert once(correlation([1.0, 2.0, 3.0], [0.0, 3.0, 0.0]), 3) == pytest.approx(0.0)


def test_a_constant_column_correlates_with_nothing() -> None:
    assert math.isnan(once(correlation([1.0, 1.0], [0.0, 1.0]), 2))


def test_kappa_is_agreement_beyond_chance() -> None:
    # The same 3 of 4; by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2.
    assert once(kappa(["a", "a", "r", "r"], ["a", "a", "r", "a"]), 4) == pytest.approx(0.5)


def test_kappa_of_one_answer_only_is_no_number() -> None:
    assert math.isnan(once(kappa(["a", "a"], ["a", "a"]), 2))
