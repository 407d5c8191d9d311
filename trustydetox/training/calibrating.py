"""Calibration: from logits to probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence


def platt(
    logits: Sequence[float], targets: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """Scale and shift such that sigmoid(scale * logit + shift) fits soft targets in [0, 1].

    Maximum likelihood after Platt (1999), with the targets as they are instead of his smoothing.
    """
    import numpy
    from scipy.optimize import minimize

    z = numpy.asarray(logits, dtype=float)
    t = numpy.asarray(targets, dtype=float)
    w = numpy.ones_like(z) if weights is None else numpy.asarray(weights, dtype=float)
    w = w / w.sum()

    def loss(parameters: tuple[float, float]) -> tuple[float, tuple[float, float]]:
        y = parameters[0] * z + parameters[1]
        gap = 1 / (1 + numpy.exp(-y)) - t
        value = (w * (numpy.logaddexp(0, y) - t * y)).sum()
        return float(value), (float((w * gap * z).sum()), float((w * gap).sum()))

    scale, shift = minimize(loss, (1.0, 0.0), jac=True, method="L-BFGS-B").x
    return float(scale), float(shift)
