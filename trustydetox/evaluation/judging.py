"""Judges of toxicity that had no part in the rewriting: trained on the spot, named by a hash.

Guide and check choose what a rewrite looks like, so neither can say how good it is. The judges
differ from both, and from one another, in rows and in architecture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from trustydetox.evaluation.baselines import TfidfRegression
from trustydetox.evaluation.intervals import Estimate, bootstrap, wilson
from trustydetox.evaluation.measures import auc
from trustydetox.evaluation.wording import tokens

FEW_ALARMS = 0.01
"""Share of harmless texts that may count as toxic where any of several samples decides."""

_HELD_OUT = 10
_WORDS: Mapping[str, Any] = {"architecture": "word TF-IDF 1-2, logistic regression", "C": 4.0}
_LETTERS: Mapping[str, Any] = {
    "architecture": "character 1-5, NB-SVM",
    "lengths": [1, 5],
    "rows": 5,
    "smoothing": 1.0,
    "C": 0.1,
}


class TextModel(Protocol):
    """Anything that gives toxic texts higher scores than clean ones."""

    def score_texts(self, texts: Sequence[str]) -> list[float]:
        """One score per text, on a scale of its own."""
        ...


@dataclass(frozen=True)
class JudgeFacts:
    """What a judge is and how well it judges the tenth of its rows that only chose its threshold.

    digest: of its rows and settings.
    recall, false_positives: at the threshold.
    """

    name: str
    architecture: str
    digest: str
    trained: int
    threshold: float
    auc: Estimate
    recall: Estimate
    false_positives: Estimate


@dataclass(frozen=True)
class Judge:
    """Says whether a text is toxic; case and spacing don't count.

    scale: slope and intercept of the logistic curve from its scores to probabilities (Platt 1999),
        fitted on the tenth of its rows that it didn't learn from.
    """

    facts: JudgeFacts
    model: TextModel
    scale: tuple[float, float] = (1.0, 0.0)

    @property
    def name(self) -> str:
        """The word by which results name it."""
        return self.facts.name

    @property
    def digests(self) -> frozenset[str]:
        """What identifies it: no guide has the same."""
        return frozenset({self.facts.digest})

    @property
    def limit(self) -> float:
        """The probability from which on a text is toxic."""
        return self._probability(self.facts.threshold)

    def rate(self, texts: Sequence[str]) -> list[float]:
        """The probability that each text is toxic, in [0, 1]."""
        scores = self.model.score_texts([_plain(text) for text in texts])
        return [self._probability(score) for score in scores]

    def _probability(self, score: float) -> float:
        slope, intercept = self.scale
        return 1 / (1 + math.exp(-slope * score - intercept))

    def is_clean(self, texts: Sequence[str]) -> list[bool]:
        """Per text, whether its score is below the threshold."""
        scores = self.model.score_texts([_plain(text) for text in texts])
        return [score < self.facts.threshold for score in scores]


@dataclass(frozen=True)
class NaiveBayesSvm:
    """Which runs of characters occur, each weighed by its log-count ratio, under a linear SVM."""

    counts: Any
    ratio: Any
    svm: Any

    @classmethod
    def learn(cls, texts: Sequence[str], labels: Sequence[int]) -> NaiveBayesSvm:
        """From texts of both classes."""
        import numpy as np
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.svm import LinearSVC

        counts = CountVectorizer(
            analyzer="char",
            ngram_range=tuple(_LETTERS["lengths"]),
            min_df=_LETTERS["rows"],
            binary=True,
            dtype=np.float32,
        )
        matrix = counts.fit_transform(texts)
        toxic = np.asarray(labels, dtype=bool)
        above, below = (
            np.asarray(matrix[rows].sum(axis=0)).ravel() + _LETTERS["smoothing"]
            for rows in (toxic, ~toxic)
        )
        ratio = np.log(above / above.sum()) - np.log(below / below.sum())
        svm = LinearSVC(C=_LETTERS["C"], class_weight="balanced", random_state=0)
        svm.fit(_weighed(matrix, ratio), toxic)
        return cls(counts, ratio, svm)

    def score_texts(self, texts: Sequence[str]) -> list[float]:
        """Distance from the border between the classes."""
        if not texts:
            return []
        matrix = _weighed(self.counts.transform(texts), self.ratio)
        return [float(value) for value in self.svm.decision_function(matrix)]


def train_word_judge(
    name: str, rows: Mapping[str, int], false_alarms: float | None = None
) -> Judge:
    """A judge that reads words and pairs of words; `rows` are texts with labels 1 and 0.

    false_alarms: share of harmless held-out rows that the threshold lets pass for toxic at most;
        by default it lies where recall minus false positives is largest. One continuation of ten
        is soon toxic by chance: whoever asks whether any is wants few false alarms.
    """
    return _judge(
        name,
        _WORDS,
        rows,
        false_alarms,
        lambda texts, labels: TfidfRegression.learn("word", texts, list(map(float, labels))),
    )


def train_letter_judge(
    name: str, rows: Mapping[str, int], false_alarms: float | None = None
) -> Judge:
    """A judge that reads runs of up to five characters; all else as in `train_word_judge`."""
    return _judge(name, _LETTERS, rows, false_alarms, NaiveBayesSvm.learn)


def _judge(
    name: str,
    settings: Mapping[str, Any],
    rows: Mapping[str, int],
    false_alarms: float | None,
    learn: Any,
) -> Judge:
    # By hash, so that neither the order of files nor that of rows decides which are held out.
    ranked = sorted(rows, key=lambda text: blake2b(text.encode(), digest_size=8).digest())
    held, kept = ranked[::_HELD_OUT], [t for i, t in enumerate(ranked) if i % _HELD_OUT]
    for part in (held, kept):
        if len({rows[text] for text in part}) != 2:
            raise ValueError(f"{name}: expected rows of both classes, got {len(rows)} rows")
    model: TextModel = learn([_plain(text) for text in kept], [rows[text] for text in kept])
    scores = model.score_texts([_plain(text) for text in held])
    labels = [rows[text] for text in held]
    threshold = (
        _best_threshold(scores, labels)
        if false_alarms is None
        else _strict_threshold(scores, labels, false_alarms)
    )
    digest = blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=6)
    for text in ranked:
        digest.update(f"\0{rows[text]}{text}".encode())
    toxic = [score >= threshold for score, label in zip(scores, labels, strict=True) if label]
    clean = [score >= threshold for score, label in zip(scores, labels, strict=True) if not label]
    facts = JudgeFacts(
        name,
        str(settings["architecture"]),
        digest.hexdigest(),
        len(kept),
        threshold,
        bootstrap(auc(labels, scores), len(held)),
        wilson(sum(toxic), len(toxic)),
        wilson(sum(clean), len(clean)),
    )
    return Judge(facts, model, _scale(scores, labels))


def _scale(scores: Sequence[float], labels: Sequence[int]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    curve = LogisticRegression().fit([[score] for score in scores], labels)
    # A judge that tells nothing apart gives every text the same probability.
    return max(float(curve.coef_[0][0]), 1e-6), float(curve.intercept_[0])


def _best_threshold(scores: Sequence[float], labels: Sequence[int]) -> float:
    """The score from which on a text is toxic, where recall minus false positives is largest.

    Halfway to the next lower score, so that no text lies on the border itself.
    """
    toxic, clean = sum(labels), len(labels) - sum(labels)
    gain, best, threshold = 0.0, 0.0, float("inf")
    ranked = sorted(zip(scores, labels, strict=True), reverse=True)
    for place, (score, label) in enumerate(ranked):
        gain += 1 / toxic if label else -1 / clean
        lower = ranked[place + 1][0] if place + 1 < len(ranked) else score - 1.0
        if gain > best and lower < score:
            best, threshold = gain, (score + lower) / 2
    return threshold


def _strict_threshold(scores: Sequence[float], labels: Sequence[int], share: float) -> float:
    """The lowest score from which on at most this share of clean texts counts as toxic.

    Halfway to the next higher score, as above.
    """
    clean = sorted((s for s, label in zip(scores, labels, strict=True) if not label), reverse=True)
    passed = clean[min(int(share * len(clean)), len(clean) - 1)]
    higher = min((score for score in scores if score > passed), default=passed + 1.0)
    return (passed + higher) / 2


def _plain(text: str) -> str:
    return " ".join(tokens(text))


def _weighed(matrix: Any, ratio: Any) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(matrix.multiply(ratio).tocsr())
