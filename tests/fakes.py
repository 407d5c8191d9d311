"""Steps that can be checked by hand: they play the roles with word lists and no model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import compress

from trustydetox.detoxifier import Detoxifier
from trustydetox.records import Attribution, Finding, MaskedText, Rewrite, Toxicity, Veto
from trustydetox.roles import Attributor, Check, Infiller, Masker, Scorer
from trustydetox.spans import Edit, Span

INSULTS: Mapping[str, float] = {"idiot": 0.9, "stupid": 0.6, "moron": 0.8, "damn": 0.4}


def words(text: str) -> tuple[Span, ...]:
    """Where the words of a text are."""
    return tuple(Span(*match.span()) for match in re.finditer(r"\w+", text))


@dataclass(frozen=True)
class WordScorer:
    """Toxicity = sum of the weights of a text's words, at most 1."""

    weights: Mapping[str, float] = field(default_factory=lambda: INSULTS)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Toxicity:
        total = sum(self.weights.get(span.of(text).lower(), 0.0) for span in words(text))
        overall = min(1.0, total)
        return Toxicity(overall, {"insult": overall})


@dataclass(frozen=True)
class NoisyScorer:
    """Another scorer's toxicity, off by a share of up to `noise` that changes with the batch.

    A text alone in its batch is exact, as on real hardware it is always the same.
    """

    scorer: Scorer
    noise: float = 1e-4

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        exact = self.scorer.score(texts)
        if len(texts) == 1:
            return exact
        return [
            Toxicity(
                self._off(one.overall, i, texts),
                {k: self._off(v, i, texts) for k, v in one.by_label.items()},
            )
            for i, one in enumerate(exact)
        ]

    def _off(self, value: float, index: int, texts: Sequence[str]) -> float:
        return min(1.0, value * (1.0 + self.noise * swing(index, texts)))


def swing(index: int, texts: Sequence[str]) -> float:
    """A number in [-1, 1] that depends on a place in a batch and on all that the batch holds."""
    digest = blake2b(repr((index, list(texts))).encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:4], "big") / (2**31 - 0.5) - 1.0


@dataclass(frozen=True)
class WordAttributor:
    """Weight of a word = its weight in the list."""

    weights: Mapping[str, float] = field(default_factory=lambda: INSULTS)

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Attribution:
        units = words(text)
        weights = tuple(self.weights.get(unit.of(text).lower(), 0.0) for unit in units)
        return Attribution(text, units, weights)


@dataclass(frozen=True)
class NoisyAttributor:
    """Another attributor's weights, off by a share of up to `noise`; exact alone."""

    attributor: Attributor
    noise: float = 1e-4

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        exact = self.attributor.attribute(texts)
        if len(texts) == 1:
            return exact
        return [
            Attribution(
                one.text,
                one.units,
                tuple(
                    w * (1.0 + self.noise * swing(i * 1000 + j, texts))
                    for j, w in enumerate(one.weights)
                ),
            )
            for i, one in enumerate(exact)
        ]


@dataclass(frozen=True)
class WordMasker:
    """Masks every unit whose weight is `limit` or more."""

    limit: float = 0.3

    def mask(self, attribution: Attribution, /) -> MaskedText:
        masked = [
            (unit, weight)
            for unit, weight in zip(attribution.units, attribution.weights, strict=True)
            if weight >= self.limit
        ]
        strongest = max((weight for _, weight in masked), default=1.0)
        return MaskedText(
            attribution.text,
            tuple(unit for unit, _ in masked),
            tuple(weight / strongest for _, weight in masked),
        )


@dataclass(frozen=True)
class SteadyWordMasker(WordMasker):
    """The same, and it knows when a weight is too near the limit."""

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        return any(abs(weight - self.limit) <= margin for weight in attribution.weights)


