"""Adaptation: a masked language model of the texts that the editor will mend.

The encoder that everything goes on from has learned to compare sentences, not to fill blanks. Whole
words are masked, in runs of one or two, as a draft of the editor has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.embedded.editor import Editor
from trustydetox.steps.loading import accelerator
from trustydetox.training.checkpoint import load_checkpoint, save_checkpoint
from trustydetox.training.precision import mixed_precision

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    Numbers = NDArray[Any]

_WINDOW = 126
"""Pieces of a text at a time, without the two special ones."""

_TWO = 1 / 3
"""Share of the masked runs that are two words long."""


@dataclass(frozen=True)
class Schedule:
    """How the encoder is adapted.

    passes: over the texts, masked anew in each.
    rate: peak learning rate, of the heads too.
    masked: share of the words that are masked.
    tokens: per batch, padding included.
    """

    passes: int
    rate: float
    masked: float = 0.2
    tokens: int = 16384
    seed: int = 7


def adapt(
    editor: Editor,
    texts: Sequence[str],
    schedule: Schedule,
    checkpoint: Path,
    report: Callable[[str], None],
) -> None:
    """Train encoder and filling head in place; goes on from `checkpoint` where one lies.

    A checkpoint is written after each pass. One text in a hundred is held back, and what is
    reported is its loss, in nats per masked piece.
    """
    import torch

    torch.manual_seed(schedule.seed)
    place = accelerator()
    parts = {name: part.to(place) for name, part in editor.parts().items() if name != "tagger"}
    windows = _Windows.of(editor, texts, place)
    trained = [parameter for part in parts.values() for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(
        trained, lr=schedule.rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True
    )
    queues = [
        list(windows.batches(windows.train, schedule.tokens, schedule.seed + turn))
        for turn in range(schedule.passes)
    ]
    steps = sum(map(len, queues))
    warmup = min(300, steps // 10 + 1)
    step = load_checkpoint(checkpoint, parts, optimizer)
    done = 0
    for turn, queue in enumerate(queues):
        done += len(queue)
        if step >= done:
            continue
        for rows in queue:
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate * pace(step, steps, warmup)
            # What is masked must not depend on where a killed training went on.
            torch.manual_seed(schedule.seed + step)
            loss, _ = _loss(editor, windows, rows, schedule.masked)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            step += 1
        save_checkpoint(checkpoint, parts, optimizer, step)
        held = _held_back(editor, windows, schedule)
        report(f"adapt: pass {turn + 1} of {schedule.passes}, loss {held:.4f} on texts held back")
    for part in parts.values():
        part.to("cpu")


def pace(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate: up over `warmup` steps, and down all the way."""
    return min((step + 1) / warmup, (steps - step) / steps + 0.02)


@dataclass(frozen=True)
class _Windows:
    """Pieces of all texts in a row, and where each window starts and how long it is.

    continues: per piece of the vocabulary, whether it goes on with a word.
    ends: ids of the pieces that frame a window; blank: of the one for a missing word.
    """

    pieces: Tensor
    starts: Numbers
    sizes: Numbers
    train: Numbers
    held_back: Numbers
    continues: Tensor
    ends: tuple[int, int]
    blank: int

    @classmethod
    def of(cls, editor: Editor, texts: Sequence[str], place: torch.device) -> _Windows:
        import numpy as np
        import torch

        tokenizer = editor.tokenizer
        flat: list[int] = []
        found: list[tuple[int, int]] = []
        for start in range(0, len(texts), 2000):
            part = list(texts[start : start + 2000])
            for one in tokenizer.encode_batch(part, add_special_tokens=False):
                size = len(one.ids)
                found += [
                    (len(flat) + at, min(_WINDOW, size - at)) for at in range(0, size, _WINDOW)
                ]
                flat += one.ids
        windows = np.asarray(found, dtype=np.int64)
        rows = np.arange(len(windows))
        vocabulary = tokenizer.get_vocab()
        continues = torch.zeros(tokenizer.get_vocab_size(), dtype=torch.bool)
        continues[[at for piece, at in vocabulary.items() if piece.startswith("##")]] = True
        return cls(
            torch.tensor(flat, dtype=torch.int32, device=place),
            windows[:, 0],
            windows[:, 1],
            rows[rows % 100 != 0],
            rows[rows % 100 == 0],
            continues.to(place),
            (vocabulary["[CLS]"], vocabulary["[SEP]"]),
            vocabulary["[MASK]"],
        )

    def batches(self, rows: Numbers, tokens: int, seed: int) -> Iterator[Numbers]:
        """Every row once, in batches of like lengths whose order is drawn by `seed`."""
        import numpy as np

        numbers = np.random.default_rng(seed)
        order = rows[np.argsort(self.sizes[rows] + 4 * numbers.random(len(rows)))]
        groups = []
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and (end + 1 - start) * (self.sizes[order[end]] + 2) <= tokens:
                end += 1
            groups.append(order[start : max(end, start + 1)])
            start = max(end, start + 1)
        numbers.shuffle(groups)
        yield from groups

    def tensors(self, rows: Numbers) -> tuple[Tensor, Tensor]:
        """ids and attention mask, each (batch, tokens)."""
        import torch

        place = self.pieces.device
        starts, sizes = (
            torch.tensor(each[rows], device=place) for each in (self.starts, self.sizes)
        )
        columns = torch.arange(int(self.sizes[rows].max()) + 2, device=place)[None]
        at = (starts[:, None] + columns - 1).clamp(0, len(self.pieces) - 1)
        ids = self.pieces[at].long()
        ids[:, 0] = self.ends[0]
        ids = torch.where(columns == sizes[:, None] + 1, self.ends[1], ids)
        mask = (columns < sizes[:, None] + 2).long()
        return ids * mask, mask

    def masked(self, ids: Tensor, mask: Tensor, share: float) -> Tensor:
        """Which pieces are masked: whole words, in runs of one or two."""
        import torch

        words = (~self.continues[ids]).long().cumsum(1)
        shape = (len(ids), ids.shape[1] + 2)
        goes = torch.rand(shape, device=ids.device) < share / (1 + _TWO)
        after = torch.rand(shape, device=ids.device) < _TWO
        goes = goes | (goes.roll(1, dims=1) & after)
        inner = (mask > 0) & (ids != self.ends[0]) & (ids != self.ends[1])
        chosen: Tensor = goes.gather(1, words) & inner
        return chosen


def _loss(editor: Editor, windows: _Windows, rows: Numbers, share: float) -> tuple[Tensor, int]:
    """Mean loss over the masked pieces of some windows, and how many there are."""
    import torch
    from torch.nn.functional import cross_entropy

    ids, mask = windows.tensors(rows)
    chosen = windows.masked(ids, mask, share)
    shown = torch.where(chosen, windows.blank, ids)
    with mixed_precision(ids.device):
        hidden = editor.hidden(shown, torch.zeros_like(shown), mask)[chosen]
        logits = editor.pieces(hidden)
    return cross_entropy(logits.float(), ids[chosen]), int(chosen.sum())


def _held_back(editor: Editor, windows: _Windows, schedule: Schedule) -> float:
    """Loss on the windows held back, masked in the same way each time."""
    import torch

    torch.manual_seed(schedule.seed)
    total, count = 0.0, 0
    with torch.inference_mode():
        for rows in windows.batches(windows.held_back, schedule.tokens, schedule.seed):
            loss, pieces = _loss(editor, windows, rows, schedule.masked)
            total, count = total + float(loss) * pieces, count + pieces
    return total / max(1, count)
