"""The engine of one machine with several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from trustydetox.corpus.engines.engine import Job, Jobs, answer_to
from trustydetox.corpus.engines.results import Task
from trustydetox.corpus.pacing import Told, unheard
from trustydetox.detoxifier import Detoxifier


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    since: float = 0.0
    is_ready: bool = False


class Workers:
    """Spawned processes that each make the pipeline anew; a context, at whose end they are killed.

    They start with the first batch. One that dies, be it killed by the system for want of memory,
    is replaced.

    make: gives the pipeline, in each worker; must be picklable.
    count: of workers, among which PyTorch's threads are divided.
    seconds: a worker that works longer at one job is stopped, see `Jobs`; None: never.
    """

    def __init__(
        self,
        make: Callable[[], Detoxifier],
        count: int,
        *,
        threshold: float,
        fallback: str,
        seconds: float | None = None,
    ) -> None:
        self.threshold = threshold
        self.fallback = fallback
        self.ahead = 2 * count
        self._make = make
        self._count = count
        self._seconds = seconds
        self._workers: list[_Worker] = []
        self._jobs = Jobs(count)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def submit(self, tasks: Sequence[Task], /) -> None:
        """Take a batch on."""
        self._jobs.add(tasks)
        while len(self._workers) < self._count:
            self._workers.append(self._started())
        self._give_out()

    def take(self, told: Told = unheard, /) -> bytes:
        """The results of the oldest batch."""
        return self._jobs.take(self._serve, told)

    def _left(self, worker: _Worker) -> float | None:
        """Seconds until a worker is late; None where it never is."""
        if self._seconds is None or worker.job is None:
            return None
        return max(0.0, worker.since + self._seconds - time.monotonic())

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self._make, self._count), daemon=True, name="trustydetox"
        )
        process.start()
        # With this copy open, the death of the worker would not end the pipe.
        theirs.close()
        return _Worker(process, pipe)

    def _give_out(self) -> None:
        for worker in self._workers:
            if self._jobs.waiting and worker.is_ready and worker.job is None:
                worker.job, worker.since = self._jobs.waiting.popleft(), time.monotonic()
                # One that died idle can't be told; its pipe will say so to `_serve`.
                with suppress(OSError):
                    worker.pipe.send(worker.job.tasks)

    def _serve(self) -> None:
        """Wait until a worker says something, dies or is late."""
        left = [seconds for one in self._workers if (seconds := self._left(one)) is not None]
        ready = wait([worker.pipe for worker in self._workers], min(left, default=None))
        for at, worker in enumerate(self._workers):
            if worker.pipe in ready:
                job, worker.job = worker.job, None
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    self._replace(at)
                    self._jobs.lost(job, f"exit code {worker.process.exitcode}")
                    continue
                worker.is_ready = True
                self._jobs.done(job, answer)
            elif worker.job is not None and self._left(worker) == 0.0:
                worker.process.kill()
                self._replace(at)
                self._jobs.late(worker.job, self._seconds or 0.0)
        self._give_out()

    def _replace(self, at: int) -> None:
        """Another worker in the place of one that is dead, or dying."""
        worker = self._workers[at]
        worker.process.join()
        worker.pipe.close()
        self._workers[at] = self._started()


def _work(pipe: Connection, make: Callable[[], Detoxifier], count: int) -> None:
    """The life of a worker: answer to no job when it can begin, then to each."""
    # An interrupt goes to all processes of a terminal; this one's parent will see to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    @cache
    def detoxifier() -> Detoxifier:
        made = make()
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(max(1, torch.get_num_threads() // count))
        return made

    # Without its parent, which has the other end, there is nothing more to do.
    with suppress(EOFError, ConnectionError):
        pipe.send(answer_to((), detoxifier))
        while True:
            pipe.send(answer_to(pipe.recv(), detoxifier))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this process was spawned
    parent.join()
    os._exit(1)
