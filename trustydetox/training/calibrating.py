"""Calibration: from logits to probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence


def platt(logits: Sequence[float], targets: Sequence[float]) -> tuple[float, float]:
    """Scale and shift such that sigmoid(scale * logit + shift) fits soft targets in [0, 1].

    Maximum likelihood after Platt (1999), with the targets as they are instead of his smoothing.
    """
    import numpy
    from scipy.optimize import minimize

    z = numpy.asarray(logits, dtype=float)
    t = numpy.asarray(targets, dtype=float)

    def loss(parameters: tuple[float, float]) -> tuple[float, tuple[float, float]]:
        y = parameters[0] * z + parameters[1]
        gap = 1 / (1 + numpy.exp(-y)) - t
        value = (numpy.logaddexp(0, y) - t * y).mean()
        return float(value), (float((gap * z).mean()), float(gap.mean()))

    scale, shift = minimize(loss, (1.0, 0.0), jac=True, method="L-BFGS-B").x
    return float(scale), float(shift)
