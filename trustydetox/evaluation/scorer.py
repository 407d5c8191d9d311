"""How well toxic texts are told from clean ones: source by source, beside simple baselines.

Each text goes through the whole recipe once; its record gives the score, what was changed and
whether the edits keep their promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from trustydetox.detoxifier import Detoxifier
from trustydetox.evaluation.baselines import TfidfRegression
from trustydetox.evaluation.contract import EditCounts, check_edits
from trustydetox.evaluation.dialogue import DialogueResult, measure_dialogue
from trustydetox.evaluation.identity import IdentityResult, is_changed, measure_identity
from trustydetox.evaluation.intervals import Estimate, bootstrap, wilson
from trustydetox.evaluation.measures import (
    Bin,
    auc,
    auc_gain,
    calibration_error,
    correlation,
    error_ratio,
    reliability,
)
from trustydetox.records import Record
from trustydetox.roles import ScoringCheck

Progress = Callable[[str], None]

ENOUGH = 500
"""Rows from which a source with both classes counts for the goal."""

_STRONG = 0.97
_LOWER = 0.75
_WINDOW = 512


class LabelledTexts(Protocol):
    """Texts that people labelled 1 (toxic) or 0; None where they didn't."""

    @property
    def name(self) -> str:
        """What the source is called in tables."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The texts."""
        ...

    @property
    def labels(self) -> Sequence[int | None]:
        """One label per text."""
        ...


@dataclass(frozen=True)
class Baselines:
    """The TF-IDF regressions, by name, trained on the rows that trained the guide."""

    scorers: Mapping[str, TfidfRegression]

    @classmethod
    def learn(cls, texts: Sequence[str], labels: Sequence[float]) -> Baselines:
        """Word and character TF-IDF; hard or soft labels. Minutes for 100,000 rows."""
        return cls(
            {
                "word TF-IDF": TfidfRegression.learn("word", texts, labels),
                "char TF-IDF": TfidfRegression.learn("char", texts, labels),
            }
        )


@dataclass(frozen=True)
class TwoClassResult:
    """A source with both classes.

    ratio: (1 - AUC) of the guide over that of `better`, the baseline with the higher AUC; paired.
    gain: AUC of the guide minus that of `better`; paired.
    recall, false_positives: at the recipe's threshold.
    error: expected calibration error over 15 bins of equal mass.
    shared_errors: correlation of score minus label of guide and check.
    """

    source: str
    toxic: Estimate
    auc: Estimate
    check_auc: Estimate | None
    baselines: Mapping[str, Estimate]
    better: str
    ratio: Estimate
    gain: Estimate
    recall: Estimate
    false_positives: Estimate
    error: Estimate
    shared_errors: Estimate | None

    @property
    def goal(self) -> str:
        """What the goal asks of this source and whether it is reached."""
        if self.auc.n < ENOUGH:
            return f"none (n < {ENOUGH})"
        if self.baselines[self.better].value >= _STRONG:
            return "not below: " + ("reached" if self.gain.high >= 0.0 else "missed")
        return "25 % lower: " + ("reached" if self.ratio.value <= _LOWER else "missed")


@dataclass(frozen=True)
class OneClassResult:
    """A source with one class: the share found toxic, which is recall where label is 1."""

    source: str
    label: int
    found: Estimate
    check_found: Estimate | None
    changed: Estimate


@dataclass(frozen=True)
class Calibration:
    """Probabilities against labels over all sources with both classes together."""

    error: Estimate
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class ScorerReport:
    """All that `evaluate scorer` measures."""

    threshold: float
    two_class: tuple[TwoClassResult, ...]
    one_class: tuple[OneClassResult, ...]
    calibration: Calibration
    identity: tuple[IdentityResult, ...]
    dialogue: tuple[DialogueResult, ...]
    edits: tuple[EditCounts, ...]


@dataclass(frozen=True)
class _Scored:
    name: str
    labels: tuple[int | None, ...]
    records: tuple[Record, ...]
    check: tuple[float, ...] | None
    baselines: Mapping[str, list[float]]

    @property
    def guide(self) -> list[float]:
        return [record.toxicity.overall for record in self.records]

    @property
    def classes(self) -> frozenset[int | None]:
        return frozenset(self.labels)


