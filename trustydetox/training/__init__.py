"""Training: what builds the mini models and what trains on cleaned rows."""

from __future__ import annotations

from trustydetox.training.sft.arms import ARMS, Arm, make_arms, train_arms
from trustydetox.training.sft.exporting import merge_adapter
from trustydetox.training.sft.finetuning import build_trainer, finetune
from trustydetox.training.sft.settings import SftSettings, read_settings

__all__ = [
    "ARMS",
    "Arm",
    "SftSettings",
    "build_trainer",
    "finetune",
    "make_arms",
    "merge_adapter",
    "read_settings",
    "train_arms",
]
