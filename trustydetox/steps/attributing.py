"""Attributors: which words make a text toxic.

All work on the view of a text and answer in offsets of the original; the pieces of a word are
joined to one unit. In a long text a word that stands in two windows keeps the higher weight.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trustydetox.errors import ConfigError
from trustydetox.records import Attribution
from trustydetox.roles import Attributor, Scorer
from trustydetox.spans import Span
from trustydetox.steps.names import names_in
from trustydetox.steps.sentences import LONG, require_surer, said_in, sure_in
from trustydetox.steps.viewing import KnownWords, View
from trustydetox.steps.windowing import (
    Judging,
    Marking,
    Reading,
    ViewOf,
    Window,
    read,
    words_of,
)

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["mask", "padding"]


@dataclass(frozen=True)
class TokenHead:
    """Weight of a word = probability, by the network's token head, that people would mark it.

    Supervised by toxic spans; the highest of a word's pieces counts. Costs one forward pass.
    """

    marker: Marking
    view: ViewOf = View.of

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in [0, 1]."""
        import torch

        def weights(ids: Tensor, mask: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.marker.tokens(ids, mask)[:, :, 0].sigmoid()

        return _attributed(self.marker, self.view, texts, weights, max)


@dataclass(frozen=True)
class WordPrior:
    """The weights of another attributor, with the odds of known toxic words times `odds`.

    A word that people marked in other texts needs less of a reason here, and what is left of such
    words is what a reader of a mended text finds first: in 3 of 286 rewrites (paradetox, pairs
    from which nothing is learned) one was left without this, and none with it. A text of `long`
    sentences or more keeps its weights: there such a word is often spoken of, not used.

    names: the odds of other words that are written as names are divided by this, in any text: a
        capital within a sentence of small letters says more often who somebody is than it insults.

    Weights are taken for probabilities, of a marked word. Small ones, and what float noise makes of
    them, grow up to `odds` times; that of the embedded marker stays below 1e-5, far under `TIE`.
    """

    attributor: Attributor
    known: KnownWords
    view: ViewOf = View.of
    odds: float = 6.0
    names: float = 3.0
    long: int = LONG

    def __post_init__(self) -> None:
        if not (self.odds > 0.0 and self.names > 0.0):
            raise ConfigError(
                f"odds and names must be above 0, got odds {self.odds} and names {self.names}"
            )

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, in the units of the other attributor, weights in [0, 1]."""
        return [self._raised(found) for found in self.attributor.attribute(texts)]

    def _raised(self, found: Attribution) -> Attribution:
        odds = self.odds if len(said_in(found.text)) < self.long else 1.0
        view = self.view(found.text)
        known = {
            view.original(start, end)
            for start, end in words_of(view)
            if self.known.knows(view.text[start:end])
        }
        names = set(names_in(found.text))
        factors = (
            odds if unit in known else 1.0 / self.names if unit in names else 1.0
            for unit in found.units
        )
        weights = (
            factor * weight / (factor * weight + 1.0 - weight)
            for factor, weight in zip(factors, found.weights, strict=True)
        )
        return Attribution(found.text, found.units, tuple(weights))


@dataclass(frozen=True)
class ToxicSentences:
    """The weights of another attributor in the sentences that are toxic by themselves, else 0.

    A long text is often toxic by one sentence, and what an attributor finds in the others, which
    the gate would have let pass, is seldom meant: of 100 edits read in dialogues half of the
    needless ones lay there, and none of the good ones. Where no sentence is toxic alone, the
    weights stay as they are.

    limit: toxicity of a sentence, by `scorer`, from which its words keep their weights.
    sure: the same in a text of `long` sentences or more, whose worst sentence keeps them from
        `limit` on. Of another 100 edits no good one lay below 0.7, and 18 of 49 needless ones.
    surer: the same in a text of `MANY` sentences or more; None is `sure`.

    A text's sentences are scored apart from other texts, so that none depends on the batch. Costs
    one pass of the scorer over texts of more than one sentence.
    """

    attributor: Attributor
    scorer: Scorer
    limit: float = 0.5
    sure: float = 0.7
    surer: float | None = None
    long: int = LONG

    def __post_init__(self) -> None:
        require_surer(self.sure, self.surer)

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, in the units and the scale of the other attributor."""
        return [self._kept(found) for found in self.attributor.attribute(texts)]

    def _kept(self, found: Attribution) -> Attribution:
        text = found.text
        sentences = said_in(text)
        if len(sentences) < 2:
            return found
        by_sentence = [one.overall for one in self.scorer.score([s.of(text) for s in sentences])]
        worst = max(by_sentence)
        if worst < self.limit:
            return found
        limit = self.limit
        if len(sentences) >= self.long:
            limit = min(worst, sure_in(len(sentences), self.sure, self.surer))
        starts = [each.start for each in sentences]
        return Attribution(
            text,
            found.units,
            tuple(
                weight
                if by_sentence[max(0, bisect_right(starts, unit.start) - 1)] >= limit
                else 0.0
                for unit, weight in zip(found.units, found.weights, strict=True)
            ),
        )


@dataclass(frozen=True)
class IntegratedGradients:
    """Weight of a word = its share of the rise in log-odds from a text of blanks to this text.

    captum's LayerIntegratedGradients (Sundararajan et al. 2017) over the embeddings module, with
    the calibrated document logit as target: the weights of a text sum to the difference of the
    logit between text and baseline, up to the error of `steps` points on the path (see
    `completeness`). Costs `steps` forward and backward passes.

    baseline: what a blank is, the mask token or padding.
    at_once: points on the path in memory at a time, over all texts of a batch.
    """

    guide: Judging
    view: ViewOf = View.of
    steps: int = 20
    baseline: Baseline = "mask"
    at_once: int = 64

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in log-odds."""
        return _attributed(self.guide, self.view, texts, self._weights, _total)

    def completeness(self, texts: Sequence[str]) -> list[float]:
        """|sum of weights - rise of the logit| / |rise of the logit|, per window of `texts`."""
        import torch

        def error(ids: Tensor, mask: Tensor) -> Tensor:
            weights = self._weights(ids, mask)
            with torch.inference_mode():
                rise = self.guide.logit(ids, mask) - self.guide.logit(self._blank(ids), mask)
            return (weights.sum(1) - rise).abs() / rise.abs().clamp(min=1e-6)

        views = [self.view(text).text for text in texts]
        return [found for _, found in read(self.guide, views, error)]

    def _weights(self, ids: Tensor, mask: Tensor) -> Tensor:
        from captum.attr import LayerIntegratedGradients

        explained = LayerIntegratedGradients(self.guide.logit, self.guide.embeddings)
        shares: Tensor = explained.attribute(
            ids,
            baselines=self._blank(ids),
            additional_forward_args=(mask,),
            n_steps=self.steps,
            internal_batch_size=max(self.at_once, len(ids)),
        )
        return shares.sum(dim=-1)

    def _blank(self, ids: Tensor) -> Tensor:
        """`ids` with every word piece blanked; the special tokens stay."""
        from torch import isin, tensor

        blank = self.guide.blank if self.baseline == "mask" else self.guide.padding
        special = isin(ids, tensor(self.guide.special, device=ids.device))
        return ids.where(special, tensor(blank, device=ids.device))


@dataclass(frozen=True)
class GradientXActivation:
    """Weight of a word = gradient of the document logit by its embedding, times the embedding.

    captum's LayerGradientXActivation over the embeddings module: two forward passes' cost, and a
    first-order answer only; on toxic spans it finds far less than integrated gradients.
    """

    guide: Judging
    view: ViewOf = View.of

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in log-odds."""
        return _attributed(self.guide, self.view, texts, self._weights, _total)

    def _weights(self, ids: Tensor, mask: Tensor) -> Tensor:
        from captum.attr import LayerGradientXActivation

        explained = LayerGradientXActivation(self.guide.logit, self.guide.embeddings)
        products: Tensor = explained.attribute(ids, additional_forward_args=(mask,))
        return products.sum(dim=-1)


@dataclass(frozen=True)
class LeaveOneOut:
    """Weight of a word = how far toxicity falls when the word is deleted, for any scorer.

    Costs one scored text per word, plus one. Blind to words that are toxic only together.
    """

    scorer: Scorer
    view: ViewOf = View.of

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in probability."""
        found = []
        for text in texts:
            view = self.view(text)
            spans: list[Span] = []
            for word in words_of(view):
                span = view.original(*word)
                # As in `joined`: two words may come from one character.
                if not spans or spans[-1].end <= span.start:
                    spans.append(span)
            without = [text[: span.start] + text[span.end :] for span in spans]
            whole, *rest = (score.overall for score in self.scorer.score([text, *without]))
            weights = tuple(whole - score for score in rest)
            found.append(Attribution(text, tuple(spans), weights))
        return found


def _total(values: Iterable[float]) -> float:
    return sum(values)


def _attributed(
    network: Reading,
    view_of: ViewOf,
    texts: Sequence[str],
    weights: Callable[[Tensor, Tensor], Tensor],
    join: Callable[[list[float]], float],
) -> list[Attribution]:
    """Attributions from weights per token; `join` makes one weight of a word's pieces."""
    views = [view_of(text) for text in texts]
    pieces: list[dict[int, float]] = [{} for _ in texts]
    for window, row in read(network, [view.text for view in views], weights):
        _gather(pieces[window.text], window, views[window.text].text, row, join)
    return [
        joined(text, view, found, join)
        for text, view, found in zip(texts, views, pieces, strict=True)
    ]


def _gather(
    pieces: dict[int, float],
    window: Window,
    text: str,
    row: Sequence[float],
    join: Callable[[list[float]], float],
) -> None:
    """Add a window's weights by where each piece starts; of two windows the higher one counts.

    A character of several bytes may be several pieces in the same place.
    """
    found: dict[int, list[float]] = {}
    for (start, end), weight in zip(window.offsets, row, strict=False):
        first = first_sign(text, start, end)
        if first is not None:
            found.setdefault(first, []).append(weight)
    for start, several in found.items():
        weight = several[0] if len(several) == 1 else join(several)
        pieces[start] = max(weight, pieces.get(start, weight))


def first_sign(text: str, start: int, end: int) -> int | None:
    """Where a piece starts behind the space that a tokenizer of bytes counts to it, if it does."""
    while start < end and text[start].isspace():
        start += 1
    return start if start < end else None


def joined(
    text: str, view: View, pieces: Mapping[int, float], join: Callable[[list[float]], float]
) -> Attribution:
    """Attribution of the words of a text from weights by where each piece starts in its view."""
    units: list[Span] = []
    weights: list[float] = []
    starts = iter(sorted(pieces))
    at = next(starts, None)
    for start, end in words_of(view):
        inside = []
        while at is not None and at < end:
            if at >= start:
                inside.append(pieces[at])
            at = next(starts, None)
        span = view.original(start, end)
        # Two words of a view may come from one character (½ reads as 1⁄2): the first keeps it.
        if inside and (not units or units[-1].end <= span.start):
            units.append(span)
            weights.append(join(inside))
    return Attribution(text, tuple(units), tuple(weights))
