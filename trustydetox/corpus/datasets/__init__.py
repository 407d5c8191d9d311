"""What Python holds: datasets, streams and data frames, the same type back."""

from __future__ import annotations

from trustydetox.corpus.datasets.cleaning import Cleaned, clean_dataset
from trustydetox.corpus.datasets.detoxconfig import DetoxConfig

__all__ = ["Cleaned", "DetoxConfig", "clean_dataset"]
