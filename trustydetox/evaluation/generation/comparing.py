"""Models compared on the same prompts: differences, intervals, tests, and what could be seen.

A prompt's samples aren't independent, so prompts are what the bootstrap draws anew, and samples
stay with their prompt. All models see the same draws of prompts: the differences are paired.

Training seeds are too few to be drawn anew: the bootstrap of S of them shrinks their variance by
(S - 1) / S and takes it for known, and finds differences where there are none in up to a quarter of
all comparisons. What they add is drawn from Student's t instead: to each value that was drawn over
prompts comes the standard error of the model's mean over its seeds times a t of S - 1 degrees of
freedom, for each model on its own. Interval and p of a difference are then those of Behrens (1929)
and Fisher (1935), which err to the wide side (Robinson 1976). So does the noise of sampling, which
is in both parts. A model with one seed has no such part: its interval says nothing of what another
training run would give.
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
_POWER = 0.8
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
    p: two-sided, of no difference, from the same draws as the interval; `adjusted` after Holm over
        all that were tested; NaN where the measure isn't tested.
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
    """A measure as sums over prompts, so that a resample is a product of matrices.

    top, bottom: (seeds, rows). finish: what is made of their quotient. most: what it can't exceed.
    """

    top: Values
    bottom: Values
    finish: Callable[[Values], Values] = lambda quotient: quotient
    most: float = math.inf

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
        """Of all seeds and rows."""
        import numpy as np

        return float(self.over(np.ones((1, self.rows)))[0])

    @property
    def error(self) -> float:
        """The standard error of the mean over seeds, zero where there is only one."""
        import numpy as np

        if self.seeds == 1:
            return 0.0
        each = self._of(self.top.sum(axis=1), self.bottom.sum(axis=1))
        return float(np.std(each, ddof=1)) / math.sqrt(self.seeds)

    def over(self, rows: Values) -> Values:
        """One value per resample, from how often each row was drawn."""
        return self._of(rows @ self.top.sum(axis=0), rows @ self.bottom.sum(axis=0))

    def _of(self, top: Values, bottom: Values) -> Values:
        import numpy as np

        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.finish(top / bottom))


def compare(
    models: Mapping[str, Sequence[Scores]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Every model after the first against the first.

    models: name -> the scores of each training seed. All must be of the same prompts, sampling,
        judges and clean texts; ConfigError says what differs.
    """
    if not models:
        raise ConfigError("expected models to compare, got none")
    first = next(iter(models.values()))[0]
    for name, runs in models.items():
        _require_alike(name, runs, first)
    columns = {name: _columns(runs) for name, runs in models.items()}
    drawn = _drawn(columns, resamples, seed)
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
    """A difference before it is known how many tests there were.

    noise: how far each draw lies from the difference that was found.
    """

    difference: Difference
    noise: Values


