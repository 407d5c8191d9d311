"""Whole files and datasets: cleaning, scanning and undoing, with every row accounted for."""

from __future__ import annotations

from trustydetox.corpus.cleaning import clean_file
from trustydetox.corpus.counts import Counts
from trustydetox.corpus.dataset import Cleaned, clean_dataset
from trustydetox.corpus.detoxconfig import DetoxConfig
from trustydetox.corpus.pairs import PairCounts, make_pairs
from trustydetox.corpus.reverting import revert_file
from trustydetox.corpus.runs import read_manifest, run_folder
from trustydetox.corpus.scanning import scan_file

__all__ = [
    "Cleaned",
    "Counts",
    "DetoxConfig",
    "PairCounts",
    "clean_dataset",
    "clean_file",
    "make_pairs",
    "read_manifest",
    "revert_file",
    "run_folder",
    "scan_file",
]
