"""Scorers: whether a text is toxic, as an absolute, calibrated probability."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trustydetox.records import Toxicity
from trustydetox.steps.windowing import Network, ViewOf, batches_of, tensors_of, windows_of

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclass(frozen=True)
class EncoderScorer:
    """Probability by an encoder; a long text is as toxic as its worst window.

    Costs one forward pass per window of 128 tokens.
    """

    guide: Network
    view: ViewOf

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, with the network's labels."""
        import torch

        windows = windows_of(self.guide.tokenizer, [self.view(text).text for text in texts])
        scale, shift = torch.tensor(self.guide.scale), torch.tensor(self.guide.shift)
        best: list[list[float]] = [[0.0] * len(scale) for _ in texts]
        with torch.inference_mode():
            for batch in batches_of(windows):
                ids, mask = tensors_of(batch)
                logits = self.guide.document(self.guide.tokens(ids, mask), mask)
                values = (logits * scale + shift).sigmoid().tolist()
                for window, row in zip(batch, values, strict=True):
                    best[window.text] = list(map(max, best[window.text], row))
        return [
            Toxicity(overall, dict(zip(self.guide.labels, labels, strict=True)))
            for overall, *labels in best
        ]


class Ngrams(Protocol):
    """A linear model over hashed character n-grams; see `ngram_slots` for the hash."""

    @property
    def weights(self) -> NDArray[numpy.float32]: ...  # noqa: D102
    @property
    def bias(self) -> float: ...  # noqa: D102
    @property
    def lengths(self) -> tuple[int, int]: ...  # noqa: D102


@dataclass(frozen=True)
class NgramScorer:
    """Probability by a linear model over hashed character n-grams of the view.

    Another architecture than the encoder, so that it errs elsewhere. A long text is scored in
    overlapping pieces of `piece` words and is as toxic as its worst piece.
    """

    ngrams: Ngrams
    view: ViewOf
    piece: int = 60

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, without labels; about 0.1 ms per 100 characters."""
        return [Toxicity(max(map(self._one, self._pieces(self.view(text).text)))) for text in texts]

    def _pieces(self, text: str) -> list[str]:
        words = text.split()
        step = self.piece * 3 // 4
        last = max(len(words) - self.piece + step, 1)
        return [" ".join(words[at : at + self.piece]) for at in range(0, last, step)]

    def _one(self, text: str) -> float:
        import numpy

        slots = ngram_slots(text, self.ngrams.lengths, len(self.ngrams.weights))
        if not slots:
            return 0.0
        total = float(self.ngrams.weights[numpy.array(slots)].sum(dtype=numpy.float64))
        logit = total / math.sqrt(len(slots)) + self.ngrams.bias
        return 1 / (1 + math.exp(-max(min(logit, 60.0), -60.0)))


def ngram_slots(text: str, lengths: tuple[int, int], size: int) -> list[int]:
    """Slots of the distinct n-grams of the lower-cased words of `text`, sorted.

    An n-gram stays inside a word padded with one space on each side; its slot is the CRC-32 of
    its UTF-8 bytes modulo `size`. Training and scoring share this function.
    """
    shortest, longest = lengths
    grams: set[str] = set()
    for word in set(text.lower().split()):
        # A word without end would take memory without end; none that people write is as long.
        padded = f" {word[:64]} "
        for size_of in range(shortest, longest + 1):
            grams.update(padded[i : i + size_of] for i in range(len(padded) - size_of + 1))
    return sorted({zlib.crc32(gram.encode("utf-8", "replace")) % size for gram in grams})
