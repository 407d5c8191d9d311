"""Numbers over records (`summary`) and a page to read them on (`rendering`)."""

from __future__ import annotations

from trustydetox.report.card import CARD, with_section
from trustydetox.report.gates import Gate
from trustydetox.report.history import Entry, read_entry, read_records
from trustydetox.report.rendering import card_style, render_card, render_page
from trustydetox.report.samples import Piece, Sample, action_of, sample_of
from trustydetox.report.summary import RowCounts, Summary, field_family
from trustydetox.report.visible import visible

__all__ = [
    "CARD",
    "Entry",
    "Gate",
    "Piece",
    "RowCounts",
    "Sample",
    "Summary",
    "action_of",
    "card_style",
    "field_family",
    "read_entry",
    "read_records",
    "render_card",
    "render_page",
    "sample_of",
    "visible",
    "with_section",
]
