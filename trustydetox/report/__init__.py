"""Numbers over records (`summary`) and a page to read them on (`rendering`)."""

from __future__ import annotations

from trustydetox.report.history import Entry, read_records
from trustydetox.report.rendering import card_style, render_card, render_page
from trustydetox.report.samples import Piece, Sample, sample_of
from trustydetox.report.summary import RowCounts, Summary
from trustydetox.report.visible import visible

__all__ = [
    "Entry",
    "Piece",
    "RowCounts",
    "Sample",
    "Summary",
    "card_style",
    "read_records",
    "render_card",
    "render_page",
    "sample_of",
    "visible",
]
