"""What simple models reach on the same rows: the bar that the embedded models must clear."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trustydetox.evaluation.measures import Overlap
from trustydetox.spans import Span, merge

_WORD = re.compile(r"\w+(?:['’*@$!]+\w+)*")
_RARE = 5
_HELD_OUT = 10
_THRESHOLDS = tuple(step / 20 for step in range(1, 20))

Spans = Sequence[Span]


def words(text: str) -> list[Span]:
    """The words of a text, with marks inside a word as part of it."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def marks(text: str, spans: Spans) -> list[bool]:
    """Per word, whether at least half of its characters are marked."""
    gold = {offset for span in spans for offset in range(span.start, span.end)}
    return [
        2 * sum(offset in gold for offset in range(word.start, word.end)) >= len(word)
        for word in words(text)
    ]


@dataclass(frozen=True)
class SpanLexicon:
    """Marks every word that people marked often enough; the threshold is tuned on held-out rows."""

    terms: frozenset[str]

    @classmethod
    def learn(cls, texts: Sequence[str], spans: Sequence[Spans]) -> SpanLexicon:
        """A lexicon from marked posts; every tenth post only tunes the threshold."""
        seen, toxic = _counts(*_kept(texts, spans))
        held_texts, held_spans = texts[::_HELD_OUT], spans[::_HELD_OUT]

        def at(threshold: float) -> SpanLexicon:
            return cls(
                frozenset(
                    word
                    for word, count in seen.items()
                    if count >= _RARE and toxic[word] >= threshold * count
                )
            )

        return max(
            (at(threshold) for threshold in _THRESHOLDS),
            key=lambda lexicon: _mean_f1(held_spans, lexicon.find_spans(held_texts)),
        )

    def find_spans(self, texts: Sequence[str], /) -> list[tuple[Span, ...]]:
        """Sorted disjoint spans per text."""
        return [
            merge((span for span in words(text) if span.of(text).lower() in self.terms), gap=1)
            for text in texts
        ]


@dataclass(frozen=True)
class WordWindow:
    """Logistic regression over each word, its letters, two neighbours on both sides and the share
    of training posts that mark it. The strongest word of a text is always marked: nearly every
    post of these sets has one.
    """

    regression: Any
    shares: Mapping[str, tuple[int, int]]
    threshold: float

    @classmethod
    def learn(cls, texts: Sequence[str], spans: Sequence[Spans]) -> WordWindow:
        """A tagger from marked posts; every tenth post only tunes the threshold."""
        from sklearn.linear_model import LogisticRegression

        kept_texts, kept_spans = _kept(texts, spans)
        seen, toxic = _counts(kept_texts, kept_spans)
        shares = {word: (count, toxic[word]) for word, count in seen.items()}
        labels = [
            mark for pair in zip(kept_texts, kept_spans, strict=True) for mark in marks(*pair)
        ]
        regression = LogisticRegression(C=0.1, solver="liblinear")
        # A word's own mark is taken out of its share, else the share would give the answer away.
        regression.fit(_window_features(kept_texts, shares, labels), labels)
        held_texts, held_spans = texts[::_HELD_OUT], spans[::_HELD_OUT]
        probability = cls(regression, shares, 0.5)._probabilities(held_texts)
        threshold = max(
            _THRESHOLDS,
            key=lambda limit: _mean_f1(held_spans, _over(held_texts, probability, limit)),
        )
        return cls(regression, shares, threshold)

    def find_spans(self, texts: Sequence[str], /) -> list[tuple[Span, ...]]:
        """Sorted disjoint spans per text."""
        return _over(texts, self._probabilities(texts), self.threshold)

    def _probabilities(self, texts: Sequence[str]) -> list[float]:
        if not any(map(words, texts)):
            return []
        features = _window_features(texts, self.shares)
        return [float(value) for value in self.regression.predict_proba(features)[:, 1]]


def _kept(texts: Sequence[str], spans: Sequence[Spans]) -> tuple[list[str], list[Spans]]:
    rows = [i for i in range(len(texts)) if i % _HELD_OUT]
    return [texts[i] for i in rows], [spans[i] for i in rows]


