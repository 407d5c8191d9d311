"""Whole files and datasets: cleaning, scanning and undoing, with every row accounted for."""

from __future__ import annotations

from trustydetox.corpus.datasets import Cleaned, DetoxConfig, clean_dataset
from trustydetox.corpus.files import (
    PairCounts,
    clean_file,
    clean_path,
    make_pairs,
    revert_file,
    scan_file,
)
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import read_manifest, run_folder

__all__ = [
    "Cleaned",
    "Counts",
    "DetoxConfig",
    "PairCounts",
    "clean_dataset",
    "clean_file",
    "clean_path",
    "make_pairs",
    "read_manifest",
    "revert_file",
    "run_folder",
    "scan_file",
]
