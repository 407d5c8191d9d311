"""How well toxic characters are found: SemEval-2021 Task 5, the gate included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trustydetox.detoxifier import Detoxifier
from trustydetox.evaluation.intervals import Estimate, bootstrap, mean, wilson
from trustydetox.evaluation.measures import Overlap
from trustydetox.spans import Span

if TYPE_CHECKING:
    from trustydetox.evaluation.intervals import Rows, Statistic, Values

_WINDOW = 256

Spans = Sequence[Span]
Progress = Callable[[str], None]


class MarkedPosts(Protocol):
    """Texts in which people marked the toxic characters."""

    @property
    def name(self) -> str:
        """What the posts are called in tables."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The posts."""
        ...

    @property
    def spans(self) -> Sequence[Spans] | None:
        """Per post the characters that people marked, maybe none."""
        ...


class SpanFinder(Protocol):
    """Anything that marks toxic characters."""

    def find_spans(self, texts: Sequence[str], /) -> list[tuple[Span, ...]]:
        """Sorted disjoint spans per text."""
        ...


@dataclass(frozen=True)
class Recipe:
    """The spans that `scan` prints: none where the gate finds the text clean."""

    detoxifier: Detoxifier
    progress: Progress

    def find_spans(self, texts: Sequence[str], /) -> list[tuple[Span, ...]]:
        """Sorted disjoint spans per text."""
        found: list[tuple[Span, ...]] = []
        for start in range(0, len(texts), _WINDOW):
            window = self.detoxifier.find(texts[start : start + _WINDOW])
            found += [one.masked.masked if one.masked else () for one in window]
            self.progress(f"{len(found)} of {len(texts)} posts")
        return found


@dataclass(frozen=True)
class Nothing:
    """Marks nothing: what F1 the posts without gold spans give away."""

    def find_spans(self, texts: Sequence[str], /) -> list[tuple[Span, ...]]:
        """No span for any text."""
        return [()] * len(texts)


@dataclass(frozen=True)
class SpanScores:
    """What one system reaches on one set of posts.

    f1: mean over posts of character F1; an empty gold counts 1 for an empty answer, else 0.
    f1_marked: the same over posts with gold spans; empty_accuracy: over posts without.
    precision, recall: over all characters of all posts together.
    """

    system: str
    f1: Estimate
    f1_marked: Estimate
    empty_accuracy: Estimate
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class SpanResult:
    """Every system on one set of posts; `share_empty` is the share of posts without gold."""

    source: str
    share_empty: Estimate
    systems: tuple[SpanScores, ...]


@dataclass(frozen=True)
class SpanReport:
    """All that `evaluate spans` measures."""

    results: tuple[SpanResult, ...]


def measure_spans(posts: MarkedPosts, finders: Mapping[str, SpanFinder]) -> SpanResult:
    """Scores of every finder on the posts."""
    if posts.spans is None:
        raise ValueError(f"source {posts.name!r} has no marked spans")
    gold = posts.spans
    empty = sum(not spans for spans in gold)
    return SpanResult(
        posts.name,
        wilson(empty, len(gold)),
        tuple(
            score_spans(name, gold, finder.find_spans(posts.texts))
            for name, finder in finders.items()
        ),
    )


def score_spans(system: str, gold: Sequence[Spans], predicted: Sequence[Spans]) -> SpanScores:
    """Scores of one system's answers, one per post."""
    overlaps = [Overlap.of(*pair) for pair in zip(gold, predicted, strict=True)]
    empty = [overlap for overlap in overlaps if not overlap.gold]
    n = len(overlaps)
    common = [overlap.common for overlap in overlaps]
    return SpanScores(
        system,
        mean([overlap.f1 for overlap in overlaps]),
        mean([overlap.f1 for overlap in overlaps if overlap.gold]),
        wilson(sum(not overlap.predicted for overlap in empty), len(empty)),
        bootstrap(_share(common, [overlap.predicted for overlap in overlaps]), n),
        bootstrap(_share(common, [overlap.gold for overlap in overlaps]), n),
    )


def _share(part: Any, whole: Any) -> Statistic:
    """Sum over rows of one column divided by the sum of another; NaN for a sum of 0."""
    import numpy as np

    above, below = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)

    def statistic(rows: Rows) -> Values:
        with np.errstate(invalid="ignore"):
            return np.asarray(above[rows].sum(axis=1) / below[rows].sum(axis=1))

    return statistic
