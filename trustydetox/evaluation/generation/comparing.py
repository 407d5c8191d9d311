"""Models compared on the same prompts: differences, intervals, tests, and what could be seen.

A prompt's samples aren't independent, and neither are the models that one training seed made, so
prompts and seeds are what is drawn anew in the bootstrap, both at once (Owen 2007, the pigeonhole
bootstrap); samples stay with their prompt. Both models of a pair see the same draw of prompts, and
of seeds where both have the same number: the differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError
from trustydetox.evaluation.generation.scores import Scores
from trustydetox.evaluation.intervals import RESAMPLES, Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Draw = tuple[Values, Values]
    """How often each seed and each prompt was drawn: (resamples, seeds), (resamples, prompts)."""
    Statistic = Callable[[Values, Values], Values]

_CELLS = 2_000_000
_Z_POWER = 0.8416212335729143  # 80 %
_ALPHA = 0.05

PROBABILITY = "toxicity probability"
MAXIMUM = "expected maximum toxicity"
MEAN = "mean toxicity"
TESTED = (PROBABILITY, MAXIMUM, MEAN)


@dataclass(frozen=True)
class Measured:
    """One number of one model; `judge` is empty where no judge is asked."""

    model: str
    measure: str
    judge: str
    estimate: Estimate


@dataclass(frozen=True)
class Difference:
    """One model less the first, on the same prompts.

    cut: by which share of the first one's value it is lower.
    p: two-sided, of no difference, from the bootstrap; `adjusted` after Holm over all that were
        tested; NaN where the measure isn't tested.
    detectable: the smallest difference that this many prompts and seeds would have shown with a
        chance of 80 % at Holm's strictest level.
    """

    model: str
    than: str
    measure: str
    judge: str
    estimate: Estimate
    cut: Estimate
    p: float
    adjusted: float
    detectable: float


@dataclass(frozen=True)
class Comparison:
    """Models by name, the first of them the one that the others are compared with.

    prompts, samples: per model. seeds: how many trained models stand behind each name.
    """

    prompts: int
    samples: int
    seeds: Mapping[str, int]
    judges: tuple[str, ...]
    measured: tuple[Measured, ...]
    differences: tuple[Difference, ...]

    def measure(self, name: str, judge: str = "") -> dict[str, Estimate]:
        """Model -> its estimate of one measure."""
        return {
            one.model: one.estimate
            for one in self.measured
            if (one.measure, one.judge) == (name, judge)
        }


@dataclass(frozen=True)
class _Column:
    """A measure as sums over prompts, so that a resample is two products of matrices.

    top, bottom: (seeds, rows). finish: what is made of their quotient.
    """

    top: Values
    bottom: Values
    finish: Callable[[Values], Values] = lambda quotient: quotient

    def over(self, draw: Draw) -> Values:
        """One value per resample."""
        import numpy as np

        seeds, rows = draw
        with np.errstate(invalid="ignore", divide="ignore"):
            top = ((seeds @ self.top) * rows).sum(axis=1)
            return np.asarray(self.finish(top / ((seeds @ self.bottom) * rows).sum(axis=1)))


def compare(
    models: Mapping[str, Sequence[Scores]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Every model after the first against the first.

    models: name -> the scores of each training seed. All must be of the same prompts, sampling and
    judges.
    """
    if not models:
        raise ConfigError("expected models to compare, got none")
    first = next(iter(models.values()))[0]
    for name, runs in models.items():
        _require_alike(name, runs, first)
    columns = {name: _columns(runs) for name, runs in models.items()}
    lead, *others = models
    draws = _Draws(resamples, seed)
    measured = tuple(
        Measured(name, measure, judge, _estimate(column, draws))
        for name, each in columns.items()
        for (measure, judge), column in each.items()
    )
    found = [
        _differ(name, lead, key, columns[name][key], columns[lead][key], draws)
        for name in others
        for key in columns[name]
    ]
    return Comparison(
        len(first.words),
        len(first.words[0]),
        {name: len(runs) for name, runs in models.items()},
        tuple(one.judge for one in first.judges),
        measured,
        tuple(_with_holm(found)),
    )


def holm(values: Sequence[float]) -> list[float]:
    """p-values after Holm's (1979) correction for as many tests."""
    order = sorted(range(len(values)), key=lambda one: values[one])
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, one in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[one]))
        adjusted[one] = highest
    return adjusted


@dataclass(frozen=True)
class _Raw:
    """A difference before it is known how many tests there were."""

    difference: Difference
    error: float


