"""Numbers over the records of a run, gathered one record at a time in bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trustydetox.records import Record, Verdict
from trustydetox.report.groups import GroupCounts
from trustydetox.report.samples import Reading, Sample, action_of, words_of
from trustydetox.report.shares import short, wilson

SCHEMA_VERSION = 1
BINS = 20
RATIOS = 13
"""Tenths of the original's length: 0 to 1.2, the last for all above."""
MOST_WORDS = 10_000
"""Distinct marked words counted at a time; beyond it the rarer half is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """What became of the rows: `read == written + dropped + quarantined`."""

    read: int = 0
    written: int = 0
    dropped: int = 0
    quarantined: int = 0


def field_family(field: str) -> str:
    """`/messages/2/content` as `/messages/*/content`, so that long chats make few families."""
    return re.sub(r"/\d+(?=/|$)", "/*", field) if field.startswith("/") else field


class Summary:
    """What the records of a run add up to; `report` gives the numbers, `samples` texts to read.

    samples_each: texts kept for reading per verdict (unresolved, rewritten).
    """

    def __init__(self, *, samples_each: int = 100, seed: int = 0) -> None:
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._fields: dict[str, Counter[str]] = {}
        self._before = [0] * BINS
        self._after = [0] * BINS
        self._checks: dict[str, Counter[str]] = {}
        self._edits: Counter[str] = Counter()
        self._ratios = [0] * RATIOS
        self._groups = GroupCounts()
        self._words: Counter[str] = Counter()
        self._readings = {
            Verdict.UNRESOLVED: Reading(samples_each, seed),
            Verdict.REWRITTEN: Reading(samples_each, seed),
        }

    def add(self, row: int, field: str, record: Record, file: str = "") -> None:
        """Count one record; `file` is the name of its file among several."""
        verdict = record.verdict
        self._verdicts[verdict.value] += 1
        self._fields.setdefault(field_family(field), Counter())[verdict.value] += 1
        self._groups.add(record)
        self._before[_bin(record.toxicity.overall)] += 1
        if record.output is not None:
            after = record.toxicity_after or record.toxicity
            self._after[_bin(after.overall)] += 1
        if verdict is Verdict.CLEAN:
            return
        self._readings[verdict].offer(row, field, record, file)
        if verdict is Verdict.UNRESOLVED:
            self._reasons[record.reason or "unknown"] += 1
            self._actions[action_of(record)] += 1
        for finding in record.findings:
            outcome = "passed" if finding.passed else "failed"
            self._checks.setdefault(finding.check, Counter())[outcome] += 1
        self._count_edits(record)
        self._count_words(record)

    def _count_edits(self, record: Record) -> None:
        for edit in record.edits:
            self._edits["edits"] += 1
            self._edits["deletions" if not edit.replacement else "replacements"] += 1
            self._edits["characters_removed"] += len(edit.span)
            self._edits["characters_added"] += len(edit.replacement)
        if record.edits:
            self._edits["texts"] += 1
            self._edits["characters_before"] += len(record.original)
            ratio = len(record.output or "") / len(record.original)
            self._ratios[min(int(10 * ratio), RATIOS - 1)] += 1

    def _count_words(self, record: Record) -> None:
        masked = () if record.masked is None else record.masked.masked
        spans = masked or tuple(edit.span for edit in record.edits)
        self._words.update(words_of(record.original, spans))
        if len(self._words) > MOST_WORDS:
            self._words = Counter(dict(self._words.most_common(MOST_WORDS // 2)))

    @property
    def texts(self) -> int:
        """Records counted."""
        return self._verdicts.total()

    @property
    def verdicts(self) -> dict[str, int]:
        """Records per verdict, in the order clean, rewritten, unresolved."""
        return {verdict.value: self._verdicts[verdict.value] for verdict in Verdict}

    def report(
        self,
        rows: RowCounts,
        *,
        recipe: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The content of `report.json`: numbers only, no text of any row."""
        verdicts = self.verdicts
        toxic = self.texts - verdicts[Verdict.CLEAN]
        edits = self._edits
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": asdict(rows),
            "texts": {"total": self.texts, **verdicts},
            "rates": {
                "toxic": wilson(toxic, self.texts),
                "rewritten_of_toxic": wilson(verdicts[Verdict.REWRITTEN], toxic),
                "unresolved_of_toxic": wilson(verdicts[Verdict.UNRESOLVED], toxic),
                "rows_dropped": wilson(rows.dropped, rows.read),
                "rows_quarantined": wilson(rows.quarantined, rows.read),
            },
            "unresolved": {
                "by_reason": _sorted(self._reasons),
                "by_action": _sorted(self._actions),
            },
            "by_field": {
                family: {verdict.value: counts[verdict.value] for verdict in Verdict}
                for family, counts in sorted(self._fields.items())
            },
            "checks": {
                name: {"passed": counts["passed"], "failed": counts["failed"]}
                for name, counts in sorted(self._checks.items())
            },
            "edits": {
                "texts": edits["texts"],
                "edits": edits["edits"],
                "deletions": edits["deletions"],
                "replacements": edits["replacements"],
                "characters_removed": edits["characters_removed"],
                "characters_added": edits["characters_added"],
                "share_of_characters_removed": _share(
                    edits["characters_removed"], edits["characters_before"]
                ),
                "length_change": _share(
                    edits["characters_added"] - edits["characters_removed"],
                    edits["characters_before"],
                ),
            },
            "toxicity": {
                "bin_width": 1 / BINS,
                "before": list(self._before),
                "after": list(self._after),
            },
            "length": {"bin_width": 0.1, "ratio": list(self._ratios)},
            "mentions": self._groups.report(),
            "recipe": dict(recipe or {}),
            "versions": dict(versions or {}),
        }

    def samples(self) -> list[Sample]:
        """Texts to read, the unresolved first, of each group the worst first, then some others."""
        return [sample for reading in self._readings.values() for sample in reading.samples()]

    def top_words(self, most: int = 40) -> Sequence[tuple[str, int]]:
        """The words most often marked, with counts; ties in alphabetical order.

        Approximate beyond 10,000 distinct words. Never part of `report`.
        """
        return sorted(self._words.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def _bin(probability: float) -> int:
    return min(int(probability * BINS), BINS - 1)


def _share(part: int, whole: int) -> float | None:
    return short(part / whole) if whole else None


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
