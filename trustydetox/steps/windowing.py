"""Texts as windows of token ids: nothing truncated, hardly any padding, exact offsets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from trustydetox.errors import ResourceError
from trustydetox.steps.viewing import View

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Module

WINDOW = 128
"""Tokens of a window of the embedded networks, the two special ones included."""

BATCH_TOKENS = 2048
"""Tokens of a batch, padding included: more don't run faster on a CPU, and memory stays small."""

# A word of letters and digits with inner apostrophes or stand-ins for letters, or a starred word.
_WORD = re.compile(r"\w\*{2,}\w*|\w+(?:['’@$*]\w+)*")

ViewOf = Callable[[str], View]


T = TypeVar("T")
R = TypeVar("R")


class Reading(Protocol):
    """What turns texts into windows of a network.

    window: most tokens that the network reads at once, special ones included.
    blank, padding: ids of the pieces for a missing word and for no word.
    special: ids of the pieces that frame a text, padding among them.
    """

    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    @property
    def window(self) -> int: ...  # noqa: D102
    @property
    def blank(self) -> int: ...  # noqa: D102
    @property
    def padding(self) -> int: ...  # noqa: D102
    @property
    def special(self) -> tuple[int, ...]: ...  # noqa: D102


class Judging(Reading, Protocol):
    """A network that says of a text how toxic it is.

    embeddings: the layer that turns ids into vectors, positions included where they are added.
    logit: log-odds of the overall toxicity, (batch,).
    probabilities: (batch, 1 + labels), the overall one first.
    """

    @property
    def embeddings(self) -> Module: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102
    def logit(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102
    def probabilities(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102


class Marking(Reading, Protocol):
    """A network that says of each token whether it lies inside a toxic span.

    tokens: (batch, tokens, columns); column 0 is the logit of that.
    """

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102


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


def windows_of(tokenizer: Tokenizer, texts: Sequence[str], window: int = WINDOW) -> list[Window]:
    """The windows of every text, in order; a long text has several that overlap by a quarter."""
    windows: list[Window] = []
    # A lone surrogate, which the tokenizer refuses, reads as a question mark: as long, no letter.
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    for index, encoding in enumerate(tokenizer.encode_batch(readable)):
        ids, offsets = encoding.ids, encoding.offsets
        if len(ids) <= window:
            windows.append(Window(index, ids, offsets))
            continue
        special = encoding.special_tokens_mask
        head, tail = (sum(1 for _ in takewhile(bool, each)) for each in (special, special[::-1]))
        room, overlap = window - head - tail, window // 4
        end = len(ids) - tail
        for start in range(head, max(end - overlap, head + 1), room - overlap):
            stop = min(start + room, end)
            windows.append(
                Window(
                    index,
                    [*ids[:head], *ids[start:stop], *ids[end:]],
                    [*[(0, 0)] * head, *offsets[start:stop], *[(0, 0)] * tail],
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


def read(
    network: Reading, texts: Sequence[str], work: Callable[[Tensor, Tensor], Tensor]
) -> Iterator[tuple[Window, Any]]:
    """Each window of the texts with its row, as nested lists, of what `work` makes of a batch.

    work: from ids and attention mask, each (batch, tokens), to a tensor of as many rows.
    """
    import torch

    def rows(part: Sequence[Window]) -> list[Any]:
        found: list[Any] = work(*tensors_of(part, network.padding)).tolist()
        return found

    # An accelerator is idle most of the time with batches that fill a processor.
    tokens = BATCH_TOKENS * (16 if torch.cuda.is_available() else 1)
    for batch in batches_of(windows_of(network.tokenizer, texts, network.window), tokens):
        yield from zip(batch, in_pieces(rows, batch), strict=True)


def in_pieces(work: Callable[[Sequence[T]], list[R]], batch: Sequence[T]) -> list[R]:
    """`work(batch)`, or that of its halves one after the other where memory doesn't suffice."""
    import torch

    try:
        return work(batch)
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_about_memory(error):
            raise
        if len(batch) < 2:
            raise ResourceError("there is no memory for a batch of one text") from error
    # Out of the handler, so that what the failed try held is free.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(batch) // 2
    return in_pieces(work, batch[:half]) + in_pieces(work, batch[half:])


def _is_about_memory(error: RuntimeError) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def words_of(view: View) -> list[tuple[int, int]]:
    """Ranges of the words of a view, in view offsets; punctuation belongs to no word."""
    return [match.span() for match in _WORD.finditer(view.text)]
