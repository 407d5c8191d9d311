"""Training of the order of candidates: the nearer to what people wrote, the earlier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from trustydetox.steps.editing import words_in
from trustydetox.steps.ranking import FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]

_SHARPNESS = 40.0
"""Of the target: a candidate that is nearer by 1 / 40 is e times as likely."""

_MISSING = 3.0

_EXACT = 0.5
"""Share of the nearness that asks for the same words."""

_BROKEN = 0.6 / _SHARPNESS
"""What a candidate's nearness loses where a word is missing, per unit of the feature `gap`: to a
reader a broken sentence is worse than the one word of many that it lacks."""

_DECAY = 1e-3


@dataclass(frozen=True)
class Choice:
    """The candidates of one text: a row of `FEATURES` each, and how near people's rewrites."""

    features: Sequence[Sequence[float]]
    nearness: Sequence[float]


def nearness(original: str, text: str, references: Sequence[str]) -> float:
    """How much of a rewrite is as in the nearest of people's: in [0, 1], 1 for the same.

    What was put in counts mostly as that something was: two people seldom choose the same word, and
    an order learned from equal words alone would be to delete whatever can be deleted. What people
    have and the rewrite lacks counts `_MISSING` times as much as what it has and they lack: a
    missing word breaks a sentence, a needless one seldom does.
    """
    known = {word.of(original).casefold() for word in words_in(original)}

    def read(said: str) -> tuple[list[str], list[str]]:
        words = [word.of(said).casefold() for word in words_in(said)]
        marked = [word if word in known else "*" for word in words]
        return words, [
            m for i, m in enumerate(marked) if m != "*" or i == 0 or marked[i - 1] != "*"
        ]

    words, shape = read(text)
    return max(
        _EXACT * _ratio(words, theirs) + (1 - _EXACT) * _ratio(shape, others)
        for theirs, others in map(read, references)
    )


def _ratio(one: Sequence[str], other: Sequence[str]) -> float:
    """F-measure of the words of `one` that stand in `other` too, in order."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    both = sum(block.size for block in matcher.get_matching_blocks())
    return (1 + _MISSING) * both / (len(one) + _MISSING * len(other)) if both else 0.0


def learn_ranks(choices: Sequence[Choice]) -> dict[str, float]:
    """Weight per feature: a softmax over a text's candidates fitted to one over their nearness.

    ListNet (Cao et al. 2007) with a linear score and a small L2 penalty.
    """
    import numpy as np
    from scipy.optimize import minimize

    rows = [np.asarray(choice.features, dtype=float) for choice in choices]
    scale = np.concatenate(rows).std(axis=0)
    scale[scale == 0] = 1.0
    rows = [row / scale for row in rows]
    gap = FEATURES.index("gap")
    wanted = [
        _softmax(_SHARPNESS * np.asarray([near - _BROKEN * row[gap] for near, row in pairs]))
        for pairs in (list(zip(c.nearness, c.features, strict=True)) for c in choices)
    ]

    def loss(weights: Values) -> tuple[float, Values]:
        value, slope = 0.5 * _DECAY * float(weights @ weights), _DECAY * weights
        for row, target in zip(rows, wanted, strict=True):
            found = _softmax(row @ weights)
            value -= float(target @ np.log(found + 1e-12)) / len(rows)
            slope = slope + row.T @ (found - target) / len(rows)
        return value, slope

    fitted = minimize(loss, np.zeros(len(FEATURES)), jac=True, method="L-BFGS-B").x / scale
    return dict(zip(FEATURES, map(float, fitted), strict=True))


def _softmax(values: Values) -> Values:
    import numpy as np

    raised = np.exp(values - values.max())
    share: Values = raised / raised.sum()
    return share
