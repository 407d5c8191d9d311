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

_Key = tuple[str, str]
"""A measure and the judge behind it."""

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

    @property
    def seeds(self) -> int:
        """How many trained models."""
        return int(self.top.shape[0])

    @property
    def rows(self) -> int:
        """How many prompts, or texts."""
        return int(self.top.shape[1])

    @property
    def value(self) -> float:
        """Of all seeds and rows, each once."""
        import numpy as np

        return float(self.over(np.ones((1, self.seeds)), np.ones((1, self.rows)))[0])

    def over(self, seeds: Values, rows: Values) -> Values:
        """One value per resample, from how often each seed and each row was drawn."""
        import numpy as np

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
    drawn = _resampled(columns, resamples, seed)
    lead, *others = models
    measured = tuple(
        Measured(name, measure, judge, _bounded(column.value, drawn[name][measure, judge], column))
        for name, each in columns.items()
        for (measure, judge), column in each.items()
    )
    found = [_differ(name, lead, key, columns, drawn) for name in others for key in columns[name]]
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


def _resampled(
    columns: Mapping[str, Mapping[_Key, _Column]], resamples: int, seed: int
) -> dict[str, dict[_Key, Values]]:
    """Model -> measure -> its value in each resample.

    Every measure sees the same draws of prompts, and of seeds where it has as many of them.
    """
    import numpy as np

    parts: dict[str, dict[_Key, list[Values]]] = {
        name: {key: [] for key in each} for name, each in columns.items()
    }
    every = [column for each in columns.values() for column in each.values()]
    for rows in {column.rows for column in every}:
        of_rows = np.random.default_rng([seed, rows])
        of_seeds = {
            count: np.random.default_rng([seed, rows, count])
            for count in {column.seeds for column in every}
        }
        # Bounded memory, whatever the number of prompts.
        size = max(1, _CELLS // rows)
        for start in range(0, resamples, size):
            many = min(size, resamples - start)
            prompts = of_rows.multinomial(rows, [1 / rows] * rows, many).astype(np.float64)
            seeds = {
                count: rng.multinomial(count, [1 / count] * count, many).astype(np.float64)
                for count, rng in of_seeds.items()
            }
            for name, each in columns.items():
                for key, column in each.items():
                    if column.rows == rows:
                        parts[name][key].append(column.over(seeds[column.seeds], prompts))
    return {
        name: {key: np.concatenate(values) for key, values in each.items()}
        for name, each in parts.items()
    }


def _columns(runs: Sequence[Scores]) -> dict[_Key, _Column]:
    import numpy as np

    def averaged(rows: Callable[[Scores], Any]) -> _Column:
        table = np.array([rows(run) for run in runs], dtype=np.float64)
        return _Column(np.mean(table, axis=2), np.ones(table.shape[:2]))

    found: dict[_Key, _Column] = {}
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


def _differ(
    name: str,
    lead: str,
    key: _Key,
    columns: Mapping[str, Mapping[_Key, _Column]],
    drawn: Mapping[str, Mapping[_Key, Values]],
) -> _Raw:
    import numpy as np

    ours, theirs = columns[name][key], columns[lead][key]
    apart = drawn[name][key] - drawn[lead][key]
    with np.errstate(invalid="ignore", divide="ignore"):
        cuts = 1 - drawn[name][key] / drawn[lead][key]
    measure, judge = key
    return _Raw(
        Difference(
            name,
            lead,
            measure,
            judge,
            _bounded(ours.value - theirs.value, apart, ours),
            _bounded(1 - ours.value / theirs.value if theirs.value else math.nan, cuts, ours),
            _two_sided(apart) if measure in TESTED else math.nan,
            math.nan,
            math.nan,
        ),
        float(np.std(apart)),
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


def _bounded(value: float, values: Values, column: _Column) -> Estimate:
    import numpy as np

    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (math.nan, math.nan)
    return Estimate(value, float(low), float(high), column.rows)


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
