"""Calibration: from logits to probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence


def platt(logits: Sequence[float], targets: Sequence[float]) -> tuple[float, float]:
    """Scale and shift such that sigmoid(scale * logit + shift) fits soft targets in [0, 1].

    Maximum likelihood after Platt (1999), with the targets as they are instead of his smoothing.
    """
    (scale,), shift = logistic([[logit] for logit in logits], targets)
    return scale, shift


def logistic(
    rows: Sequence[Sequence[float]], targets: Sequence[float]
) -> tuple[tuple[float, ...], float]:
    """Weights and shift such that sigmoid(weights . row + shift) fits soft targets in [0, 1]."""
    import numpy
    from scipy.optimize import minimize

    x = numpy.asarray(rows, dtype=float)
    t = numpy.asarray(targets, dtype=float)

    def loss(parameters: numpy.ndarray) -> tuple[float, numpy.ndarray]:
        y = x @ parameters[:-1] + parameters[-1]
        gap = 1 / (1 + numpy.exp(-y)) - t
        value = (numpy.logaddexp(0, y) - t * y).mean()
        return float(value), numpy.append(gap @ x, gap.sum()) / len(t)

    start = numpy.append(numpy.ones(x.shape[1]), 0.0)
    *weights, shift = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return tuple(map(float, weights)), float(shift)
