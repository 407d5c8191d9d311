"""Shares with their intervals."""

from __future__ import annotations

import math


def wilson(hits: int, n: int) -> dict[str, float | int | None]:
    """A share with its 95 % Wilson score interval; all None where n is 0."""
    if n == 0:
        return {"value": None, "low": None, "high": None, "hits": hits, "n": n}
    z = 1.959964
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The exact bounds at 0 and n; the formula misses them by a rounding error.
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == n else middle + half
    return {"value": short(share), "low": short(low), "high": short(high), "hits": hits, "n": n}


def short(value: float) -> float:
    """`value` with four significant digits."""
    return float(f"{value:.4g}")