@dataclass(frozen=True)
class KeepingWordMasker(SteadyWordMasker):
    """The same, and it keeps a word."""

    keeps: str = "damn"

    def mask(self, attribution: Attribution, /) -> MaskedText:
        masked = super().mask(attribution)
        kept = {at for span in self.kept(masked.text) for at in range(span.start, span.end)}
        goes = [kept.isdisjoint(range(span.start, span.end)) for span in masked.masked]
        spans = tuple(compress(masked.masked, goes))
        vetoes = tuple(Veto(span, "kept") for span in masked.masked if span not in spans)
        return MaskedText(masked.text, spans, (1.0,) * len(spans), vetoes)

    def kept(self, text: str, /) -> list[Span]:
        return [span for span in words(text) if span.of(text) == self.keeps]


@dataclass(frozen=True)
class Deleter:
    """One candidate: the text without its masked spans and the space before each."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [(self._one(one),) for one in masked]

    def _one(self, masked: MaskedText) -> Rewrite:
        return Rewrite(
            masked.text,
            tuple(
                Edit(Span(span.start - (masked.text[: span.start][-1:] == " "), span.end), "")
                for span in masked.masked
            ),
        )


@dataclass(frozen=True)
class Replacer:
    """Candidate number n puts each masked word's n-th choice in its place."""

    choices: Mapping[str, Sequence[str]]

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [self._one(one) for one in masked]

    def _one(self, masked: MaskedText) -> tuple[Rewrite, ...]:
        options = [self.choices.get(span.of(masked.text).lower(), ()) for span in masked.masked]
        return tuple(
            Rewrite(masked.text, tuple(map(Edit, masked.masked, picked)))
            for picked in zip(*options, strict=False)
        )


@dataclass(frozen=True)
class WordsKept:
    """Share of the original's words still there, in order or not; `limit` or more passes."""

    limit: float = 0.0
    name: str = "words-kept"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        return [self._one(rewrite) for rewrite in rewrites]

    def _one(self, rewrite: Rewrite) -> Finding:
        before = [span.of(rewrite.original) for span in words(rewrite.original)]
        after = {span.of(rewrite.text) for span in words(rewrite.text)}
        share = sum(word in after for word in before) / max(1, len(before))
        return Finding(self.name, share >= self.limit, share, self.limit)


@dataclass(frozen=True)
class Lacks:
    """Passes where the rewritten text lacks a word."""

    word: str
    name: str = "lacks"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        return [self._one(rewrite) for rewrite in rewrites]

    def _one(self, rewrite: Rewrite) -> Finding:
        count = sum(span.of(rewrite.text) == self.word for span in words(rewrite.text))
        return Finding(self.name, count < 1, float(count), 1.0)


@dataclass(frozen=True)
class ScoredAgain:
    """Passes where a second scorer finds the rewritten text less toxic than `limit`."""

    scorer: Scorer = field(default_factory=WordScorer)
    limit: float = 0.3
    name: str = "scored-again"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        scores = self.scorer.score([rewrite.text for rewrite in rewrites])
        return [
            Finding(self.name, one.overall < self.limit, one.overall, self.limit) for one in scores
        ]


@dataclass(frozen=True)
class NoisyCheck:
    """Another check's findings, their values off by a share of up to `noise`; exact alone."""

    inner: Check
    noise: float = 1e-4

    @property
    def name(self) -> str:
        return self.inner.name

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        exact = self.inner.check(rewrites)
        if len(rewrites) == 1:
            return exact
        texts = [rewrite.text for rewrite in rewrites]
        values = [one.value * (1.0 + self.noise * swing(i, texts)) for i, one in enumerate(exact)]
        return [
            Finding(one.check, value >= one.limit, value, one.limit)
            for one, value in zip(exact, values, strict=True)
        ]


def detoxifier(
    *,
    scorer: Scorer | None = None,
    attributor: Attributor | None = None,
    masker: Masker | None = None,
    infiller: Infiller | None = None,
    checks: Sequence[Check] = (WordsKept(),),
    **settings: object,
) -> Detoxifier:
    """A pipeline of the fakes above: insults out, all else stays."""
    return Detoxifier(
        scorer=scorer or WordScorer(),
        attributor=attributor or WordAttributor(),
        masker=masker or WordMasker(),
        infiller=infiller or Deleter(),
        checks=checks,
        **settings,  # type: ignore[arg-type]
    )
