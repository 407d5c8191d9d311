"""In what precision training computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trustydetox.steps.loading import has_bfloat16

if TYPE_CHECKING:
    import torch


def mixed_precision(device: torch.device) -> torch.autocast:
    """Products in bfloat16 where `device` multiplies it, else in float32; weights keep theirs."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device.type))
