"""Training of the identifier, and its files for other runtimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.embedded.identifier import Identifier
from trustydetox.errors import require_extra
from trustydetox.steps.identifying import PIECE
from trustydetox.training.calibrating import platt
from trustydetox.training.examples import Example, swapped
from trustydetox.training.guiding import batches, class_weights

if TYPE_CHECKING:
    from torch import Tensor

Report = Callable[[str], None]


@dataclass(frozen=True)
class Schedule:
    """How the identifier trains.

    passes: at most so many over the examples; the one with the least loss on the calibration part
        is kept, and one without gain is the last.
    rate: learning rate, falling to a tenth.
    dropout: share of a text's pieces left out, so that no single word decides alone.
    tokens: per batch.
    """

    passes: int = 12
    rate: float = 5e-3
    dropout: float = 0.2
    tokens: int = 8192
    seed: int = 7


def train_identifier(
    identifier: Identifier,
    train: Sequence[Example],
    calibration: Sequence[Example],
    schedule: Schedule,
    report: Report,
) -> Identifier:
    """The identifier, trained in place and calibrated."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    clean, toxic = class_weights(train)
    examples = [*train, *swapped(train)]
    items, checked = _encoded(identifier, examples), _encoded(identifier, calibration)
    trained = [*identifier.bag.parameters(), *identifier.layers.parameters()]
    optimizer = torch.optim.Adam(trained, lr=schedule.rate)
    generator = torch.Generator().manual_seed(schedule.seed)
    best, least = _copied(identifier), float("inf")
    for turn in range(schedule.passes):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * (1 - 0.9 * turn / schedule.passes)
        total, steps = 0.0, 0
        for batch in batches(
            items, lambda item: len(item[0]) + 1, schedule.tokens, schedule.seed + turn
        ):
            ids, starts, targets = _tensors(batch)
            dropped = torch.rand(len(ids), generator=generator) < schedule.dropout
            logits = identifier.logits(ids.masked_fill(dropped, identifier.padding), starts)
            weight = targets * toxic + (1 - targets) * clean
            loss = binary_cross_entropy_with_logits(logits, targets, weight=weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, steps = total + float(loss.detach()), steps + 1
        with torch.inference_mode():
            ids, starts, targets = _tensors(checked)
            weight = targets * toxic + (1 - targets) * clean
            found = identifier.logits(ids, starts)
            left = float(binary_cross_entropy_with_logits(found, targets, weight=weight))
        report(f"pass {turn + 1}: loss {total / steps:.4f}, on the calibration part {left:.4f}")
        if left >= least:
            break
        best, least = _copied(identifier), left
    _restored(identifier, best)
    with torch.inference_mode():
        ids, starts, targets = _tensors(checked)
        scale, shift = platt(identifier.logits(ids, starts).tolist(), targets.tolist())
    return replace(identifier, scale=scale, shift=shift)


def export_torchscript(identifier: Identifier, path: Path) -> None:
    """Write a TorchScript file: ids (texts, pieces), filled up with the padding -> toxicity."""
    import warnings

    import torch

    with warnings.catch_warnings():
        # Torch advises its successor, which the runtimes that ask for TorchScript don't read.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(_module(identifier)).save(str(path))


def export_onnx(identifier: Identifier, path: Path) -> None:
    """Write an ONNX file, `ids` (texts, pieces) -> `toxicity` (texts,), both sizes free."""
    import logging
    import warnings

    require_extra("onnxscript", "--export onnx", "onnx")
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.full((2, 3), identifier.padding)
    example[0, 0] = 0
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("pieces")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _module(identifier),
            (example,),
            str(path),
            input_names=["ids"],
            output_names=["toxicity"],
            dynamic_shapes=(sizes,),
            external_data=False,
            verbose=False,
        )


def _module(identifier: Identifier) -> Any:
    """The network on padded rows: the bag spelled out, which every runtime computes fast."""
    import torch
    from torch import nn
    from torch.nn.functional import embedding

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(identifier.bag.weight.detach(), requires_grad=False)
            self.layers = identifier.layers
            self.padding = identifier.padding
            self.scale = identifier.scale
            self.shift = identifier.shift

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            there = (ids != self.padding).to(torch.float32)
            total = (embedding(ids, self.weight) * there.unsqueeze(2)).sum(1)
            mean = total / there.sum(1, keepdim=True).clamp(min=1.0)
            logits = self.layers(mean).squeeze(1)
            return torch.sigmoid(logits * self.scale + self.shift)

    return Padded().eval()


Encoded = tuple[list[int], float]


def _encoded(identifier: Identifier, examples: Sequence[Example]) -> list[Encoded]:
    texts = [example.text for example in examples]
    encodings = identifier.tokenizer.encode_batch(texts, add_special_tokens=False)
    return [
        (encoding.ids[:PIECE], example.toxic or 0.0)
        for example, encoding in zip(examples, encodings, strict=True)
    ]


def _tensors(batch: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces of all texts, where each text starts, and the targets."""
    import torch

    sizes = torch.tensor([0, *(len(ids) for ids, _ in batch[:-1])])
    ids = torch.tensor([piece for ids, _ in batch for piece in ids], dtype=torch.long)
    return ids, sizes.cumsum(0), torch.tensor([target for _, target in batch])


def _copied(identifier: Identifier) -> list[dict[str, Tensor]]:
    parts = (identifier.bag, identifier.layers)
    return [{k: v.clone() for k, v in part.state_dict().items()} for part in parts]


def _restored(identifier: Identifier, states: Sequence[dict[str, Tensor]]) -> None:
    for part, state in zip((identifier.bag, identifier.layers), states, strict=True):
        part.load_state_dict(state)
