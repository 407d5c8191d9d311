"""Attributors: which words make a text toxic.

All work on the view of a text and answer in offsets of the original; the pieces of a word are
joined to one unit. In a long text a word that stands in two windows keeps the higher weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trustydetox.records import Attribution
from trustydetox.roles import Scorer
from trustydetox.spans import Span
from trustydetox.steps.viewing import View
from trustydetox.steps.windowing import (
    Network,
    ViewOf,
    Window,
    batches_of,
    tensors_of,
    windows_of,
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

    marker: Network
    view: ViewOf

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in [0, 1]."""
        import torch

        def weights(ids: Tensor, mask: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.marker.tokens(ids, mask)[:, :, 0].sigmoid()

        return _attributed(self.marker, self.view, texts, weights, max)


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

    guide: Network
    view: ViewOf
    steps: int = 20
    baseline: Baseline = "mask"
    at_once: int = 64

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in log-odds."""
        return _attributed(self.guide, self.view, texts, self._weights, _total)

    def completeness(self, texts: Sequence[str]) -> list[float]:
        """|sum of weights - rise of the logit| / |rise of the logit|, per window of `texts`."""
        import torch

        errors: list[float] = []
        windows = windows_of(self.guide.tokenizer, [self.view(text).text for text in texts])
        for batch in batches_of(windows):
            ids, mask = tensors_of(batch)
            weights = self._weights(ids, mask)
            with torch.inference_mode():
                rise = self.guide.logit(ids, mask) - self.guide.logit(self._blank(ids), mask)
            errors += ((weights.sum(1) - rise).abs() / rise.abs().clamp(min=1e-6)).tolist()
        return errors

    def _weights(self, ids: Tensor, mask: Tensor) -> Tensor:
        from captum.attr import LayerIntegratedGradients

        explained = LayerIntegratedGradients(self.guide.logit, self.guide.encoder.embeddings)
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

        name = {"mask": "[MASK]", "padding": "[PAD]"}[self.baseline]
        pieces = (name, "[CLS]", "[SEP]", "[PAD]")
        blank, *kept = (self.guide.tokenizer.token_to_id(piece) for piece in pieces)
        special = isin(ids, tensor(kept, device=ids.device))
        return ids.where(special, tensor(blank, device=ids.device))


@dataclass(frozen=True)
class GradientXActivation:
    """Weight of a word = gradient of the document logit by its embedding, times the embedding.

    captum's LayerGradientXActivation over the embeddings module: two forward passes' cost, and a
    first-order answer only; on toxic spans it finds far less than integrated gradients.
    """

    guide: Network
    view: ViewOf

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in log-odds."""
        return _attributed(self.guide, self.view, texts, self._weights, _total)

    def _weights(self, ids: Tensor, mask: Tensor) -> Tensor:
        from captum.attr import LayerGradientXActivation

        explained = LayerGradientXActivation(self.guide.logit, self.guide.encoder.embeddings)
        products: Tensor = explained.attribute(ids, additional_forward_args=(mask,))
        return products.sum(dim=-1)


@dataclass(frozen=True)
class LeaveOneOut:
    """Weight of a word = how far toxicity falls when the word is deleted, for any scorer.

    Costs one scored text per word, plus one. Blind to words that are toxic only together.
    """

    scorer: Scorer
    view: ViewOf

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, weights in probability."""
        found = []
        for text in texts:
            view = self.view(text)
            spans: list[Span] = []
            for word in words_of(view):
                span = view.original(*word)
                # As in `_joined`: two words may come from one character.
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
    guide: Network,
    view_of: ViewOf,
    texts: Sequence[str],
    weights: Callable[[Tensor, Tensor], Tensor],
    join: Callable[[list[float]], float],
) -> list[Attribution]:
    """Attributions from weights per token; `join` makes one weight of a word's pieces."""
    views = [view_of(text) for text in texts]
    pieces: list[dict[int, float]] = [{} for _ in texts]
    for batch in batches_of(windows_of(guide.tokenizer, [view.text for view in views])):
        ids, mask = tensors_of(batch)
        for window, row in zip(batch, weights(ids, mask).tolist(), strict=True):
            _gather(pieces[window.text], window, row)
    return [
        _joined(text, view, found, join)
        for text, view, found in zip(texts, views, pieces, strict=True)
    ]


def _gather(pieces: dict[int, float], window: Window, row: Sequence[float]) -> None:
    for (start, end), weight in zip(window.offsets, row, strict=False):
        if start < end:
            pieces[start] = max(weight, pieces.get(start, weight))


def _joined(
    text: str, view: View, pieces: dict[int, float], join: Callable[[list[float]], float]
) -> Attribution:
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