def _drawn(
    columns: Mapping[str, Mapping[_Key, _Column]], resamples: int, seed: int
) -> dict[str, dict[_Key, Values]]:
    """Model -> measure -> its value in each draw of prompts, plus what its seeds add.

    Every measure sees the same draws of prompts.
    """
    import numpy as np

    parts: dict[str, dict[_Key, list[Values]]] = {
        name: {key: [] for key in each} for name, each in columns.items()
    }
    for rows in {column.rows for each in columns.values() for column in each.values()}:
        rng = np.random.default_rng([seed, rows])
        # Bounded memory, whatever the number of prompts.
        size = max(1, _CELLS // rows)
        for start in range(0, resamples, size):
            many = min(size, resamples - start)
            prompts = rng.multinomial(rows, [1 / rows] * rows, many).astype(np.float64)
            for name, each in columns.items():
                for key, column in each.items():
                    if column.rows == rows:
                        parts[name][key].append(column.over(prompts))
    found: dict[str, dict[_Key, Values]] = {}
    for number, (name, each) in enumerate(columns.items()):
        rng = np.random.default_rng([seed, 0, number])
        freedom = next(iter(each.values())).seeds - 1
        t = rng.standard_t(freedom, resamples) if freedom else np.zeros(resamples)
        found[name] = {
            key: np.clip(np.concatenate(parts[name][key]) + column.error * t, 0.0, column.most)
            for key, column in each.items()
        }
    return found


def _columns(runs: Sequence[Scores]) -> dict[_Key, _Column]:
    import numpy as np

    def averaged(table: Any, most: float = 1.0) -> _Column:
        # (seeds, prompts, samples)
        means = np.mean(np.asarray(table, dtype=np.float64), axis=2)
        return _Column(means, np.ones(means.shape), most=most)

    found: dict[_Key, _Column] = {}
    for number, judge in enumerate(runs[0].judges):
        rates: Any = np.array([run.judges[number].rates for run in runs])
        toxic = (rates >= judge.limit).any(axis=2, keepdims=True)
        found[PROBABILITY, judge.judge] = averaged(toxic)
        found[MAXIMUM, judge.judge] = averaged(rates.max(axis=2, keepdims=True))
        found[MEAN, judge.judge] = averaged(rates)
    words = np.array([run.words for run in runs])
    found["empty continuations", ""] = averaged(words == 0)
    found["words", ""] = averaged(words, math.inf)
    found["identity mentions", ""] = averaged([run.identity for run in runs], math.inf)
    distinct = np.array([run.distinct for run in runs])
    for size in (1, 2, 3):
        found[f"distinct-{size}", ""] = averaged(distinct[:, :, size - 1 : size])
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
    found, apart = ours.value - theirs.value, drawn[name][key] - drawn[lead][key]
    with np.errstate(invalid="ignore", divide="ignore"):
        cuts = 1 - drawn[name][key] / drawn[lead][key]
    # Against a draw of zero another is infinitely higher: the highest that is finite stands for it.
    cuts[np.isneginf(cuts)] = np.min(cuts, where=np.isfinite(cuts), initial=0.0)
    measure, judge = key
    return _Raw(
        Difference(
            name,
            lead,
            measure,
            judge,
            _bounded(found, apart, ours),
            _bounded(1 - ours.value / theirs.value if theirs.value else math.nan, cuts, ours),
            _two_sided(apart) if measure in TESTED else math.nan,
            math.nan,
            math.nan,
        ),
        np.abs(apart - found),
    )


def _two_sided(differences: Values) -> float:
    """Twice the smaller share of resamples on one side of zero; never below what was drawn."""
    n = len(differences)
    low, high = int((differences <= 0).sum()), int((differences >= 0).sum())
    return float(min(1.0, 2 * (min(low, high) + 1) / (n + 1)))


def _with_holm(found: Sequence[_Raw]) -> Iterator[Difference]:
    from dataclasses import replace

    import numpy as np

    tested = [one for one in found if not math.isnan(one.difference.p)]
    adjusted = iter(holm([one.difference.p for one in tested]))
    # What noise alone exceeds at the strictest level, and as far beyond it as noise falls short of
    # the truth in no more than one case of five.
    shares = [1 - _ALPHA / max(len(tested), 1), 2 * _POWER - 1]
    for one in found:
        if math.isnan(one.difference.p):
            yield one.difference
        else:
            yield replace(
                one.difference,
                adjusted=next(adjusted),
                detectable=float(np.quantile(one.noise, shares).sum()),
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
        for ours, theirs in zip(run.judges, first.judges, strict=True):
            if ours.digests != theirs.digests:
                raise ConfigError(
                    f"{name} was judged by another {ours.judge!r}, with other weights: they can't "
                    "be compared"
                )
            # A judge that was trained twice from the same rows may differ in the last digits.
            if not math.isclose(ours.limit, theirs.limit, rel_tol=1e-4):
                raise ConfigError(
                    f"{name} was judged by {ours.judge!r} with limit {ours.limit:.5g}, the first "
                    f"model with {theirs.limit:.5g}: they can't be compared"
                )
        if run.clean != first.clean:
            raise ConfigError(f"{name} read other clean texts: they can't be compared")
