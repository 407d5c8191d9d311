"""The fluency model's weights: how likely people write a sequence of word pieces."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.embedded.encoder import read_tokenizer
from trustydetox.embedded.kneserney import KneserNey
from trustydetox.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SHIFT = 2
"""Numbers below it begin and end a sequence; a piece is its id plus this."""


@dataclass(frozen=True)
class Fluency:
    """A model of triples of word pieces; case doesn't count."""

    tokenizer: Tokenizer
    pieces: KneserNey

    def score(self, texts: Sequence[str], /) -> list[float]:
        """Mean natural log-probability of the pieces and the end of each text."""
        logs = self.pieces.log_probabilities(numbers(self.tokenizer, texts))
        return [float(each.mean()) for each in logs]

    def expected(self, text: str, places: Sequence[int], /) -> list[float]:
        """Log-probability of the first piece that begins at each place or after it, or of the end.

        places: code points of the text.
        """
        (logs,) = self.pieces.log_probabilities(numbers(self.tokenizer, [text]))
        encoded = self.tokenizer.encode(_readable(text), add_special_tokens=False)
        starts = [start for start, _ in encoded.offsets]
        return [float(logs[bisect_left(starts, place)]) for place in places]


def numbers(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The pieces of each text as the model counts them."""
    encoded = tokenizer.encode_batch(list(map(_readable, texts)), add_special_tokens=False)
    return [[SHIFT + piece for piece in one.ids] for one in encoded]


def _readable(text: str) -> str:
    """A lone surrogate, which the tokenizer refuses, reads as a question mark."""
    return text.encode("utf-8", "replace").decode()


def save_fluency(fluency: Fluency, path: Path) -> None:
    """Write the n-grams; the tokenizer is the guide's."""
    from safetensors.numpy import save_file

    save_file(fluency.pieces.tensors(), path)


def load_fluency(folder: Path) -> Fluency:
    """Read what `save_fluency` wrote as fluency.safetensors."""
    from safetensors.numpy import load_file

    path = folder / "fluency.safetensors"
    if not path.is_file():
        raise ModelError(
            f"the fluency model is missing: expected {path.name} beside the package's "
            "embedded models; reinstall trustydetox, or build them: trustydetox train embedded"
        )
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    size = tokenizer.get_vocab_size() + SHIFT
    return Fluency(tokenizer, KneserNey.of(load_file(path), size))