def _counts(texts: Sequence[str], spans: Sequence[Spans]) -> tuple[Counter[str], Counter[str]]:
    seen: Counter[str] = Counter()
    toxic: Counter[str] = Counter()
    for text, gold in zip(texts, spans, strict=True):
        for word, mark in zip(words(text), marks(text, gold), strict=True):
            term = word.of(text).lower()
            seen[term] += 1
            toxic[term] += mark
    return seen, toxic


def _mean_f1(gold: Sequence[Spans], predicted: Sequence[Spans]) -> float:
    return sum(Overlap.of(*pair).f1 for pair in zip(gold, predicted, strict=True)) / len(gold)


def _over(
    texts: Sequence[str], probability: Sequence[float], threshold: float
) -> list[tuple[Span, ...]]:
    value = iter(probability)
    found: list[tuple[Span, ...]] = []
    for text in texts:
        weighed = [(next(value), word) for word in words(text)]
        limit = min(threshold, max((weight for weight, _ in weighed), default=threshold))
        found.append(merge([word for weight, word in weighed if weight >= limit], gap=1))
    return found


def _window_features(
    texts: Sequence[str],
    shares: Mapping[str, tuple[int, int]],
    labels: Sequence[bool] | None = None,
) -> Any:
    """One sparse row per word of every text; `labels` are the marks to leave out of the shares."""
    from scipy.sparse import csr_array, hstack
    from sklearn.feature_extraction import FeatureHasher

    names: list[list[str]] = []
    column: list[tuple[float, ...]] = []
    for text in texts:
        terms = ["<", "<", *(word.of(text).lower() for word in words(text)), ">", ">"]
        for place in range(2, len(terms) - 2):
            names.append(
                [f"{step}{terms[place + step]}" for step in (-2, -1, 0, 1, 2)]
                + _letters(f"<{terms[place]}>")
            )
            seen, toxic = shares.get(terms[place], (0, 0))
            if labels is not None:
                seen, toxic = seen - 1, toxic - labels[len(column)]
            share = (toxic + 0.1) / (seen + 1.0)
            column.append((share, math.log(share), float(seen < _RARE), float(share > 0.5)))
    hashed = FeatureHasher(2**20, input_type="string", alternate_sign=False).transform(names)
    return hstack([hashed, csr_array(column)], format="csr")


def _letters(word: str) -> list[str]:
    return [word[i : i + n] for n in (3, 4, 5) for i in range(len(word) - n + 1)]


@dataclass(frozen=True)
class TfidfRegression:
    """TF-IDF of words or characters and logistic regression: scores texts, needs no pretraining."""

    vectors: Any
    regression: Any

    @classmethod
    def learn(
        cls, unit: Literal["word", "char"], texts: Sequence[str], labels: Sequence[float]
    ) -> TfidfRegression:
        """A scorer from texts with hard or soft labels.

        A soft label p enters as a toxic row of weight p and a clean one of weight 1 - p.
        """
        from scipy.sparse import vstack
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        shape: dict[str, Any] = (
            {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
            if unit == "word"
            else {"analyzer": "char_wb", "ngram_range": (2, 5), "max_features": 300_000}
        )
        vectors = TfidfVectorizer(min_df=3, sublinear_tf=True, **shape)
        matrix = vectors.fit_transform(texts)
        toxic = [row for row, label in enumerate(labels) if label > 0.0]
        clean = [row for row, label in enumerate(labels) if label < 1.0]
        regression = LogisticRegression(C=4.0, solver="liblinear")
        regression.fit(
            vstack([matrix[toxic], matrix[clean]], format="csr"),
            [1] * len(toxic) + [0] * len(clean),
            [labels[row] for row in toxic] + [1.0 - labels[row] for row in clean],
        )
        return cls(vectors, regression)

    def score_texts(self, texts: Sequence[str]) -> list[float]:
        """Probability of toxicity per text."""
        if not texts:
            return []
        return self.regression.predict_proba(  # type: ignore[no-any-return]
            self.vectors.transform(texts)
        )[:, 1].tolist()
