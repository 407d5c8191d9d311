"""Whole runs: speed of `scan` and `clean`, time outside the models, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import REPEATS, Spread, in_turns
from trustydetox.corpus import clean_file, scan_file
from trustydetox.detoxifier import Detoxifier
from trustydetox.recipes import load_recipe


def speed(texts: int) -> list[Found]:
    """Seconds per 1,000 bundled rows, files and records included."""
    found = []
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.bundled(texts))
        target = Path(folder) / "out.jsonl"
        works: dict[str, Callable[[], object]] = {}
        for recipe in ("mini", "mini-ig"):
            detoxifier = load_recipe(recipe)
            works[f"scan, {recipe}"] = partial(_scan, source, detoxifier)
            works[f"clean, {recipe}"] = partial(
                clean_file, source, target, detoxifier=detoxifier, fresh=True
            )
        for name, timing in in_turns(works).items():
            for clock, seconds in (("CPU", timing.cpu), ("wall", timing.wall)):
                per_thousand = Spread.of([one * 1000 / texts for one in seconds])
                found.append(
                    Found(f"{name}, {clock}", "s per 1,000 rows", per_thousand, "",
                          f"{texts} bundled rows", timing.load)
                )  # fmt: skip
    return found


_CPU, _GPU = "CPU", "GPU"

# What a GPU does when it is first asked would else count.
_TIMED = """
import sys, time, torch
from pathlib import Path
from benchmarks.runs import _scan
from trustydetox.corpus import clean_file
from trustydetox.recipes import load_recipe
torch.set_num_threads(1)
source, target = map(Path, sys.argv[1:])
detoxifier = load_recipe("mini")
list(detoxifier.run(["what an idiot wrote this"] * 32))
start = time.perf_counter()
_scan(source, detoxifier)
between = time.perf_counter()
clean_file(source, target, detoxifier=detoxifier, fresh=True)
print(between - start, time.perf_counter() - between)
"""


def devices(texts: int) -> list[Found]:
    """Seconds per 1,000 bundled rows with `mini`'s networks on the GPU, and beside it without.

    Nothing where there is no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        return []
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    seconds: dict[str, list[tuple[float, ...]]] = {_CPU: [], _GPU: []}
    before = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.bundled(texts))
        for _, (place, env) in product(range(3), {_CPU: hidden, _GPU: None}.items()):
            done = subprocess.run(
                [sys.executable, "-c", _TIMED, str(source), str(Path(folder) / "out.jsonl")],
                capture_output=True,
                text=True,
                check=True,
                env=env,
            )
            took = map(float, done.stdout.split()[-2:])
            seconds[place].append(tuple(1000 * one / texts for one in took))
    how = f"{texts} bundled rows, mini, one process of one thread, {torch.cuda.get_device_name()}"
    load = (before, os.getloadavg()[0])
    return [
        Found(f"{name}, {place}, wall", "s per 1,000 rows",
              Spread.of([each[at] for each in seconds[place]]), "", how, load)
        for at, name in enumerate(("scan", "clean")) for place in seconds
    ]  # fmt: skip


def _scan(source: Path, detoxifier: Detoxifier) -> None:
    for _ in scan_file(source, detoxifier=detoxifier):
        pass


@dataclass
class _Clock:
    """CPU seconds spent inside the calls that it times; a call inside a call counts once."""

    spent: float = 0.0
    depth: int = field(default=0, repr=False)

    def __call__(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **extra: Any) -> Any:
            self.depth += 1
            start = time.process_time()
            try:
                return work(*args, **extra)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.spent += time.process_time() - start

        return timed


@dataclass(frozen=True)
class _Timed:
    """A step whose work is timed; all else of it is as it was."""

    inner: Any
    clock: _Clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name in {"score", "attribute", "infill", "check", "tokens", "logit"}:
            return self.clock(found)
        return found


def outside_the_models(texts: int) -> list[Found]:
    """Share of `clean`'s CPU time that isn't spent in the steps that run models."""
    detoxifier = load_recipe("mini")
    outside: list[float] = []
    beyond: list[float] = []
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.bundled(texts))
        target = Path(folder) / "out.jsonl"
        for _ in range(REPEATS + 1):
            for shares, timed in ((outside, _steps_timed), (beyond, _passes_timed)):
                clock = _Clock()
                start = time.process_time()
                clean_file(source, target, detoxifier=timed(detoxifier, clock), fresh=True)
                shares.append(100 * (1 - clock.spent / (time.process_time() - start)))
    loads = (load, os.getloadavg()[0])
    how = f"{texts} bundled rows, mini; CPU time of reading, choosing, records and writing"
    return [
        Found("clean outside scorer, attributor, infiller and checks", "%",
              Spread.of(outside[1:]), "<= 10", how, loads),
        Found("clean outside the network's forward passes", "%", Spread.of(beyond[1:]), "",
              "the same, and views, tokenising, candidates and the checks beside the guide", loads),
    ]  # fmt: skip


def _steps_timed(detoxifier: Detoxifier, clock: _Clock) -> Detoxifier:
    return replace(
        detoxifier,
        scorer=_Timed(detoxifier.scorer, clock),
        attributor=_Timed(detoxifier.attributor, clock),
        infiller=_Timed(detoxifier.infiller, clock),
        checks=tuple(_Timed(check, clock) for check in detoxifier.checks),
    )


def _passes_timed(detoxifier: Detoxifier, clock: _Clock) -> Detoxifier:
    def timed(step: Any) -> Any:
        return replace(step, guide=_Timed(step.guide, clock)) if hasattr(step, "guide") else step

    return replace(
        detoxifier, scorer=timed(detoxifier.scorer), attributor=timed(detoxifier.attributor)
    )


_CLEAN = """
import atexit
import sys
from benchmarks.machine import peak_kib
from trustydetox.cli import app
atexit.register(lambda: print(peak_kib()))
app(["clean", sys.argv[1], "-o", sys.argv[2], "--quiet"])
"""


def memory(sizes: Sequence[int]) -> list[Found]:
    """Peak resident memory of a process that cleans so many short rows."""
    found: list[Found] = []
    peaks: list[float] = []
    for size in sizes:
        before = os.getloadavg()[0]
        with TemporaryDirectory() as folder:
            source = rows.write(Path(folder) / "in.jsonl", rows.short(size))
            done = subprocess.run(
                [sys.executable, "-c", _CLEAN, str(source), str(Path(folder) / "out.jsonl")],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        peaks.append(int(done.stdout.split()[-1]) / 1024)
        found.append(
            Found(f"peak memory of clean, {size:,} rows", "MiB", Spread.of(peaks[-1:]), "",
                  "short rows, mini, a process of its own", (before, os.getloadavg()[0]))
        )  # fmt: skip
    growth = 100 * (peaks[-1] / peaks[0] - 1)
    found.append(
        Found(f"growth of the peak, {sizes[0]:,} to {sizes[-1]:,} rows", "%",
              Spread.of([growth]), "<= 10", "")
    )  # fmt: skip
    return found
