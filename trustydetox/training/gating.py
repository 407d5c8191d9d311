"""Where a cheap scorer may stop a text before a costly one reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trustydetox.errors import InputError

MISSED = 0.005
"""Share of what the costly scorer would flag that the gate may stop."""


def gate_limit(scores: Sequence[float], missed: float = MISSED) -> float:
    """The highest limit under which the gate stops at most a share `missed` of such texts.

    scores: the gate's, of texts that the costly scorer flags and nobody trained on.

    The k-th lowest score with k = floor(missed * (n + 1)): the share missed among new texts of the
    same kind is then at most `missed` on average, whatever the scores' distribution (split
    conformal prediction; Vovk et al. 2005, Papadopoulos et al. 2002).
    """
    rank = math.floor(missed * (len(scores) + 1))
    if rank < 1:
        raise InputError(
            f"expected at least {math.ceil(1 / missed) - 1} flagged texts in the calibration part "
            f"to set the gate's limit, got {len(scores)}"
        )
    return sorted(scores)[rank - 1]
