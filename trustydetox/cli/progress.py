"""How far a run has come, on standard error: a bar on a terminal, else a line now and then.

The time that is left goes by the size of the texts that are done, not by rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

EVERY_S = 30.0
"""Seconds between two lines for people."""
EVERY_JSON_S = 1.0
"""Seconds between two lines for programs."""

Style = Literal["auto", "json", "none"]


class Advance(Protocol):
    """Told how many rows are done and which share of the input that was, None if unknown."""

    def __call__(self, rows: int, share: float | None, /) -> None:
        """Take note; shows something only now and then."""
        ...


@contextmanager
def show_progress(
    label: str, style: Style = "auto", *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Shows what it is told until the block ends; cheap enough to be told of every row."""
    if style == "none":
        yield _unseen
    elif style == "json":
        yield _Lines(label, clock, EVERY_JSON_S, _json_line)
    elif sys.stderr.isatty():
        yield from _bar(label)
    else:
        yield _Lines(label, clock, EVERY_S, _line)


def _unseen(rows: int, share: float | None, /) -> None:
    pass


def _bar(label: str) -> Iterator[Advance]:
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
        TextColumn("{task.fields[rows]:,} rows", markup=False),
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
    def __init__(
        self,
        label: str,
        clock: Callable[[], float],
        every_s: float,
        line: Callable[[str, int, float | None, float], str],
    ) -> None:
        self._label, self._clock, self._every_s, self._line = label, clock, every_s, line
        self._start = self._last = clock()

    def __call__(self, rows: int, share: float | None, /) -> None:
        now = self._clock()
        if now - self._last < self._every_s:
            return
        self._last = now
        line = self._line(self._label, rows, share, now - self._start)
        print(line, file=sys.stderr, flush=True)


def _line(label: str, rows: int, share: float | None, spent: float) -> str:
    line = f"{label}: {rows:,} rows, {rows / spent:,.1f} rows/s"
    return f"{line}, {share:.0%}, ETA {duration(_left(share, spent))}" if share else line


def _json_line(label: str, rows: int, share: float | None, spent: float) -> str:
    return json.dumps(
        {
            "event": "progress",
            "command": label,
            "rows": rows,
            "share": None if share is None else round(share, 4),
            "spent_s": round(spent, 1),
            "eta_s": round(_left(share, spent), 1) if share else None,
        }
    )


def _left(share: float, spent: float) -> float:
    return spent * (1 - share) / share


def duration(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def say(line: str) -> None:
    """Print how far it has come, on standard error."""
    print(line, file=sys.stderr, flush=True)


def hide_bars() -> None:
    """No bars of other libraries: how far it has come is said in lines."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()
