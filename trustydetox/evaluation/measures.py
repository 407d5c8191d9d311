"""Numbers over gold and predicted answers; statistics over resampled rows for `bootstrap`.

A statistic takes row numbers of shape (resamples, n) and gives one value per resample.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trustydetox.spans import Span

if TYPE_CHECKING:
    from trustydetox.evaluation.intervals import Rows, Statistic, Values

BINS = 15


def characters(spans: Iterable[Span]) -> frozenset[int]:
    """The offsets that the spans cover."""
    return frozenset(offset for span in spans for offset in range(span.start, span.end))


@dataclass(frozen=True)
class Overlap:
    """How well the predicted characters of one post match the gold ones."""

    gold: int
    predicted: int
    common: int

    @classmethod
    def of(cls, gold: Iterable[Span], predicted: Iterable[Span]) -> Overlap:
        """The overlap of two lists of spans as sets of characters."""
        wanted, got = characters(gold), characters(predicted)
        return cls(len(wanted), len(got), len(wanted & got))

    @property
    def f1(self) -> float:
        """Character F1 as SemEval-2021 Task 5 scores it: an empty gold wants an empty answer."""
        if not self.gold:
            return float(not self.predicted)
        return 2 * self.common / (self.gold + self.predicted)


def auc(labels: Any, scores: Any) -> Statistic:
    """The chance that a toxic row scores above a clean one, ties half; NaN without both classes.

    Equal to the area under the ROC curve; one pass over counts, not a sort per resample.
    """
    import numpy as np

    toxic = np.asarray(labels).astype(bool)
    distinct, rank = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)

    def statistic(rows: Rows) -> Values:
        cell = np.arange(len(rows))[:, np.newaxis] * len(distinct) + rank[rows]
        positive = toxic[rows]
        shape = (len(rows), len(distinct))
        above = np.bincount(cell[positive], minlength=shape[0] * shape[1]).reshape(shape)
        below = np.bincount(cell[~positive], minlength=shape[0] * shape[1]).reshape(shape)
        beaten = below.cumsum(axis=1) - below / 2
        pairs = above.sum(axis=1) * below.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray((above * beaten).sum(axis=1) / pairs)

    return statistic


def error_ratio(labels: Any, scores: Any, baseline: Any) -> Statistic:
    """(1 - AUC) of the scores divided by (1 - AUC) of the baseline: 0.75 is 25 % lower."""
    import numpy as np

    ours, theirs = auc(labels, scores), auc(labels, baseline)

    def statistic(rows: Rows) -> Values:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((1 - ours(rows)) / (1 - theirs(rows)))

    return statistic


def auc_gain(labels: Any, scores: Any, baseline: Any) -> Statistic:
    """AUC of the scores minus AUC of the baseline, on the same rows."""
    ours, theirs = auc(labels, scores), auc(labels, baseline)
    return lambda rows: ours(rows) - theirs(rows)


def calibration_error(labels: Any, scores: Any) -> Statistic:
    """Expected calibration error over 15 bins of equal mass, cut anew in every resample.

    Biased upwards on few rows, so the interval of a resample lies above the plain value.
    """
    import numpy as np

    probability = np.asarray(scores, dtype=np.float64)
    order = np.argsort(probability, kind="stable")
    gap = (probability - np.asarray(labels, dtype=np.float64))[order]
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))

    def statistic(rows: Rows) -> Values:
        sorted_rows = np.sort(place[rows], axis=1)
        edges = _edges(rows.shape[1])
        sums = np.add.reduceat(gap[sorted_rows], edges, axis=1)
        return np.asarray(np.abs(sums).sum(axis=1) / rows.shape[1])

    return statistic


def _edges(n: int) -> Rows:
    import numpy as np

    # Fewer rows than bins: one row per bin, since reduceat can't take an empty one.
    bins = min(BINS, n)
    return np.array([n * number // bins for number in range(bins)], dtype=np.intp)


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram: mean probability said, share that was toxic."""

    n: int
    said: float
    toxic: float


def reliability(labels: Any, scores: Any) -> tuple[Bin, ...]:
    """Bins of equal mass, lowest scores first."""
    import numpy as np

    probability = np.asarray(scores, dtype=np.float64)
    if not len(probability):
        return ()
    order = np.argsort(probability, kind="stable")
    said = np.split(probability[order], _edges(len(order))[1:])
    toxic = np.split(np.asarray(labels, dtype=np.float64)[order], _edges(len(order))[1:])
    return tuple(
        Bin(len(p), float(p.mean()), float(t.mean())) for p, t in zip(said, toxic, strict=True)
    )


def kappa(one: Sequence[Hashable], other: Sequence[Hashable]) -> Statistic:
    """Cohen's kappa of two people's answers to the same questions.

    NaN where chance alone would have them always agree. Cohen (1960).
    """
    import numpy as np

    codes = {answer: code for code, answer in enumerate(dict.fromkeys([*one, *other]))}
    a, b = (np.array([codes[answer] for answer in answers], dtype=int) for answers in (one, other))

    def statistic(rows: Rows) -> Values:
        first, second = a[rows], b[rows]
        same = (first == second).mean(axis=1)
        chance = sum(
            (first == code).mean(axis=1) * (second == code).mean(axis=1) for code in codes.values()
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            value: Values = np.where(chance < 1, (same - chance) / (1 - chance), np.nan)
        return value

    return statistic


def correlation(left: Any, right: Any) -> Statistic:
    """Pearson correlation of two columns; NaN where one of them is constant."""
    import numpy as np

    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)

    def statistic(rows: Rows) -> Values:
        x, y = a[rows], b[rows]
        x = x - x.mean(axis=1, keepdims=True)
        y = y - y.mean(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
            )

    return statistic
