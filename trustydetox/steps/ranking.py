"""Which candidate people would most likely have written: the order in which checks see them."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trustydetox.errors import ConfigError, ModelError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller, Scorer
from trustydetox.spans import Edit, Span
from trustydetox.steps.holes import dangling
from trustydetox.steps.sentences import sentences_in

FEATURES = (
    *("guide", "check", "fluency", "joints", "kept", "came", "length", "dangling", "order"),
    *("deletes", "gap"),
)
"""What `features` says of a candidate, in this order."""

_WHOLE = -1.0  # log-odds of a missing word below which a sentence counts as whole
_SURE = 6.0  # log-odds beyond which more makes no difference


class Language(Protocol):
    """A model of sentences; see `trustydetox.embedded.fluency`.

    read: where each piece of a text starts, and the log-probability of each and of the end.
    """

    def read(  # noqa: D102
        self, texts: Sequence[str], /
    ) -> Sequence[tuple[Sequence[int], Sequence[float]]]: ...


class Wholeness(Protocol):
    """A model of whole sentences; see `trustydetox.embedded.gaps`.

    read: per text and place, an offset in code points, the log-odds that a word is missing there.
    """

    def read(  # noqa: D102
        self, texts: Sequence[str], places: Sequence[Sequence[int]], /
    ) -> Sequence[Sequence[float]]: ...


@dataclass(frozen=True)
class Measures:
    """What candidates are compared by.

    Two scorers, guide and check, a language model, and what tells where a word is missing.
    """

    scorers: tuple[Scorer, Scorer]
    fluency: Language
    gaps: Wholeness

    def features(self, masked: MaskedText, rewrites: Sequence[Rewrite]) -> list[list[float]]:
        """One row of `FEATURES` per candidate of a text.

        guide, check: log-odds that it is still toxic. fluency: change of the mean log-probability.
        joints: log-probability of what follows an edit, the mean over all edits. kept: share of the
        words outside the masked spans that are left. came: share of its words that are new.
        length: characters over the text's. dangling: see `Whole`. order: how far down the infiller
        put it, as a logarithm. deletes: whether nothing was put in. gap: the highest log-odds that
        a word is missing beside an edit, over `_WHOLE`.
        """
        texts = [rewrite.text for rewrite in rewrites]
        (_, before), *after = self.fluency.read([masked.text, *texts])
        guide, check = (
            [_odds(one.overall) for one in scorer.score(texts)] for scorer in self.scorers
        )
        missing = self.gaps.read(texts, [_borders(rewrite) for rewrite in rewrites])
        outside = Counter(_words(_outside(masked)))
        loose = dangling(masked.text)
        rows = []
        for at, text in enumerate(texts):
            words = Counter(_words(text))
            came = (words - Counter(_words(masked.text))).total()
            rows.append(
                [
                    guide[at],
                    check[at],
                    _mean(after[at][1]) - _mean(before),
                    _joints(rewrites[at], *after[at]),
                    (outside & words).total() / max(1, outside.total()),
                    came / max(1, words.total()),
                    len(text) / max(1, len(masked.text)),
                    float(max(0, dangling(text) - loose)),
                    math.log1p(at),
                    float(all(not edit.replacement for edit in rewrites[at].edits)),
                    max((odds - _WHOLE for odds in missing[at] if odds > _WHOLE), default=0.0),
                ]
            )
        return rows


@dataclass(frozen=True)
class Ranked:
    """The candidates of another infiller, those that people would rather have written first.

    scorers: the guide and the check, in this order; see `Measures`.
    ranks: weight per feature, learned from people's rewrites by
        `trustydetox.training.ranking.learn_ranks`. A tie keeps the infiller's order.

    Candidates of one text are scored together and apart from all other texts, so that their order
    doesn't depend on the batch. Costs what the scorers ask for the sentences in question, once per
    candidate.
    """

    infiller: Infiller
    scorers: Sequence[Scorer]
    fluency: Language
    gaps: Wholeness
    ranks: Mapping[str, float]

    def __post_init__(self) -> None:
        if len(self.scorers) != 2:
            raise ConfigError(f"expected two scorers, guide and check; got {len(self.scorers)}")
        if set(self.ranks) != set(FEATURES):
            raise ConfigError(
                f"ranks must weigh {', '.join(FEATURES)}; got {', '.join(self.ranks)}"
            )

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """As many candidates per text as the infiller gave."""
        guide, check = self.scorers
        measures = Measures((guide, check), self.fluency, self.gaps)
        found = self.infiller.infill(masked)
        return [
            self._ordered(measures, one, rewrites) if len(rewrites) > 1 else rewrites
            for one, rewrites in zip(masked, found, strict=True)
        ]

    def _ordered(
        self, measures: Measures, masked: MaskedText, rewrites: Sequence[Rewrite]
    ) -> tuple[Rewrite, ...]:
        weights = [self.ranks[name] for name in FEATURES]
        worth = [
            sum(weight * value for weight, value in zip(weights, row, strict=True))
            for row in measures.features(*excerpt(masked, rewrites))
        ]
        order = sorted(range(len(rewrites)), key=lambda at: -worth[at])
        return tuple(rewrites[at] for at in order)


def excerpt(masked: MaskedText, rewrites: Sequence[Rewrite]) -> tuple[MaskedText, list[Rewrite]]:
    """The sentences that a span or an edit touches, put together, with spans and edits moved there.

    The others are the same in every candidate, and would be most of the work in a long text.
    """
    text = masked.text
    touched = [*masked.masked, *(edit.span for rewrite in rewrites for edit in rewrite.edits)]
    kept = [
        sentence
        for sentence in sentences_in(text)
        if any(span.start < sentence.end and sentence.start < span.end for span in touched)
    ]
    starts = [sentence.start for sentence in kept]
    gone = [start - sum(map(len, kept[:at])) for at, start in enumerate(starts)]

    def moved(span: Span) -> Span:
        at = bisect_right(starts, span.start) - 1
        return Span(span.start - gone[at], span.end - gone[at])

    short = "".join(sentence.of(text) for sentence in kept)
    return (
        MaskedText(short, tuple(map(moved, masked.masked)), masked.weights),
        [
            Rewrite(short, tuple(Edit(moved(e.span), e.replacement) for e in rewrite.edits))
            for rewrite in rewrites
        ],
    )


def save_ranks(ranks: Mapping[str, float], path: Path) -> None:
    """Write the weights as JSON."""
    rounded = {name: round(ranks[name], 4) for name in FEATURES}
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def load_ranks(path: Path) -> dict[str, float]:
    """Read what `save_ranks` wrote."""
    try:
        return {str(name): float(value) for name, value in json.loads(path.read_bytes()).items()}
    except OSError as error:
        raise ModelError(f"can't read the ranking weights {path}: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} holds no ranking weights: {type(error).__name__}") from error


def _joints(rewrite: Rewrite, starts: Sequence[int], logs: Sequence[float]) -> float:
    """Mean log-probability of the first pieces that start behind an edit, or of the end."""
    found, moved = [], 0
    for edit in rewrite.edits:
        moved += len(edit.replacement) - len(edit.span)
        found.append(logs[bisect_left(starts, edit.span.end + moved)])
    return _mean(found) if found else 0.0


def _borders(rewrite: Rewrite) -> list[int]:
    """Offsets in the rewrite of where its edits touch the rest: both ends of what was put in."""
    found, moved = [], 0
    for edit in rewrite.edits:
        start = edit.span.start + moved
        moved += len(edit.replacement) - len(edit.span)
        found.append(start)
        if edit.replacement.strip():
            found.append(edit.span.end + moved)
    return found


def _mean(values: Sequence[float]) -> float:
    return float(sum(values)) / len(values)


def _odds(probability: float) -> float:
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(kept / (1 - kept)), -_SURE), _SURE)


def _outside(masked: MaskedText) -> str:
    pieces, end = [], 0
    for span in masked.masked:
        pieces.append(masked.text[end : span.start])
        end = span.end
    return " ".join([*pieces, masked.text[end:]])


def _words(text: str) -> Iterator[str]:
    return (match[0].casefold() for match in _WORD.finditer(text))


_WORD = re.compile(r"\w+(?:['’]\w+)*")
