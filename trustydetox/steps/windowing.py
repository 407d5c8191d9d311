"""Texts as windows of token ids: nothing truncated, hardly any padding, exact offsets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trustydetox.steps.viewing import View

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Module

WINDOW = 128
"""Tokens of a window, the two special ones included."""

OVERLAP = 32
"""Tokens that a window of a long text shares with the next."""

BATCH_TOKENS = 2048
"""Tokens of a batch, padding included: more don't run faster on a CPU, and memory stays small."""

# A word of letters and digits with inner apostrophes or stand-ins for letters, or a starred word.
_WORD = re.compile(r"\w\*{2,}\w*|\w+(?:['’@$*]\w+)*")

ViewOf = Callable[[str], View]


class Network(Protocol):
    """A network over one tokenizer, with logits per token and per document.

    tokens: (batch, tokens, columns); column 0 is the logit of being inside a toxic span.
    document: (batch, 1 + labels), the overall logit first.
    scale, shift: calibration per document logit.
    """

    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    @property
    def encoder(self) -> Module: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def scale(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def shift(self) -> tuple[float, ...]: ...  # noqa: D102

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102
    def document(self, tokens: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102
    def logit(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text.

    text: index of the text in its batch of texts.
    ids: token ids, special ones included.
    offsets: range of each token in the *view* of the text; special tokens have (0, 0).
    """

    text: int
    ids: list[int]
    offsets: list[tuple[int, int]]


def windows_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Window]:
    """The windows of every text, in order; a long text has several that overlap."""
    windows: list[Window] = []
    # A lone surrogate, which the tokenizer refuses, reads as a question mark: as long, no letter.
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    for index, encoding in enumerate(tokenizer.encode_batch(readable)):
        ids, offsets = encoding.ids, encoding.offsets
        if len(ids) <= WINDOW:
            windows.append(Window(index, ids, offsets))
            continue
        first, *inner, last = ids
        room, step = WINDOW - 2, WINDOW - 2 - OVERLAP
        for start in range(0, max(len(inner) - OVERLAP, 1), step):
            stop = start + room
            windows.append(
                Window(
                    index,
                    [first, *inner[start:stop], last],
                    [(0, 0), *offsets[1 + start : 1 + stop][: len(inner) - start], (0, 0)],
                )
            )
    return windows


def batches_of(windows: Sequence[Window], tokens: int = BATCH_TOKENS) -> Iterator[list[Window]]:
    """Every window once, the longest first, in batches of at most `tokens` with padding."""
    batch: list[Window] = []
    for window in sorted(windows, key=lambda window: -len(window.ids)):
        longest = len(batch[0].ids) if batch else 0
        # A quarter-full batch ends early rather than pad much shorter windows.
        uneven = 4 * len(batch) * longest >= tokens and len(window.ids) < 0.95 * longest
        if batch and (uneven or (len(batch) + 1) * longest > tokens):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def tensors_of(batch: Sequence[Window], padding: int = 0) -> tuple[Tensor, Tensor]:
    """ids and attention mask, each (batch, tokens)."""
    import torch

    longest = max(len(window.ids) for window in batch)
    ids = torch.tensor([w.ids + [padding] * (longest - len(w.ids)) for w in batch])
    mask = torch.tensor([[1] * len(w.ids) + [0] * (longest - len(w.ids)) for w in batch])
    return ids, mask


def words_of(view: View) -> list[tuple[int, int]]:
    """Ranges of the words of a view, in view offsets; punctuation belongs to no word."""
    return [match.span() for match in _WORD.finditer(view.text)]
