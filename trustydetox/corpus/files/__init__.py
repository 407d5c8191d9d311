"""Files: cleaning, scanning and undoing, byte for byte."""

from __future__ import annotations

from trustydetox.corpus.files.cleaning import clean_file
from trustydetox.corpus.files.pairs import PairCounts, make_pairs
from trustydetox.corpus.files.paths import clean_path
from trustydetox.corpus.files.reverting import revert_file
from trustydetox.corpus.files.scanning import scan_file

__all__ = ["PairCounts", "clean_file", "clean_path", "make_pairs", "revert_file", "scan_file"]
