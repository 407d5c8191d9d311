"""Training of the guide and of the marker, in stages that resume.

Stage `document` trains the guide and sees no span label. Stage `span` goes on from it to the
marker, with the posts whose toxic words people marked and some of all else, to forget nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trustydetox import embedded
from trustydetox.embedded.guide import MAX_TOKENS, Guide, load_guide
from trustydetox.steps.loading import accelerator
from trustydetox.steps.windowing import batches_of, tensors_of, windows_of
from trustydetox.training.calibrating import platt
from trustydetox.training.checkpoint import load_checkpoint, save_checkpoint
from trustydetox.training.examples import Example, swapped
from trustydetox.training.precision import mixed_precision

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

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
    from torch.nn.functional import binary_cross_entropy_with_logits

    place = accelerator()
    parts = guide.parts()
    for part in parts.values():
        part.to(place)
    set_dropout(guide.encoder, schedule.dropout)
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
    columns = torch.tensor([1.0] + [0.25] * len(guide.labels), device=place)
    start = load_checkpoint(checkpoint, parts, optimizer)
    losses: list[float] = []
    for step in range(start, steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * _pace(step, steps)
        # What dropout drops must not depend on where a killed training went on.
        torch.manual_seed(schedule.seed + step)
        batch = queue[step]
        ids, mask, spans, document, weight = (each.to(place) for each in _tensors(batch))
        # Half the time of full precision; the weights and the sums of the losses keep theirs.
        with mixed_precision(place):
            tokens = guide.tokens(ids, mask)
        tokens = tokens.float()
        logits = guide.document(tokens, mask)
        known = document != UNKNOWN
        loss = binary_cross_entropy_with_logits(logits, document.clamp(min=0), reduction="none")
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
            save_checkpoint(checkpoint, parts, optimizer, step + 1)
    set_dropout(guide.encoder, 0.0)
    for part in parts.values():
        part.to("cpu")


def calibrated(guide: Guide, held_back: Sequence[Example]) -> Guide:
    """The guide with each document logit fitted to the labels of texts it didn't train on."""
    import torch

    rows: list[list[float]] = [[float("-inf")] * (1 + len(guide.labels)) for _ in held_back]
    with torch.inference_mode():
        for batch in batches_of(windows_of(guide.tokenizer, [e.text for e in held_back])):
            ids, mask = tensors_of(batch)
            logits = guide.document(guide.tokens(ids, mask), mask).tolist()
            for window, row in zip(batch, logits, strict=True):
                rows[window.text] = list(map(max, rows[window.text], row))
    targets = [[e.toxic, *(e.labels.get(label) for label in guide.labels)] for e in held_back]
    fits = []
    for column in range(1 + len(guide.labels)):
        known = [
            (row[column], target[column])
            for row, target in zip(rows, targets, strict=True)
            if target[column] is not None
        ]
        fits.append(platt([z for z, _ in known], [t for _, t in known if t is not None]))
    return replace(
        guide, scale=tuple(scale for scale, _ in fits), shift=tuple(shift for _, shift in fits)
    )


def own_schedule(passes: int, rate: float, has_spans: bool, seed: int) -> Schedule:
    """How a guide goes on with a user's examples; marked words count where there are any."""
    weights: Any = {"span_weight": 5.0, "overlap_weight": 1.0} if has_spans else {}
    return Schedule(
        "scorer", passes, frozenset(), others=1, rate=rate, dropout=0.1, seed=seed, **weights
    )


def starting_guide(model: str, seed: int = 0) -> Guide:
    """A guide without labels that goes on from an encoder, with a fresh head.

    model: a folder or an id of the Hub, an encoder of any architecture with a fast tokenizer; or
        `embedded`, the guide in the wheel with what its head knows.
    """
    import torch

    if model == "embedded":
        guide = load_guide(embedded.FOLDER)
        head = torch.nn.Linear(guide.head.in_features, 2)
        head.load_state_dict({k: v[:2].clone() for k, v in guide.head.state_dict().items()})
        encoder, tokenizer = guide.encoder.requires_grad_(True), guide.tokenizer
        return Guide(tokenizer, encoder, head, (), guide.scale[:1], guide.shift[:1])
    from trustydetox.steps.loading import Pretrained, open_model, open_tokenizer

    network: Any = open_model("masked LM", model, new_head=True)
    encoder = network.base_model
    torch.manual_seed(seed)
    head = torch.nn.Linear(encoder.config.hidden_size, 2)
    torch.nn.init.normal_(head.weight, std=0.02)
    torch.nn.init.zeros_(head.bias)
    # As in the embedded guide: the words of a text that says nothing toxic add up to little.
    head.bias.data[1] = -5.0
    pieces = Pretrained(model, encoder, open_tokenizer(model)).pieces
    return Guide(pieces, encoder, head, (), (1.0,), (0.0,))


def fine_tune(
    guide: Guide,
    train: Sequence[Example],
    calibration: Sequence[Example],
    schedule: Schedule,
    checkpoint: Path,
    report: Callable[[str], None],
) -> Guide:
    """The guide trained on a user's examples, both classes of equal weight, and calibrated."""
    clean, toxic = class_weights(train)
    weighed = [
        replace(e, weight=(e.toxic or 0.0) * toxic + (1 - (e.toxic or 0.0)) * clean)
        for e in (*train, *swapped(train))
    ]
    train_guide(guide, weighed, schedule, checkpoint, report)
    checkpoint.unlink(missing_ok=True)
    for part in (guide.encoder, guide.head):
        part.requires_grad_(False)
        part.eval()
    return calibrated(guide, calibration)


def class_weights(examples: Sequence[Example]) -> tuple[float, float]:
    """Weight of a clean and of a toxic text under which both classes weigh the same in all."""
    toxic = sum(example.toxic or 0.0 for example in examples)
    return len(examples) / (2 * (len(examples) - toxic)), len(examples) / (2 * toxic)


def _overlap(logits: Tensor, spans: Tensor) -> Tensor:
    """F1 of each text with marked tokens, its probabilities counted as parts of a token."""
    rows = (spans > 0).any(dim=1)
    wanted, known = spans[rows].clamp(min=0), spans[rows] != UNKNOWN
    found = logits[rows].sigmoid() * known
    both: Tensor = 2 * (found * wanted).sum(dim=1) / (found + wanted).sum(dim=1)
    return both


def set_dropout(encoder: Module, share: float) -> None:
    """Drop hidden values in training, and none otherwise."""
    from torch.nn import Dropout

    encoder.train(share > 0.0)
    for module in encoder.modules():
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
