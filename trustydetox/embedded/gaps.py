"""Where in a sentence a word is missing: a head over neighbours of the editor's last layer."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.embedded.editor import Editor
from trustydetox.embedded.tensors import load_tensors, require_weights, save_tensors

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Sequential
    from transformers import BertModel

REACH = 40
"""Most pieces that are read on each side of a place."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n")


@dataclass(frozen=True)
class Gaps:
    """Says of a place between two pieces whether something was cut out there.

    encoder: the editor's own.
    head: hidden states of the piece before the place and of that behind it -> log-odds.
    """

    tokenizer: Tokenizer
    encoder: BertModel
    head: Sequential

    def read(self, texts: Sequence[str], places: Sequence[Sequence[int]], /) -> list[list[float]]:
        """Log-odds per text and place that a word is missing there.

        A place is an offset in code points: the border between what ends before and starts behind
        it. Each is read within its sentence. The numbers of all texts come from one batch.
        """
        import torch

        flat = [
            self._around(text, place)
            for text, each in zip(texts, places, strict=True)
            for place in each
        ]
        if not flat:
            return [[] for _ in texts]
        with torch.inference_mode():
            odds = iter(self.odds(flat).tolist())
        return [[next(odds) for _ in each] for each in places]

    def odds(self, around: Sequence[tuple[list[int], int]]) -> Tensor:
        """Log-odds per place, which is given as the pieces around it and how many come before."""
        import torch

        cls, sep = (self.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        # Most places lie in a sentence with another one: it is read once.
        different = dict.fromkeys(tuple(pieces) for pieces, _ in around)
        longest = max(map(len, different)) + 2
        ids = torch.zeros(len(different), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, pieces in enumerate(different):
            ids[row, : len(pieces) + 2] = torch.tensor([cls, *pieces, sep])
            mask[row, : len(pieces) + 2] = 1
        place = self.encoder.device
        states = self.encoder(input_ids=ids.to(place), attention_mask=mask.to(place))
        hidden = states.last_hidden_state
        row_of = {pieces: row for row, pieces in enumerate(different)}
        rows = torch.tensor([row_of[tuple(pieces)] for pieces, _ in around])
        # The special pieces stand for what is before the first and behind the last.
        left = torch.tensor([before for _, before in around])
        return self.between(hidden[rows, left], hidden[rows, left + 1])

    def between(self, before: Tensor, behind: Tensor) -> Tensor:
        """Log-odds of places by the hidden states on both sides, each (..., width)."""
        import torch

        found: Tensor = self.head(torch.cat([before, behind], dim=-1))[..., 0]
        return found

    def _around(self, text: str, place: int) -> tuple[list[int], int]:
        """The pieces of a sentence near a place, and how many of them come before it."""
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        at = bisect_right(ends, place)
        start = ends[at - 1] if at else 0
        end = ends[at] if at < len(ends) else len(text)
        # A lone surrogate, which the tokenizer refuses, reads as a question mark.
        sentence = text[start:end].encode("utf-8", "replace").decode()
        encoded = self.tokenizer.encode(sentence, add_special_tokens=False)
        before = bisect_left([offset[1] for offset in encoded.offsets], place - start + 1)
        first = max(0, before - REACH)
        return encoded.ids[first : before + REACH], before - first


def new_gaps(editor: Editor) -> Gaps:
    """A fresh head over the editor, which goes on sharing its encoder."""
    return Gaps(editor.tokenizer, editor.encoder, _new_head(editor.encoder.config.hidden_size))


def save_gaps(gaps: Gaps, path: Path) -> None:
    """Write the head; the encoder is the editor's."""
    save_tensors(gaps.head.state_dict(), path)


def load_gaps(path: Path, editor: Editor) -> Gaps:
    """Read what `save_gaps` wrote, over the same editor."""
    gaps = new_gaps(editor)
    gaps.head.load_state_dict(load_tensors(require_weights(path, "the weights for gaps are")))
    gaps.head.requires_grad_(False)
    gaps.head.to(editor.encoder.device)
    return gaps


def _new_head(width: int) -> Sequential:
    from torch import nn

    return nn.Sequential(nn.Linear(2 * width, width // 3), nn.GELU(), nn.Linear(width // 3, 1))
