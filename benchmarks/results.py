"""What a benchmark found, as JSON and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.timing import Spread


@dataclass(frozen=True)
class Found:
    """One number, in `unit`, with its spread, the goal it is held against and how it was taken.

    goal: `<= 10` or `>= 0.97`; empty where there is none.
    load: load average before and after, None where the number doesn't depend on it.
    """

    what: str
    unit: str
    spread: Spread
    goal: str = ""
    how: str = ""
    load: tuple[float, float] | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the median keeps the goal; None without one."""
        if not self.goal:
            return None
        sign, limit = self.goal.split()
        if sign == "<=":
            return self.spread.median <= float(limit)
        return self.spread.median >= float(limit)


def write(folder: Path, machine: Machine, found: Sequence[Found]) -> None:
    """benchmarks.json and benchmarks.md in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": 1,
        "machine": asdict(machine),
        "found": [{**asdict(one), "reached": one.reached} for one in found],
    }
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    (folder / "benchmarks.md").write_text(markdown(machine, found), "utf-8")


def markdown(machine: Machine, found: Sequence[Found]) -> str:
    """The machine in a line, then one row per number."""
    lines = [
        str(machine),
        "",
        "| what | median | least to most | repeats | goal | load average | how |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        spread = one.spread
        goal = f"{one.goal}: {'reached' if one.reached else 'missed'}" if one.goal else "–"
        load = f"{one.load[0]:.1f} to {one.load[1]:.1f}" if one.load else "–"
        lines.append(
            f"| {one.what} | {spread.median:.4g} {one.unit} | {spread.low:.4g} to "
            f"{spread.high:.4g} | {spread.repeats} | {goal} | {load} | {one.how} |"
        )
    return "\n".join(lines) + "\n"
