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
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import Spread, in_turns, ratio

SHARDS = 200
KILLS = 20
VICTIMS = ("driver", "worker", "both")
ROOT = Path(__file__).parents[1]

_CLEAN = """
import sys
from functools import partial
from pathlib import Path
from benchmarks.machine import peak_kib
from tests.fakes import Replacer, detoxifier
from trustydetox.corpus import clean_file
from trustydetox.corpus.engines.workers import Workers
make = partial(detoxifier, infiller=Replacer({"idiot": ["friend"]}))
source, out, shard_rows, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if workers == 1:
    clean_file(source, out, shard_rows=shard_rows, detoxifier=make())
else:
    with Workers(make, workers, threshold=0.5, fallback="drop") as engine:
        clean_file(source, out, shard_rows=shard_rows, detoxifier=engine)
print(peak_kib())
"""

_MORE = 5  # texts that are scored for each that is cleaned
_SCORE = """
import json
import sys
import torch
from trustydetox import load_recipe
torch.set_num_threads(1)
texts = [json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8")]
load_recipe("mini").score(texts[int(sys.argv[2])::int(sys.argv[3])])
"""


def kills(shard_rows: int) -> list[Found]:
    """How many of 20 runs killed twice end, with the next call, as an undisturbed one does.

    Driver, worker and both are killed in turn, each at a moment drawn at random; then the driver of
    the run that goes on, which must have left alone what it found finished.
    """
    alike, halfway, kept, redone = 0, 0, 0, 0
    chance = random.Random(0)
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.short(SHARDS * shard_rows))
        begun = time.monotonic()
        _run(source, Path(folder) / "undisturbed" / "out.jsonl", shard_rows, workers=2)
        whole = time.monotonic() - begun
        expected = _tree(Path(folder) / "undisturbed")
        for number in range(KILLS):
            out = Path(folder) / str(number) / "out.jsonl"
            first, second = (
                _killed(source, out, shard_rows, victim, chance.random() * whole)
                for victim in (VICTIMS[number % len(VICTIMS)], "driver")
            )
            halfway += 0 < len(first) < SHARDS
            # A run that has ended keeps its shards as one file.
            for name in first if second else ():
                kept, redone = kept + 1, redone + (second.get(name) != first[name])
            _run(source, out, shard_rows, workers=2)
            alike += _tree(out.parent) == expected
    how = (
        f"{SHARDS} shards of {shard_rows} rows, two workers; driver, worker or both killed in "
        f"turn, {halfway} times among the shards, then the driver again; every file compared, "
        "hidden ones too"
    )
    untouched = f"of {kept} that the second kill found too, by time of change and bytes"
    return [
        Found("killed runs that end alike", f"of {KILLS}", Spread.of([alike]), f">= {KILLS}", how),
        Found("finished shards done again", "shards", Spread.of([redone]), "<= 0", untouched),
    ]


def scaling(texts: int) -> list[Found]:
    """Two workers against one, beside two bare scoring processes; Ray beside the local engine."""
    with TemporaryDirectory() as folder:
        source = rows.write(Path(folder) / "in.jsonl", rows.bundled(texts))
        # Scoring alone is quick: more texts, so that it takes about as long.
        scored = rows.write(Path(folder) / "scored.jsonl", rows.bundled(_MORE * texts))
        tiny = rows.write(Path(folder) / "tiny.jsonl", rows.bundled(8))
        out = Path(folder) / "out.jsonl"
        works: dict[str, Callable[[], object]] = {}
        for name, bare, cleaned in (("all", scored, source), ("tiny", tiny, tiny)):
            for count in (1, 2):
                works[f"{name} bare {count}"] = partial(_bare, bare, count)
            for engine, count in (("local", 1), ("local", 2), ("ray", 2)):
                works[f"{name} {engine} {count}"] = partial(_cli, cleaned, out, engine, count)
        timings = in_turns(works, repeats=3)
        whole = {name: list(timing.wall) for name, timing in timings.items()}
    load = timings["all local 2"].load

    def spent(name: str, repeat: int) -> float:
        """Seconds of a run, less those of one that has next to no rows."""
        return whole[f"all {name}"][repeat] - whole[f"tiny {name}"][repeat]

    repeats = range(len(whole["all bare 1"]))
    bare = [spent("bare 1", at) / spent("bare 2", at) for at in repeats]
    ours = [spent("local 1", at) / spent("local 2", at) for at in repeats]
    ray = [spent("ray 2", at) / spent("local 2", at) for at in repeats]
    how = f"{texts} bundled rows, recipe mini, wall time less that of a run of 8"
    more = f"{_MORE * texts} bundled rows scored, wall time less that of a run of 8"
    return [
        Found("two bare scoring processes over one", "times", Spread.of(bare), "", more, load),
        Found("two workers over one", "times", Spread.of(ours), "", how, load),
        Found(
            "speed-up of the workers over that of the bare processes",
            *("times", ratio(tuple(ours), tuple(bare)), ">= 0.9", how, load),
        ),
        Found(
            "Ray's time over the local engine's, two workers each",
            *("times", Spread.of(ray), "<= 1.15", how, load),
        ),
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


def _bare(source: Path, count: int) -> None:
    """Score the texts of a file by so many processes that share nothing."""
    started = [
        subprocess.Popen([sys.executable, "-c", _SCORE, str(source), str(at), str(count)], cwd=ROOT)
        for at in range(count)
    ]
    # All of them are waited for before one is blamed.
    codes = [process.wait() for process in started]
    if any(codes):
        raise RuntimeError("a scoring process failed")


def _cli(source: Path, out: Path, engine: str, workers: int) -> None:
    command = [sys.executable, "-m", "trustydetox", "clean", str(source), "-o", str(out)]
    options = ["--fresh", "--engine", engine, "--workers", str(workers), "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *options], cwd=ROOT, env=environment, check=True, capture_output=True)


def _killed(
    source: Path, out: Path, shard_rows: int, victim: str, seconds: float
) -> dict[str, tuple[int, bytes]]:
    """The finished shards that a run leaves of which SIGKILL takes a part after so many seconds.

    victim: the driver, one of its workers (the run then goes on to its end), or both.
    """
    process = _started(source, out, shard_rows, workers=2)
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        if victim == "worker":
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            # The first is multiprocessing's own, which counts what is to be tidied up.
            for child in children.read_text("ascii").split()[1:2] if children.exists() else ():
                os.kill(int(child), signal.SIGKILL)
        elif victim == "both":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(signal.SIGKILL)
    process.communicate()
    shards = out.parent / ".out.jsonl.detox.part" / "ledger" / "shards"
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in shards.glob("*.json")
    }


def _started(source: Path, out: Path, shard_rows: int, workers: int) -> subprocess.Popen[str]:
    out.parent.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", _CLEAN, str(source), str(out), str(shard_rows), str(workers)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _run(source: Path, out: Path, shard_rows: int, workers: int = 1) -> str:
    """What a run that nobody disturbs prints: its peak memory in KiB."""
    process = _started(source, out, shard_rows, workers)
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
