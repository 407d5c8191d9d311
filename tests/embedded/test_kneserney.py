from __future__ import annotations

import numpy as np
import pytest

from trustydetox.embedded.kneserney import KneserNey


def learned(order: int) -> KneserNey:
    rng = np.random.default_rng(0)
    return KneserNey.learn([rng.integers(2, 9, size=6).tolist() for _ in range(40)], 8, order)


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


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("least", [1, 2])
def test_what_can_follow_sums_to_one(order: int, least: int) -> None:
    found = learned(order).pruned(least)
    for context in ([], [3], [3, 4], [8, 8, 8], [2, 3, 4, 5]):
        ways = found.log_probabilities([[*context, number] for number in range(2, 9)])
        after = sum(np.exp(way[len(context)]) for way in ways)
        end = np.exp(found.log_probabilities([context])[0][-1])
        assert after + end == pytest.approx(1.0)


def test_what_is_stored_gives_the_same_probabilities() -> None:
    found = learned(3).pruned(2)
    again = KneserNey.of(found.tensors(), 8)
    for ours, theirs in zip(
        found.log_probabilities([[2, 3, 4], []]),
        again.log_probabilities([[2, 3, 4], []]),
        strict=True,
    ):
        assert theirs == pytest.approx(ours, rel=1e-6)


def test_pruning_forgets_the_rare_and_changes_what_comes_after_them() -> None:
    whole, short = learned(3), learned(3).pruned(2)
    assert len(short.levels[-1].keys) < len(whole.levels[-1].keys)
    assert len(short.levels[0].keys) == len(whole.levels[0].keys)
    changed = [
        not np.allclose(a, b)
        for a, b in zip(
            whole.log_probabilities([[n, m, 4] for n in range(2, 9) for m in range(2, 9)]),
            short.log_probabilities([[n, m, 4] for n in range(2, 9) for m in range(2, 9)]),
            strict=True,
        )
    ]
    assert any(changed)