@dataclass(frozen=True)
class _Draws:
    resamples: int
    seed: int

    def of(self, seeds: int, rows: int) -> Iterator[Draw]:
        """Counts per seed and row; the same for the same shape, whatever is measured."""
        import numpy as np

        rng = np.random.default_rng(self.seed)
        size = max(1, _CELLS // rows)
        for start in range(0, self.resamples, size):
            many = min(size, self.resamples - start)
            yield (
                rng.multinomial(seeds, [1 / seeds] * seeds, many).astype(np.float64),
                rng.multinomial(rows, [1 / rows] * rows, many).astype(np.float64),
            )


def _columns(runs: Sequence[Scores]) -> dict[tuple[str, str], _Column]:
    import numpy as np

    def averaged(rows: Callable[[Scores], Any]) -> _Column:
        table = np.array([rows(run) for run in runs], dtype=np.float64)
        return _Column(np.mean(table, axis=2), np.ones(table.shape[:2]))

    found: dict[tuple[str, str], _Column] = {}
    for number, judge in enumerate(runs[0].judges):
        rates: Any = np.array([run.judges[number].rates for run in runs])
        one = np.ones(rates.shape[:2])  # rates: (seeds, prompts, samples)
        toxic = (rates >= judge.limit).any(axis=2).astype(np.float64)
        found[PROBABILITY, judge.judge] = _Column(toxic, one)
        found[MAXIMUM, judge.judge] = _Column(rates.max(axis=2), one)
        found[MEAN, judge.judge] = _Column(rates.mean(axis=2), one)
    found["empty continuations", ""] = averaged(lambda run: np.array(run.words) == 0)
    found["words", ""] = averaged(lambda run: run.words)
    found["identity mentions", ""] = averaged(lambda run: run.identity)
    for size in (1, 2, 3):
        column = size - 1
        found[f"distinct-{size}", ""] = averaged(
            lambda run, column=column: np.array(run.distinct)[:, column : column + 1]  # type: ignore[misc]
        )
    if runs[0].surprise:
        surprise = np.array([run.surprise for run in runs])  # (seeds, texts, 2)
        found["perplexity", ""] = _Column(surprise[:, :, 0], surprise[:, :, 1], np.exp)
    return found


def _estimate(column: _Column, draws: _Draws) -> Estimate:
    import numpy as np

    seeds, rows = column.top.shape
    values = np.concatenate([column.over(draw) for draw in draws.of(seeds, rows)])
    return _bounded(_whole(column), values, rows)


def _whole(column: _Column) -> float:
    import numpy as np

    seeds, rows = column.top.shape
    return float(column.over((np.ones((1, seeds)), np.ones((1, rows))))[0])


def _differ(
    name: str, lead: str, key: tuple[str, str], ours: _Column, theirs: _Column, draws: _Draws
) -> _Raw:
    import numpy as np

    rows = ours.top.shape[1]
    pairs = []
    same = ours.top.shape[0] == theirs.top.shape[0]
    # With other numbers of seeds only the prompts are drawn together.
    other = _Draws(draws.resamples, draws.seed + 1)
    for draw, apart in zip(
        draws.of(ours.top.shape[0], rows), other.of(theirs.top.shape[0], rows), strict=True
    ):
        pairs.append((ours.over(draw), theirs.over(draw if same else (apart[0], draw[1]))))
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    mine, yours = _whole(ours), _whole(theirs)
    with np.errstate(invalid="ignore", divide="ignore"):
        cuts = 1 - a / b
    measure, judge = key
    tested = measure in TESTED
    return _Raw(
        Difference(
            name,
            lead,
            measure,
            judge,
            _bounded(mine - yours, a - b, rows),
            _bounded(1 - mine / yours if yours else math.nan, cuts, rows),
            _two_sided(a - b) if tested else math.nan,
            math.nan,
            math.nan,
        ),
        float(np.std(a - b)),
    )


def _two_sided(differences: Values) -> float:
    """Twice the smaller share of resamples on one side of zero; never below what was drawn."""
    n = len(differences)
    low, high = int((differences <= 0).sum()), int((differences >= 0).sum())
    return float(min(1.0, 2 * (min(low, high) + 1) / (n + 1)))


def _with_holm(found: Sequence[_Raw]) -> Iterator[Difference]:
    from dataclasses import replace
    from statistics import NormalDist

    tested = [one for one in found if not math.isnan(one.difference.p)]
    adjusted = iter(holm([one.difference.p for one in tested]))
    level = NormalDist().inv_cdf(1 - _ALPHA / (2 * max(len(tested), 1)))
    for one in found:
        if math.isnan(one.difference.p):
            yield one.difference
        else:
            yield replace(
                one.difference,
                adjusted=next(adjusted),
                detectable=(level + _Z_POWER) * one.error,
            )


def _bounded(value: float, values: Values, n: int) -> Estimate:
    import numpy as np

    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (math.nan, math.nan)
    return Estimate(value, float(low), float(high), n)


def _require_alike(name: str, runs: Sequence[Scores], first: Scores) -> None:
    if not runs:
        raise ConfigError(f"{name}: expected the scores of a model, got none")
    for run in runs:
        for key in ("prompts", "sampling"):
            if run.plan[key] != first.plan[key]:
                raise ConfigError(f"{name} was measured with other {key}: they can't be compared")
        if [one.judge for one in run.judges] != [one.judge for one in first.judges]:
            raise ConfigError(f"{name} was judged by others: they can't be compared")
        if len(run.surprise) != len(first.surprise):
            raise ConfigError(f"{name} read other clean texts: they can't be compared")
