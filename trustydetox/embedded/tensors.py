"""Weights on disk, in a quarter of their size: matrices as int8 with a scale per row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_SCALE = ".scale"


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write float matrices as int8, their rows scaled to [-127, 127], other floats as float16.

    Tensors of whole numbers are left out: networks make theirs anew.
    """
    import torch
    from safetensors.torch import save_file

    small: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        if tensor.dim() != 2:
            small[name] = tensor.to(torch.float16).contiguous()
            continue
        # The scale is rounded first, so that reading multiplies by what was divided by.
        scale = (tensor.abs().amax(dim=1, keepdim=True) / 127).to(torch.float32)
        scale = scale.clamp(min=torch.finfo(torch.float32).tiny)
        small[name] = (tensor / scale).round().clamp(-127, 127).to(torch.int8).contiguous()
        small[name + _SCALE] = scale.contiguous()
    save_file(small, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote, as float32."""
    from safetensors.torch import load_file

    stored = load_file(path)
    return {
        name: tensor.float() * stored[name + _SCALE] if name + _SCALE in stored else tensor.float()
        for name, tensor in stored.items()
        if not name.endswith(_SCALE)
    }


def require_weights(path: Path, what: str) -> Path:
    """The file, which must be there; `what` it holds is said where it isn't."""
    if not path.is_file():
        raise ModelError(
            f"{what} missing: expected {path.name} beside the package's embedded models; "
            "reinstall trustydetox, or build them: trustydetox train embedded"
        )
    return path
