"""The same bytes wherever the work is done, and whoever dies of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import NoisyScorer, WordScorer, detoxifier
from trustydetox.corpus import clean_file
from trustydetox.corpus.engines import engine
from trustydetox.corpus.engines.engine import JOB_TASKS, InProcess, Jobs, answer_to
from trustydetox.corpus.engines.results import Task
from trustydetox.corpus.engines.workers import Workers
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, ResourceError
from trustydetox.records import Toxicity
from trustydetox.roles import Scorer

ROOT = Path(__file__).parents[3]


def workers(make: Callable[[], Detoxifier], count: int = 2, *, threshold: float = 0.5) -> Workers:
    return Workers(make, count, threshold=threshold, fallback="drop")


def texts(*said: str) -> list[Task]:
    return [Task(text) for text in said]


def noisy() -> Detoxifier:
    """Scores off by a share that changes with the batch, as real ones are."""
    return detoxifier(scorer=NoisyScorer(WordScorer(), 1e-6), threshold=0.6)


@dataclass(frozen=True)
class Deadly:
    """A scorer that takes its process along on one text, or on the first that it is given."""

    text: str = ""
    once: Path | None = None
    scorer: Scorer = field(default_factory=WordScorer)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if self.text in texts and (self.once is None or not self.once.exists()):
            if self.once is not None:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.scorer.score(texts)


def deadly(**settings: Any) -> Detoxifier:
    return detoxifier(scorer=Deadly(**settings))


@pytest.fixture
def source(place: Path) -> Path:
    """600 rows, two of them bad; `stupid` is a tie with the threshold of `noisy`."""
    said = [f"you {('idiot', 'stupid', 'moron, damn', 'sir')[n % 4]} {n}" for n in range(600)]
    rows = [json.dumps({"text": text}) for text in said]
    rows[200:200] = ["not a row", json.dumps({"text": "x" * 5000})]
    (place / "in.jsonl").write_text("\n".join(rows))
    return place / "in.jsonl"


def left_by(source: Path, engine: Detoxifier | Workers, shard_rows: int) -> dict[str, bytes]:
    out = source.with_name("out.jsonl")
    limits = {"shard_rows": shard_rows, "max_row_bytes": 4096}
    clean_file(source, out, detoxifier=engine, **limits, fresh=True)  # type: ignore[arg-type]
    return {
        str(path.relative_to(source.parent)): path.read_bytes()
        for path in source.parent.rglob("*")
        if path.is_file()
    }


def test_the_number_of_workers_changes_no_byte(source: Path) -> None:
    expected = left_by(source, noisy(), 64)
    assert len(expected["out.jsonl"].splitlines()) == 600
    assert len(expected["out.jsonl.detox/quarantine.jsonl"].splitlines()) == 2
    assert len(expected["out.jsonl.detox/ledger/shards.jsonl"].splitlines()) == 10
    for count in (1, 2, 3):
        with workers(noisy, count, threshold=0.6) as engine:
            assert left_by(source, engine, 64) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_size_of_a_batch_changes_no_text_and_no_record(source: Path, size: int) -> None:
    expected, left = left_by(source, noisy(), 600), left_by(source, noisy(), size)
    # These say how the shards were cut.
    for name in ("manifest.json", "ledger/plan.json", "ledger/shards.jsonl"):
        assert left.pop(f"out.jsonl.detox/{name}") != expected.pop(f"out.jsonl.detox/{name}")
    assert left == expected
    # The control: such scores do change with the batch.
    scorer = noisy().scorer
    (alone,), (first, _) = scorer.score(["you stupid"]), scorer.score(["you stupid", "sir"])
    assert alone.overall == 0.6 != first.overall


@pytest.mark.parametrize(
    ("workers", "tasks", "sizes"),
    [
        (2, 300, [38] * 7 + [34]),  # nobody waits while another has most of it
        (2, 4096, [256] * 16),
        (8, 300, [16] * 18 + [12]),
        (1, 10, [10]),
        (2, 0, []),
    ],
)
def test_workers_share_a_batch_however_small(workers: int, tasks: int, sizes: list[int]) -> None:
    jobs = Jobs(workers)
    jobs.add(texts(*map(str, range(tasks))))
    assert [len(job.tasks) for job in jobs.waiting] == sizes
    assert [task.text for job in jobs.waiting for task in job.tasks] == [*map(str, range(tasks))]


def test_results_come_in_order_whoever_is_first() -> None:
    with workers(detoxifier) as engine:
        batches = [texts(*(f"you idiot {n}" for n in range(size))) for size in (900, 1, 0, 300)]
        for batch in batches:
            engine.submit(batch)
        plain = InProcess(detoxifier())
        for batch in batches:
            plain.submit(batch)
            assert engine.take() == plain.take()


def test_a_worker_that_dies_is_replaced_and_its_batch_done(tmp_path: Path) -> None:
    with workers(partial(deadly, text="boom", once=tmp_path / "once")) as engine:
        engine.submit(texts("fine", "boom", "you idiot"))
        engine.submit(texts("damn stupid"))
        plain = InProcess(detoxifier())
        for batch in (texts("fine", "boom", "you idiot"), texts("damn stupid")):
            plain.submit(batch)
            assert engine.take() == plain.take()
    assert (tmp_path / "once").exists()


def test_a_text_that_every_worker_dies_of_gets_a_reason() -> None:
    with workers(partial(deadly, text="boom")) as engine:
        engine.submit(texts("fine", "you idiot", "boom"))
        first, second, third = engine.take().splitlines()
    plain = InProcess(detoxifier())
    plain.submit(texts("fine", "you idiot"))
    assert [first, second] == plain.take().splitlines()
    assert third == b'{"error": "a worker died of this text (exit code -9)"}'


@dataclass(frozen=True)
class Slow:
    """Scores as words do, but never comes to an end over one text."""

    text: str

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if self.text in texts:
            time.sleep(600)
        return WordScorer().score(texts)


def test_a_text_that_takes_too_long_gets_a_reason_and_the_others_go_on() -> None:
    make = partial(detoxifier, scorer=Slow("endless"))
    with Workers(make, 1, threshold=0.5, fallback="drop", seconds=1.5) as engine:
        engine.submit(texts("fine", "endless", "you idiot"))
        first, second, third = engine.take().splitlines()
    plain = InProcess(detoxifier())
    plain.submit(texts("fine", "you idiot"))
    assert [first, third] == plain.take().splitlines()
    assert second == b'{"error": "the models took longer than 1.5 s over this text"}'


def dead() -> Detoxifier:
    os._exit(9)


def test_workers_that_die_before_they_begin_end_the_run() -> None:
    with workers(dead, 1) as engine:
        engine.submit(texts("fine"))
        with pytest.raises(ResourceError, match=r"die one after the other \(exit code 9\)"):
            engine.take()


def misconfigured() -> Detoxifier:
    raise ConfigError("no such step")


def test_what_a_worker_can_t_do_is_said_as_if_it_were_here() -> None:
    with workers(misconfigured) as engine:
        engine.submit(texts("fine"))
        with pytest.raises(ConfigError, match=r"^no such step$"):
            engine.take()


def test_no_worker_outlives_its_engine() -> None:
    with workers(detoxifier) as engine:
        engine.submit(texts("fine"))
        engine.take()
        processes = [worker.process for worker in engine._workers]
        assert all(process.is_alive() for process in processes)
    assert not any(process.is_alive() for process in processes)


ORPHANS = """
import sys, time
from tests.fakes import detoxifier
from trustydetox.corpus.engines.workers import Workers
from trustydetox.corpus.engines.results import Task

with Workers(detoxifier, 2, threshold=0.5, fallback="drop") as engine:
    engine.submit([Task("fine")])
    engine.take()
    print("begun", flush=True)
    time.sleep(60)
"""


def test_workers_die_with_a_killed_parent() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"begun\n"
        process.kill()
        # The workers have the pipe too: it ends when the last of them does.
        process.communicate(timeout=30)


def test_memory_goes_back_after_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(engine, "return_free_memory", lambda: told.append("back"))
    plain = InProcess(detoxifier())
    plain.submit(texts(*["ok"] * (JOB_TASKS + 1)))
    assert len(plain.take().splitlines()) == JOB_TASKS + 1
    assert told == ["back"] * 2
    answer_to(texts("ok"), detoxifier)
    assert told == ["back"] * 3
