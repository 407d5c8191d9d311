"""The identifier as a scorer, and as a gate in front of another: microseconds for most texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trustydetox.errors import ConfigError
from trustydetox.records import Toxicity
from trustydetox.roles import TIE, Scorer
from trustydetox.steps.viewing import View
from trustydetox.steps.windowing import ViewOf

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

PIECE = 64
"""Tokens of a text that a bag averages over: of more, one word would no longer be heard."""

_PIECE_OVERLAP = 16
_BAG_PIECES = 4096  # more at once don't run faster


class Bag(Protocol):
    """A network over the mean of a text's embeddings; see `trustydetox.embedded.identifier`."""

    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    @property
    def scale(self) -> float: ...  # noqa: D102
    @property
    def shift(self) -> float: ...  # noqa: D102

    def logits(self, ids: Tensor, starts: Tensor) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class BagScorer:
    """Probability by an identifier, the cheapest scorer: word order counts for nothing.

    A long text is scored in overlapping pieces of 64 tokens and is as toxic as its worst piece.
    """

    identifier: Bag
    view: ViewOf = View.of

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, without labels; microseconds each, tokenising most of it."""
        import torch

        best = [0.0] * len(texts)
        readable = [self.view(text).text.encode("utf-8", "replace").decode() for text in texts]
        encodings = self.identifier.tokenizer.encode_batch_fast(readable, add_special_tokens=False)
        pieces = [
            (index, encoding.ids[start : start + PIECE])
            for index, encoding in enumerate(encodings)
            for start in range(
                0, max(len(encoding.ids) - _PIECE_OVERLAP, 1), PIECE - _PIECE_OVERLAP
            )
        ]
        with torch.inference_mode():
            for at in range(0, len(pieces), _BAG_PIECES):
                batch = pieces[at : at + _BAG_PIECES]
                ids = torch.tensor([token for _, piece in batch for token in piece]).long()
                sizes = torch.tensor([0, *(len(piece) for _, piece in batch[:-1])])
                logits = self.identifier.logits(ids, sizes.cumsum(0))
                odds = logits * self.identifier.scale + self.identifier.shift
                for (index, _), value in zip(batch, odds.sigmoid().tolist(), strict=True):
                    best[index] = max(best[index], value)
        return [Toxicity(value) for value in best]


@dataclass(frozen=True)
class Gated:
    """The toxicity by another scorer, asked only about what a cheap one doesn't find clean.

    A text that the gate finds less toxic than `limit` keeps the gate's toxicity, without labels.
    `train scorer --gate` finds the limit that lets through what the scorer would flag.
    """

    gate: Scorer
    scorer: Scorer
    limit: float

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise ConfigError(f"the gate's limit must be in (0, 1), got {self.limit}")

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text."""
        found = self.gate.score(texts)
        through = [index for index, score in enumerate(found) if self._passes(texts[index], score)]
        asked = self.scorer.score([texts[index] for index in through])
        for index, score in zip(through, asked, strict=True):
            found[index] = score
        return found

    def _passes(self, text: str, score: Toxicity) -> bool:
        # Float noise of the batch must not choose the scorer.
        if abs(score.overall - self.limit) <= min(TIE, self.limit / 10):
            (score,) = self.gate.score([text])
        return score.overall >= self.limit
