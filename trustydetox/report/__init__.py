"""Numbers over records (`summary`) and a page to read them on (`page`)."""

from __future__ import annotations

from trustydetox.report.page import render_page
from trustydetox.report.summary import RowCounts, Summary

__all__ = ["RowCounts", "Summary", "render_page"]
