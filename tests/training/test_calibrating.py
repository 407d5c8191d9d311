from __future__ import annotations

import math
import random

import pytest

from trustydetox.training.calibrating import platt


def test_overconfident_logits_are_brought_back() -> None:
    rng = random.Random(3)
    true = [rng.uniform(-3, 3) for _ in range(20_000)]
    targets = [float(rng.random() < 1 / (1 + math.exp(-z))) for z in true]
    scale, shift = platt([3 * z + 1 for z in true], targets)
    assert scale == pytest.approx(1 / 3, abs=0.02)
    assert shift == pytest.approx(-1 / 3, abs=0.06)


def test_soft_targets_count_as_they_are() -> None:
    scale, shift = platt([-1.0, 1.0], [0.25, 0.75])
    assert scale == pytest.approx(math.log(3), abs=1e-3)
    assert shift == pytest.approx(0.0, abs=1e-3)
