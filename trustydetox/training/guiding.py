"""Training of the guide and of the marker, in stages that resume.

Stage `document` trains the guide and sees no span label. Stage `span` goes on from it to the
marker, with the posts whose toxic words people marked and some of all else, to forget nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trustydetox.embedded.guide import MAX_TOKENS, Guide
from trustydetox.training.examples import Example

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

UNKNOWN = -1.0
"""Target of a loss term that an example says nothing about."""

CHECKPOINT_STEPS = 500
"""Steps between two checkpoints."""


@dataclass(frozen=True)
class Schedule:
    """How one stage trains.

    often: the sources of which every text takes part in each of the `passes`.
    others: one in so many texts of the other sources takes part in a pass, each in turn.
    rate: peak learning rate of the encoder; the head learns ten times as fast.
    span_weight: of the token loss, a mean over tokens; 0 hides every span label.
    overlap_weight: of 1 - F1 with probabilities for counts, a mean over the texts with marked
        tokens (the soft Dice loss of Milletari et al. 2016): what spans are measured by.
    dropout: share of the encoder's hidden values and attentions left out.
    tokens: per batch, padding included.
    """

    name: str
    passes: int
    often: frozenset[str]
    others: int
    rate: float
    span_weight: float = 0.0
    overlap_weight: float = 0.0
    dropout: float = 0.0
    tokens: int = 2048
    seed: int = 7


@dataclass(frozen=True)
class Encoded:
    """An example as numbers; `spans` is empty where nobody marked any.

    often: whether it takes part in every pass.
    """

    ids: tuple[int, ...]
    spans: tuple[float, ...]
    document: tuple[float, ...]
    weight: float
    often: bool


def encode(guide: Guide, examples: Sequence[Example], schedule: Schedule) -> list[Encoded]:
    """Examples as token ids with targets; texts longer than a window lose their end."""
    result: list[Encoded] = []
    encodings = guide.tokenizer.encode_batch([example.text for example in examples])
    for example, encoding in zip(examples, encodings, strict=True):
        ids = tuple(encoding.ids)
        offsets = encoding.offsets
        if len(ids) > MAX_TOKENS:
            ids = (*ids[: MAX_TOKENS - 1], ids[-1])
            offsets = [*offsets[: MAX_TOKENS - 1], (0, 0)]
        spans: tuple[float, ...] = ()
        if schedule.span_weight and example.spans is not None:
            spans = tuple(
                UNKNOWN
                if start == end
                else float(any(s.start < end and start < s.end for s in example.spans))
                for start, end in offsets
            )
        toxic = UNKNOWN if example.toxic is None else example.toxic
        labels = (example.labels.get(label, UNKNOWN) for label in guide.labels)
        often = example.source.removesuffix("+swap") in schedule.often
        result.append(Encoded(ids, spans, (toxic, *labels), example.weight, often))
    return result


def batches(
    items: Sequence[T], size: Callable[[T], int], tokens: int, seed: int
) -> Iterator[list[T]]:
    """Every item once, in batches of similar size whose order is shuffled by `seed`."""
    rng = random.Random(seed)
    order = sorted(range(len(items)), key=lambda i: (size(items[i]) + 4 * rng.random(), i))
    groups: list[list[T]] = []
    group: list[T] = []
    for index in order:
        if (len(group) + 1) * size(items[index]) > tokens:
            groups.append(group)
            group = []
        group.append(items[index])
    groups.append(group)
    rng.shuffle(groups)
    yield from (g for g in groups if g)


def train_guide(
    guide: Guide,
    examples: Sequence[Example],
    schedule: Schedule,
    checkpoint: Path,
    report: Callable[[str], None],
) -> None:
    """Train `guide` in place; goes on from `checkpoint` where one lies from the same schedule."""
    import torch
    from safetensors.torch import load_file, save_file
    from torch.nn.functional import binary_cross_entropy_with_logits

    _set_dropout(guide, schedule.dropout)
    items = encode(guide, examples, schedule)
    queue = [
        batch
        for turn in range(schedule.passes)
        for batch in batches(
            _taking_part(items, schedule.others, turn),
            lambda item: len(item.ids),
            schedule.tokens,
            schedule.seed + turn,
        )
    ]
    steps = len(queue)
    trained = list(guide.encoder.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": trained, "lr": schedule.rate, "weight_decay": 0.01},
            {"params": [*guide.head.parameters()], "lr": 10 * schedule.rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    start = 0
    if checkpoint.is_file():
        saved = load_file(checkpoint)
        start = int(saved.pop("step"))
        _restore(saved, guide, optimizer)
    losses: list[float] = []
    for step in range(start, steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * _pace(step, steps)
        # What dropout drops must not depend on where a killed training went on.
        torch.manual_seed(schedule.seed + step)
        batch = queue[step]
        ids, mask, spans, document, weight = _tensors(batch)
        # Half the time of full precision; the weights and the sums of the losses keep theirs.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = guide.tokens(ids, mask)
        tokens = tokens.float()
        logits = guide.document(tokens, mask)
        known = document != UNKNOWN
        loss = binary_cross_entropy_with_logits(logits, document.clamp(min=0), reduction="none")
        columns = torch.tensor([1.0] + [0.25] * len(guide.labels))
        objective = (loss * known * weight[:, None] * columns).sum() / len(batch)
        if schedule.span_weight:
            marked = spans != UNKNOWN
            if marked.any():
                token_loss = binary_cross_entropy_with_logits(
                    tokens[:, :, 0], spans.clamp(min=0), reduction="none"
                )
                objective = objective + schedule.span_weight * token_loss[marked].mean()
            if schedule.overlap_weight and (spans > 0).any():
                overlap = _overlap(tokens[:, :, 0], spans)
                objective = objective + schedule.overlap_weight * (1 - overlap).mean()
        optimizer.zero_grad()
        objective.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(float(objective.detach()))
        if step % 100 == 99 or step == steps - 1:
            recent = sum(losses[-100:]) / len(losses[-100:])
            report(f"{schedule.name}: step {step + 1} of {steps}, loss {recent:.4f}")
        if step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
            partial = checkpoint.with_suffix(".part")
            save_file(_snapshot(guide, optimizer, step + 1), partial)
            partial.replace(checkpoint)
    _set_dropout(guide, 0.0)


def _overlap(logits: Tensor, spans: Tensor) -> Tensor:
    """F1 of each text with marked tokens, its probabilities counted as parts of a token."""
    rows = (spans > 0).any(dim=1)
    wanted, known = spans[rows].clamp(min=0), spans[rows] != UNKNOWN
    found = logits[rows].sigmoid() * known
    both: Tensor = 2 * (found * wanted).sum(dim=1) / (found + wanted).sum(dim=1)
    return both


def _set_dropout(guide: Guide, share: float) -> None:
    """Drop hidden values in training, and none otherwise."""
    from torch.nn import Dropout

    guide.encoder.train(share > 0.0)
    for module in guide.encoder.modules():
        if isinstance(module, Dropout):
            module.p = share


def _pace(step: int, steps: int) -> float:
    """Share of the peak learning rate: up over the first tenth (200 steps at most), then down."""
    warmup = min(200, steps // 10 + 1)
    return min((step + 1) / warmup, max(0.02, (steps - step) / (steps - warmup + 1)))


def _taking_part(items: Sequence[Encoded], others: int, turn: int) -> list[Encoded]:
    """The items of one pass: see `Schedule`."""
    return [item for i, item in enumerate(items) if item.often or i % others == turn % others]


def _tensors(batch: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """ids, mask, spans of shape (batch, tokens); document (batch, 1 + labels); weight (batch,)."""
    import torch

    longest = max(len(item.ids) for item in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros(len(batch), longest, dtype=torch.long)
    spans = torch.full((len(batch), longest), UNKNOWN)
    for row, item in enumerate(batch):
        size = len(item.ids)
        ids[row, :size] = torch.tensor(item.ids)
        mask[row, :size] = 1
        if item.spans:
            spans[row, :size] = torch.tensor(item.spans)
    document = torch.tensor([item.document for item in batch])
    return ids, mask, spans, document, torch.tensor([item.weight for item in batch])


def _snapshot(guide: Guide, optimizer: object, step: int) -> dict[str, Tensor]:
    import torch

    tensors = {f"encoder.{k}": v for k, v in guide.encoder.state_dict().items()}
    tensors |= {f"head.{k}": v for k, v in guide.head.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():  # type: ignore[attr-defined]
        tensors |= {f"optimizer.{index}.{k}": v for k, v in slots.items()}
    tensors["step"] = torch.tensor(step)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _restore(saved: dict[str, Tensor], guide: Guide, optimizer: object) -> None:
    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}

    guide.encoder.load_state_dict(part("encoder."))
    guide.head.load_state_dict(part("head."))
    state = optimizer.state_dict()  # type: ignore[attr-defined]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part("optimizer.").items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({**state, "state": slots})  # type: ignore[attr-defined]
