"""The fluency model's weights: how likely people write a sequence of word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.embedded.encoder import read_tokenizer
from trustydetox.embedded.kneserney import KneserNey
from trustydetox.embedded.tensors import require_weights

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SHIFT = 2
"""Numbers below it begin and end a sequence; a piece is its id plus this."""


@dataclass(frozen=True)
class Fluency:
    """A model of triples of word pieces; case doesn't count."""

    tokenizer: Tokenizer
    pieces: KneserNey

    def read(self, texts: Sequence[str], /) -> list[tuple[list[int], list[float]]]:
        """Per text where its pieces start, in code points, and the natural log-probability of
        each piece and of the end.
        """
        encoded = _encoded(self.tokenizer, texts)
        logs = self.pieces.log_probabilities([_numbers(one) for one in encoded])
        starts = [[start for start, _ in one.offsets] for one in encoded]
        return [(each, log.tolist()) for each, log in zip(starts, logs, strict=True)]


def numbers(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The pieces of each text as the model counts them."""
    return [_numbers(one) for one in _encoded(tokenizer, texts)]


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    # A lone surrogate, which the tokenizer refuses, reads as a question mark.
    readable = [text.encode("utf-8", "replace").decode() for text in texts]
    return tokenizer.encode_batch(readable, add_special_tokens=False)


def _numbers(encoding: Encoding) -> list[int]:
    return [SHIFT + piece for piece in encoding.ids]


def save_fluency(fluency: Fluency, path: Path) -> None:
    """Write the n-grams; the tokenizer is the guide's."""
    from safetensors.numpy import save_file

    save_file(fluency.pieces.tensors(), path)


def load_fluency(folder: Path) -> Fluency:
    """Read what `save_fluency` wrote as fluency.safetensors."""
    from safetensors.numpy import load_file

    path = require_weights(folder / "fluency.safetensors", "the fluency model is")
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    size = tokenizer.get_vocab_size() + SHIFT
    return Fluency(tokenizer, KneserNey.of(load_file(path), size))
