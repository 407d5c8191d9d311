"""What a run says of itself at its end: report, page and dataset card, from its records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import versions
from trustydetox.records import Record
from trustydetox.report import RowCounts, Summary, render_page, with_section


class Reporting:
    """Adds up the records of a run, which it is told one by one.

    title: the name of what is cleaned.
    recipe, models: settings and hashes, as a manifest has them.
    """

    def __init__(self, title: str, recipe: Mapping[str, Any], models: Mapping[str, str]) -> None:
        self._title = title
        self._recipe = recipe
        self._models = models
        self._summary = Summary()

    def observe(self, row: int, field: str, record: Record, file: str) -> None:
        """One record more."""
        self._summary.add(row, field, record, file)

    def report(self, counts: Counts) -> dict[str, Any]:
        """The content of `report.json`."""
        rows = RowCounts(
            read=counts.read,
            written=counts.written,
            dropped=counts.dropped,
            quarantined=counts.quarantined,
        )
        return self._summary.report(rows, recipe=self._recipe, versions=versions())

    def documents(self, counts: Counts) -> dict[str, str]:
        """The report as files of the run folder, name -> content."""
        content = self.report(counts)
        samples, words = self._summary.samples(), self._summary.top_words()
        return {
            "report.json": json.dumps(content, indent=2) + "\n",
            "report.html": render_page(content, samples, words, title=self._title),
        }

    def card(self, before: str, counts: Counts, files: Mapping[str, Mapping[str, int]]) -> str:
        """A dataset's card with its section, from the card that it had or `""`."""
        return with_section(
            before, self.report(counts), name=self._title, models=self._models, files=files
        )
