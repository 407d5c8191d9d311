"""Whole files: cleaning, scanning and undoing, with every row accounted for."""

from __future__ import annotations

from trustydetox.corpus.cleaning import clean_file
from trustydetox.corpus.counts import Counts
from trustydetox.corpus.reverting import revert_file
from trustydetox.corpus.runs import read_manifest, run_folder
from trustydetox.corpus.scanning import scan_file

__all__ = ["Counts", "clean_file", "read_manifest", "revert_file", "run_folder", "scan_file"]
