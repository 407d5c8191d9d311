"""Budgets of a run: a number of its report, and how much of it is too much."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trustydetox.errors import ConfigError, did_you_mean

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_GATE = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([0-9.]+(?:e-?[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """`name comparison limit`; a report of which that is true fails."""

    name: str
    comparison: str
    limit: float

    @classmethod
    def of(cls, text: str) -> Gate:
        """From words such as `drop_rate>0.02`."""
        found = _GATE.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"expected a gate such as drop_rate>0.02 (with one of {', '.join(COMPARISONS)}), "
                f"got {text!r}"
            )
        name, comparison, limit = found.groups()
        if name not in RATES:
            raise ConfigError(f"no gate can be set on {name!r}{did_you_mean(name, RATES)}")
        try:
            return cls(name, comparison, float(limit))
        except ValueError:
            raise ConfigError(f"the limit of {name} must be a number, got {limit!r}") from None

    def failure(self, report: Mapping[str, Any]) -> str:
        """What is wrong with the numbers of a `report.json`; `""` where nothing is.

        A share of nothing, such as the drop rate of no rows, fails no gate.
        """
        hits, n = RATES[self.name](report)
        if n == 0 or not COMPARISONS[self.comparison](hits / n, self.limit):
            return ""
        return (
            f"{self.name} is {hits / n:.4g} ({hits:,} of {n:,}): the gate is "
            f"{self.name}{self.comparison}{self.limit:g}"
        )


RATES: Mapping[str, Callable[[Mapping[str, Any]], tuple[int, int]]] = {
    "drop_rate": lambda report: (report["rows"]["dropped"], report["rows"]["read"]),
    "quarantine_rate": lambda report: (report["rows"]["quarantined"], report["rows"]["read"]),
    "edit_rate": lambda report: (report["edits"]["texts"], report["texts"]["total"]),
    "toxic_rate": lambda report: (
        report["texts"]["total"] - report["texts"]["clean"],
        report["texts"]["total"],
    ),
    "unresolved_rate": lambda report: (
        report["texts"]["unresolved"],
        report["texts"]["total"] - report["texts"]["clean"],
    ),
}
"""What a gate can be set on -> how many, and of how many: rows dropped and quarantined of rows
read, texts edited and toxic of texts, texts unresolved of toxic texts."""
