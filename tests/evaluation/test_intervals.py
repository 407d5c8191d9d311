from __future__ import annotations

import math

import numpy as np
import pytest

from trustydetox.evaluation.intervals import Estimate, bootstrap, mean, wilson


def test_wilson_of_half_of_ten_is_as_in_the_textbook() -> None:
    estimate = wilson(5, 10)
    assert (estimate.value, estimate.n) == (0.5, 10)
    assert (estimate.low, estimate.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_wilson_of_no_success_still_has_a_width() -> None:
    # z^2 / (n + z^2) = 3.8415 / 103.8415
    estimate = wilson(0, 100)
    assert estimate.value == 0.0
    assert estimate.low == pytest.approx(0.0)
    assert estimate.high == pytest.approx(0.036994, abs=1e-6)


def test_wilson_of_only_successes_ends_at_one() -> None:
    estimate = wilson(100, 100)
    assert estimate.low == pytest.approx(1 - 0.036994, abs=1e-6)
    assert estimate.high == pytest.approx(1.0)


def test_nothing_is_known_of_no_rows() -> None:
    estimate = wilson(0, 0)
    assert estimate.n == 0
    assert math.isnan(estimate.value)
    assert mean([]).n == 0


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_more_successes_than_rows(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        wilson(successes, n)


def test_a_bootstrap_gives_the_same_interval_again_and_another_with_another_seed() -> None:
    values = [0.0, 0.2, 0.9, 1.0, 0.4, 0.7]
    first = mean(values, resamples=500, seed=3)
    assert mean(values, resamples=500, seed=3) == first
    assert mean(values, resamples=500, seed=4) != first


def test_a_bootstrap_gives_the_same_interval_whatever_the_seed_of_others() -> None:
    np.random.seed(1)
    first = mean([0.0, 1.0, 1.0], resamples=200)
    np.random.seed(2)
    assert mean([0.0, 1.0, 1.0], resamples=200) == first


def test_rows_that_agree_leave_no_doubt() -> None:
    assert mean([0.25] * 8, resamples=100) == Estimate(0.25, 0.25, 0.25, 8)


def test_the_interval_of_a_mean_is_near_the_normal_one() -> None:
    # 200 zeros and 200 ones: the standard error is 0.5 / sqrt(400) = 0.025.
    estimate = mean([0.0, 1.0] * 200)
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.004)
    assert estimate.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.004)


def test_resamples_in_many_chunks_are_all_counted() -> None:
    sizes: list[int] = []

    def statistic(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return np.zeros(len(rows))

    bootstrap(statistic, 400_000, resamples=5)
    assert sum(sizes) == 5 + 1  # and once for the rows themselves
    assert max(sizes) == 2


def test_a_paired_interval_is_narrower_than_two_of_their_own() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=300)
    first, second = hardness + 0.1, hardness
    paired = bootstrap(lambda rows: (first[rows] - second[rows]).mean(axis=1), 300, resamples=500)
    assert paired.value == pytest.approx(0.1)
    assert paired.high - paired.low < 1e-9
    alone = mean(first, resamples=500)
    assert alone.high - alone.low > 0.1


def test_resamples_without_a_value_are_left_out() -> None:
    def statistic(rows: np.ndarray) -> np.ndarray:
        return np.where(rows[:, 0] == 0, np.nan, 1.0)

    estimate = bootstrap(statistic, 4, resamples=100)
    assert (estimate.low, estimate.high) == (1.0, 1.0)


def test_a_statistic_that_never_has_a_value_gives_none() -> None:
    estimate = bootstrap(lambda rows: np.full(len(rows), np.nan), 4, resamples=10)
    assert math.isnan(estimate.low)
