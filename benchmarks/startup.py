"""What a user waits for before any work: the import, and the weights on the disk."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.results import Found
from benchmarks.timing import REPEATS, Spread
from trustydetox import embedded

_IMPORT = (
    "import sys, time; w, c = time.perf_counter(), time.process_time(); import trustydetox; "
    "print(time.perf_counter() - w, time.process_time() - c, 'torch' in sys.modules)"
)


def import_time() -> list[Found]:
    """`import trustydetox` in a new process; the first run, which warms the disk, is left out."""
    load = os.getloadavg()[0]
    runs = []
    for _ in range(2 * REPEATS + 1):
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True
        )
        *seconds, has_torch = done.stdout.split()
        if has_torch != "False":
            raise RuntimeError("import trustydetox loads torch")
        runs.append([1000 * float(one) for one in seconds])
    loads = (load, os.getloadavg()[0])
    wall, cpu = (Spread.of([run[k] for run in runs[1:]]) for k in (0, 1))
    return [
        Found("import trustydetox, CPU", "ms", cpu, "<= 300", "new process; torch isn't loaded",
              loads),
        Found("import trustydetox, wall", "ms", wall, "", "the same runs", loads),
    ]  # fmt: skip


def size() -> list[Found]:
    """Megabytes of the embedded weights."""
    total = sum((embedded.FOLDER / name).stat().st_size for name in embedded.WEIGHTS) / 1e6
    return [Found("embedded weights", "MB", Spread.of([total]), "<= 64", "all files of the recipe")]
