"""What a killed training goes on from: weights, the optimizer's state, and the step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module


def save_checkpoint(path: Path, parts: Mapping[str, Module], optimizer: Any, step: int) -> None:
    """Write the state after `step` steps; a kill in between leaves the one before."""
    import torch
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": value
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in slots.items()}
    tensors["step"] = torch.tensor(step)
    partial = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
    partial.replace(path)


def load_checkpoint(path: Path, parts: Mapping[str, Module], optimizer: Any) -> int:
    """Put back what `save_checkpoint` wrote; answers the step, 0 where there is no such file."""
    from safetensors.torch import load_file

    if not path.is_file():
        return 0
    saved = load_file(path)
    step = int(saved.pop("step"))
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in saved.items():
        owner, key = name.split(".", 1)
        if owner == "optimizer":
            index, slot = key.split(".", 1)
            slots.setdefault(int(index), {})[slot] = tensor
    for name, part in parts.items():
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in saved.items() if k.startswith(f"{name}.")}
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
    return step
