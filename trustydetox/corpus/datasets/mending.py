"""Rows that are no bytes of a file: what becomes of each, and the account of all of them."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from trustydetox.corpus.engines.results import judged, task_of
from trustydetox.corpus.reading import Found
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import QUARANTINE, RECORDS, RunFolder, versions
from trustydetox.corpus.runs.quarantine import Quarantine
from trustydetox.corpus.runs.recordlines import record_line
from trustydetox.detoxifier import Detoxifier
from trustydetox.records import Record
from trustydetox.report import RowCounts, Summary, render_page
from trustydetox.roles import Passage
from trustydetox.rows import Row, with_one_prompt

MOST_REASONS = 1000
"""Quarantined rows that are remembered one by one; all of them are counted."""

Edits = Mapping[str, str]
"""Path of a passage -> its new text."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What there is to say of rows that were cleaned.

    counts: `read == written + dropped + quarantined`.
    report: the content of a run's `report.json`: numbers only.
    quarantined: the rows that couldn't be read and why, the first thousand of them.
    surprises: what may surprise about the roles of a dataset that was read to its end.
    """

    counts: Counts
    report: Mapping[str, Any]
    quarantined: Mapping[int, str]
    surprises: Sequence[str] = ()

    def to_json(self) -> str:
        """For `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """What `to_json` wrote."""
        found = json.loads(text)
        return cls(
            counts=Counts(**found["counts"]),
            report=found["report"],
            quarantined={int(row): reason for row, reason in found["quarantined"].items()},
            # A cache of before has none.
            surprises=found.get("surprises", ()),
        )


class Account:
    """Keeps count of rows as they are settled; writes the records of a run folder, if given one.

    recipe: goes into the report.
    quarantined: as in an Outcome.
    """

    def __init__(self, recipe: Mapping[str, Any], folder: RunFolder | None = None) -> None:
        self._recipe = recipe
        self._tally: Counter[str] = Counter()
        self._summary = Summary()
        self.quarantined: dict[int, str] = {}
        self._records: IO[bytes] | None = None
        self._quarantine: Quarantine | None = None
        if folder is not None:
            self._records = folder.open(RECORDS)
            self._quarantine = Quarantine(folder.open(QUARANTINE))

    @property
    def outcome(self) -> Outcome:
        """As of now."""
        counts = Counts(**self._tally)
        rows = RowCounts(
            read=counts.read,
            written=counts.written,
            dropped=counts.dropped,
            quarantined=counts.quarantined,
        )
        report = self._summary.report(rows, recipe=self._recipe, versions=versions())
        return Outcome(counts=counts, report=report, quarantined=dict(self.quarantined))

    def documents(self) -> dict[str, str]:
        """The report as files of the run folder, name -> content."""
        report = dict(self.outcome.report)
        return {
            "report.json": json.dumps(report, indent=2) + "\n",
            "report.html": render_page(report, self._summary.samples(), self._summary.top_words()),
        }

    def settle(
        self, row: Row, passages: Sequence[Passage], records: Sequence[Record]
    ) -> Edits | None:
        """Count a row by what became of its texts; its edits, or None where it goes."""
        self._tally["read"] += 1
        edits: dict[str, str] | None = None
        if all(record.output is not None for record in records):
            edits = {
                passage.path: record.output
                for passage, record in zip(passages, records, strict=True)
                if record.output is not None and record.output != passage.text
            }
        self._tally["dropped" if edits is None else "written"] += 1
        self._tally["edited"] += bool(edits)
        for passage, record in zip(passages, records, strict=True):
            self._tally["texts"] += 1
            self._tally[record.verdict.value] += 1
            self._summary.add(row.number, passage.path, record)
            if self._records is not None:
                line = record_line(row.number, passage.path, record)
                self._records.write(f"{line}\n".encode("ascii"))
        return edits

    def set_aside(self, row: Row, reason: str) -> None:
        """Count a row that can't be read, and keep it in the run folder."""
        self._tally["read"] += 1
        self._tally["quarantined"] += 1
        if len(self.quarantined) < MOST_REASONS:
            self.quarantined[row.number] = reason
        if self._quarantine is not None:
            raw = json.dumps(dict(row.values), default=str).encode()
            self._quarantine.add(row._replace(raw=raw), reason)


def mend(window: Sequence[Found], detoxifier: Detoxifier, account: Account) -> list[Edits | None]:
    """What to do with each row of a window: its edits, or None where it goes.

    A row with a dropped text goes, and so does a row that can't be read; `account` knows which.
    """
    passages = [one for found in window for one in found.passages]
    return settle(window, judge(passages, detoxifier), account)


def judge(passages: Sequence[Passage], detoxifier: Detoxifier) -> list[Record | str]:
    """A record, or a reason to set the row aside, for each passage."""
    return judged(detoxifier, [task_of(one) for one in passages])


def settle(
    window: Sequence[Found], results: Sequence[Record | str], account: Account
) -> list[Edits | None]:
    """As `mend`, where it is known what became of each text."""
    left = iter(results)
    settled: list[Edits | None] = []
    for row, passages, reason in window:
        records = [next(left) for _ in passages]
        good = [record for record in records if isinstance(record, Record)]
        reasons = [reason, *(record for record in records if isinstance(record, str))]
        bad = next(filter(None, reasons), "")
        if bad:
            account.set_aside(row, bad)
            settled.append(None)
        else:
            together = with_one_prompt(row.values, passages, good)
            settled.append(account.settle(row, passages, together))
    return settled


def warn_of_roles(lines: Sequence[str]) -> None:
    """Say what may surprise about the roles of a dataset."""
    for line in lines:
        warnings.warn(line, stacklevel=3)


def warn_of_bad_rows(quarantined: Mapping[int, str]) -> None:
    """Say that rows were left out because they can't be read, unless none was."""
    for row, reason in quarantined.items():
        warnings.warn(
            f"rows that can't be read are left out, the first is row {row}: {reason}", stacklevel=3
        )
        break