def measure_scorer(
    detoxifier: Detoxifier,
    check: ScoringCheck | None,
    sources: Iterable[LabelledTexts],
    baselines: Baselines,
    *,
    dialogues: Mapping[str, Iterable[str]],
    progress: Progress,
) -> ScorerReport:
    """Every source through the recipe, then the numbers.

    check: the recipe's check by a second scorer; None where it has none.
    dialogues: sources of clean dialogue -> terms whose presence excuses a change.
    """
    scored: list[_Scored] = []
    edits: list[EditCounts] = []
    for source in sources:
        if not source.texts:
            continue
        one = _score(detoxifier, check, source, baselines)
        progress(f"{source.name}: {len(source.texts)} rows")
        edits.append(check_edits(source.name, source.texts, one.records))
        scored.append(one)
    two_class = [one for one in scored if one.classes == {0, 1}]
    return ScorerReport(
        detoxifier.threshold,
        tuple(_two_class(one, detoxifier.threshold) for one in two_class),
        tuple(
            _one_class(one, detoxifier.threshold, check.limit if check else math.nan)
            for one in scored
            if one.classes in ({0}, {1})
        ),
        _calibration(two_class),
        measure_identity(detoxifier),
        tuple(
            measure_dialogue(one.name, one.records, dialogues[one.name])
            for one in scored
            if one.name in dialogues
        ),
        tuple(edits),
    )


def scoring_check(detoxifier: Detoxifier) -> ScoringCheck | None:
    """The first check of a recipe that asks a scorer, if any."""
    return next((check for check in detoxifier.checks if isinstance(check, ScoringCheck)), None)


def _score(
    detoxifier: Detoxifier, check: ScoringCheck | None, source: LabelledTexts, baselines: Baselines
) -> _Scored:
    texts = list(source.texts)
    return _Scored(
        source.name,
        tuple(source.labels),
        tuple(detoxifier.run(texts, batch_size=_WINDOW)),
        tuple(score.overall for score in check.scorer.score(texts)) if check else None,
        {name: scorer.score_texts(texts) for name, scorer in baselines.scorers.items()}
        if {*source.labels} == {0, 1}
        else {},
    )


def _two_class(one: _Scored, threshold: float) -> TwoClassResult:
    labels = [int(label or 0) for label in one.labels]
    guide, n = one.guide, len(one.labels)
    rivals = {name: bootstrap(auc(labels, scores), n) for name, scores in one.baselines.items()}
    better = max(rivals, key=lambda name: rivals[name].value)
    rival = one.baselines[better]
    return TwoClassResult(
        one.name,
        wilson(sum(labels), n),
        bootstrap(auc(labels, guide), n),
        bootstrap(auc(labels, one.check), n) if one.check else None,
        rivals,
        better,
        bootstrap(error_ratio(labels, guide, rival), n),
        bootstrap(auc_gain(labels, guide, rival), n),
        _found([score for score, label in zip(guide, labels, strict=True) if label], threshold),
        _found([score for score, label in zip(guide, labels, strict=True) if not label], threshold),
        bootstrap(calibration_error(labels, guide), n),
        bootstrap(correlation(_errors(guide, labels), _errors(one.check, labels)), n)
        if one.check
        else None,
    )


def _one_class(one: _Scored, threshold: float, limit: float) -> OneClassResult:
    return OneClassResult(
        one.name,
        int(one.labels[0] or 0),
        _found(one.guide, threshold),
        _found(one.check, limit) if one.check else None,
        wilson(sum(map(is_changed, one.records)), len(one.records)),
    )


def _calibration(sources: Sequence[_Scored]) -> Calibration:
    labels = [int(label or 0) for one in sources for label in one.labels]
    guide = [score for one in sources for score in one.guide]
    error = bootstrap(calibration_error(labels, guide), len(labels))
    return Calibration(error, reliability(labels, guide))


def _found(scores: Sequence[float], threshold: float) -> Estimate:
    return wilson(sum(score >= threshold for score in scores), len(scores))


def _errors(scores: Sequence[float], labels: Sequence[int]) -> list[float]:
    return [score - label for score, label in zip(scores, labels, strict=True)]
