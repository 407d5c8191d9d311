"""CPU and wall time of several pieces of work, taken in turns."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REPEATS = 5


@dataclass(frozen=True)
class Spread:
    """Median, least and most of some repeats."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Timing:
    """Seconds of one piece of work, one value per repeat, and the load of the machine meanwhile.

    cpu: of all threads of this process.
    load: the load average over a minute, before the first and after the last repeat.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    load: tuple[float, float]


def in_turns(
    works: Mapping[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, Timing]:
    """A, B, A, B, …: other load on the machine then falls on all alike. One turn warms up."""
    for work in works.values():
        work()
    before = os.getloadavg()[0]
    cpu: dict[str, list[float]] = {name: [] for name in works}
    wall: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            gc.collect()
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            work()
            cpu[name].append(time.process_time() - cpu_start)
            wall[name].append(time.perf_counter() - wall_start)
    load = (before, os.getloadavg()[0])
    return {name: Timing(tuple(cpu[name]), tuple(wall[name]), load) for name in works}


def ratio(above: tuple[float, ...], below: tuple[float, ...]) -> Spread:
    """Of two pieces of work taken in turns, repeat by repeat."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])
