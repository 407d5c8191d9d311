"""Every number with its n and a 95 % interval: seeded bootstrap and Wilson."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Values = NDArray[np.float64]
    Statistic = Callable[[Rows], Values]

RESAMPLES = 10_000
_CELLS = 1_000_000
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A measured value, the bounds of its 95 % interval, and the number of rows behind it."""

    value: float
    low: float
    high: float
    n: int


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)
"""What is known about a rate of no rows."""


def wilson(successes: int, n: int) -> Estimate:
    """A share with Wilson's score interval, which stays inside [0, 1] and is never of width 0."""
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n, got {successes} of {n}")
    if n == 0:
        return NOTHING
    share, z2 = successes / n, _Z95 * _Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n)


def bootstrap(
    statistic: Statistic, n: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The statistic of rows 0..n-1 with its percentile interval over seeded resamples.

    statistic: takes row numbers of shape (resamples, n), gives one value per resample. One that
        compares two systems on the same row numbers makes the interval a paired one.
    A resample without a value (NaN, say an AUC of one class) is left out.
    """
    import numpy as np

    if n == 0:
        return NOTHING
    rng = np.random.default_rng(seed)
    # Bounded memory: a chunk holds about a million row numbers, whatever n.
    size = max(1, _CELLS // n)
    chunks = [
        statistic(rng.integers(0, n, (min(size, resamples - done), n)))
        for done in range(0, resamples, size)
    ]
    values = np.concatenate(chunks)
    values = values[~np.isnan(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (math.nan, math.nan)
    value = statistic(np.arange(n)[np.newaxis])[0]
    return Estimate(float(value), float(low), float(high), n)


def mean(values: Any, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of one value per row."""
    import numpy as np

    column = np.asarray(values, dtype=np.float64)
    return bootstrap(
        lambda rows: column[rows].mean(axis=1), len(column), resamples=resamples, seed=seed
    )
