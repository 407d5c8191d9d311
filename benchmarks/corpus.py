"""Runs of many shards: killed at random, and ten times as long. The recipe is one of word lists.

What costs here is all that isn't a model: reading, writing, ledger, records.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import Spread

SHARDS = 200
KILLS = 20
ROOT = Path(__file__).parents[1]

_CLEAN = """
import sys
from pathlib import Path
from tests.fakes import Replacer, detoxifier
from trustydetox.corpus import clean_file
clean_file(sys.argv[1], sys.argv[2], shard_rows=int(sys.argv[3]),
           detoxifier=detoxifier(infiller=Replacer({"idiot": ["friend"]})))
# Not ru_maxrss: that begins with the peak of whoever started this process.
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def kills(shard_rows: int) -> list[Found]:
    """How many of 20 killed runs end, with the next call, with the bytes of an undisturbed one."""
    alike, halfway = 0, 0
    chance = random.Random(0)
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.short(SHARDS * shard_rows))
        begun = time.monotonic()
        _run(source, Path(folder) / "undisturbed" / "out.jsonl", shard_rows)
        whole = time.monotonic() - begun
        expected = _tree(Path(folder) / "undisturbed")
        for number in range(KILLS):
            out = Path(folder) / str(number) / "out.jsonl"
            process = _started(source, out, shard_rows)
            time.sleep(chance.random() * whole)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            shards = out.parent.glob(".out.jsonl.detox.part/ledger/shards/*.json")
            halfway += 0 < len(list(shards)) < SHARDS
            _run(source, out, shard_rows)
            alike += _tree(out.parent) == expected
    how = f"{SHARDS} shards of {shard_rows} rows; {halfway} were killed among their shards"
    return [
        Found("killed runs that end alike", f"of {KILLS}", Spread.of([alike]), f">= {KILLS}", how)
    ]


def growth(sizes: Sequence[int]) -> list[Found]:
    """Peak memory and CPU time of a run, and of one of more rows."""
    found: list[Found] = []
    peaks: list[float] = []
    times: list[float] = []
    for size in sizes:
        with TemporaryDirectory() as folder:
            source = rows.write(Path(folder) / "in.jsonl", rows.short(size))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            peaks.append(int(_run(source, Path(folder) / "o" / "out.jsonl", 1 << 14)) / 1024)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        found += [
            Found(f"peak memory, {size:,} rows", "MiB", Spread.of(peaks[-1:])),
            Found(f"CPU, {size:,} rows", "s", Spread.of(times[-1:])),
        ]
    what = f"{sizes[0]:,} to {sizes[-1]:,} rows"
    grown = 100 * (peaks[-1] / peaks[0] - 1)
    longer = times[-1] / times[0] * sizes[0] / sizes[-1]
    return [
        *found,
        Found(f"growth of the peak, {what}", "%", Spread.of([grown]), "<= 10"),
        Found(f"CPU per row, {what}", "times", Spread.of([longer]), "<= 1.1"),
    ]


def _started(source: Path, out: Path, shard_rows: int) -> subprocess.Popen[str]:
    out.parent.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", _CLEAN, str(source), str(out), str(shard_rows)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _run(source: Path, out: Path, shard_rows: int) -> str:
    """What a run that nobody disturbs prints: its peak memory in KiB."""
    process = _started(source, out, shard_rows)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a run ended with {process.returncode}")
    return said


def _tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
