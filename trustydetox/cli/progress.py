"""How far a run has come, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

EVERY_S = 30.0


class Advance(Protocol):
    """Told how many rows are done and which share of the input that was, None if unknown."""

    def __call__(self, rows: int, share: float | None, /) -> None:
        """Take note; shows something only now and then."""
        ...


@contextmanager
def progress(
    label: str, *, unit: str = "rows", clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Shows what it is told until the block ends; cheap enough to be told of every row."""
    if sys.stderr.isatty():
        yield from _bar(label, unit)
    else:
        yield _Lines(label, unit, clock)


def _bar(label: str, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} " + unit, markup=False),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, rows=0)

        def advance(rows: int, share: float | None, /) -> None:
            total = None if share is None else 1.0
            bar.update(task, completed=share or 0.0, total=total, rows=rows)

        yield advance


class _Lines:
    def __init__(self, label: str, unit: str, clock: Callable[[], float]) -> None:
        self._label, self._unit, self._clock = label, unit, clock
        self._start = self._last = clock()

    def __call__(self, rows: int, share: float | None, /) -> None:
        now = self._clock()
        if now - self._last < EVERY_S:
            return
        self._last = now
        spent = now - self._start
        line = f"{self._label}: {rows:,} {self._unit}, {rows / spent:,.1f} {self._unit}/s"
        if share:
            line += f", {share:.0%}, ETA {duration(spent * (1 - share) / share)}"
        print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
