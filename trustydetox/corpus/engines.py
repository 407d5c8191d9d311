"""Where the pipeline's work is done: in this process, or in spawned ones beside it.

An engine only computes. It gives results back in the order of the tasks, so that whoever writes
them need not know how many workers there were, which of them died, and who was first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from trustydetox.corpus.batching import PATIENCE
from trustydetox.corpus.results import Task, result_line, result_lines
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import DetoxError, ResourceError

STRIKES = 2
"""So often tasks may lose their worker before they are given out in halves."""


@runtime_checkable
class Engine(Protocol):
    """Tasks in, lines of results out, first in first out.

    threshold, fallback: those of the pipeline.
    ahead: so many batches may be submitted before the first is taken.
    """

    threshold: float
    fallback: str
    ahead: int

    def submit(self, tasks: Sequence[Task], /) -> None:
        """Take a batch on."""
        ...

    def take(self) -> bytes:
        """The results of the oldest batch that hasn't been taken, as `result_lines` has them."""
        ...


class InProcess:
    """The engine of this very process."""

    ahead = 1

    def __init__(self, detoxifier: Detoxifier) -> None:
        self.threshold = detoxifier.threshold
        self.fallback: str = detoxifier.fallback
        self._detoxifier = detoxifier
        self._submitted: deque[Sequence[Task]] = deque()

    def submit(self, tasks: Sequence[Task], /) -> None:
        """Take a batch on."""
        self._submitted.append(tasks)

    def take(self) -> bytes:
        """The results of the oldest batch."""
        return result_lines(self._detoxifier, self._submitted.popleft())


@dataclass(frozen=True, slots=True)
class _Job:
    """Part of a batch: `tasks` begin at its task number `start`; lost with `strikes` workers."""

    batch: int
    start: int
    tasks: Sequence[Task]
    strikes: int = 0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: _Job | None = None
    is_ready: bool = False


class Workers:
    """Spawned processes that each make the pipeline anew; a context, at whose end they are killed.

    A worker that dies, be it by the system for want of memory, is replaced and its job given out
    again, later in halves; a text that takes its worker along even alone gets a reason.

    make: gives the pipeline, in each worker; must be picklable.
    count: of workers, among which PyTorch's threads are divided. They start with the first batch.
    """

    def __init__(
        self, make: Callable[[], Detoxifier], count: int, *, threshold: float, fallback: str
    ) -> None:
        self.threshold = threshold
        self.fallback = fallback
        self.ahead = 2 * count
        self._make = make
        self._count = count
        self._workers: list[_Worker] = []
        self._jobs: deque[_Job] = deque()
        self._parts: dict[int, dict[int, bytes]] = {}
        self._missing: dict[int, int] = {}
        self._submitted = self._taken = 0
        self._deaths = 0  # since anything was last got done

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
        self._parts[self._submitted] = {}
        self._missing[self._submitted] = len(tasks)
        if tasks:
            self._jobs.append(_Job(self._submitted, 0, tasks))
        self._submitted += 1
        while len(self._workers) < self._count:
            self._workers.append(self._started())
        self._give_out()

    def take(self) -> bytes:
        """The results of the oldest batch."""
        batch, self._taken = self._taken, self._taken + 1
        while self._missing[batch]:
            self._serve()
        del self._missing[batch]
        return b"".join(lines for _, lines in sorted(self._parts.pop(batch).items()))

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
            if self._jobs and worker.is_ready and worker.job is None:
                worker.job = self._jobs.popleft()
                try:
                    worker.pipe.send(worker.job.tasks)
                except OSError:
                    # It died idle; its pipe will say so to `_serve`.
                    continue

    def _serve(self) -> None:
        """Wait until a worker says something or dies."""
        ready = wait([worker.pipe for worker in self._workers])
        for at, worker in enumerate(self._workers):
            if worker.pipe not in ready:
                continue
            try:
                said = worker.pipe.recv()
            except (EOFError, OSError):
                self._mourn(worker)
                self._workers[at] = self._started()
                continue
            if isinstance(said, tuple):
                kind, message = said
                raise kind.__new__(kind, message)
            if said is not None and worker.job is not None:
                self._keep(worker.job, said)
            worker.is_ready, worker.job = True, None
        self._give_out()

    def _keep(self, job: _Job, lines: bytes) -> None:
        self._parts[job.batch][job.start] = lines
        self._missing[job.batch] -= len(job.tasks)
        self._deaths = 0

    def _mourn(self, worker: _Worker) -> None:
        worker.process.join()
        worker.pipe.close()
        self._deaths += 1
        code = worker.process.exitcode
        if self._deaths == PATIENCE or (self._deaths > STRIKES and not worker.is_ready):
            raise ResourceError(
                f"workers die one after the other (exit code {code}): if memory is short, "
                f"run fewer of them"
            )
        if worker.job is None:
            return
        job = worker.job
        strikes = job.strikes + 1
        if strikes < STRIKES:
            self._jobs.appendleft(_Job(job.batch, job.start, job.tasks, strikes))
        elif len(job.tasks) == 1:
            reason = f"a worker died of this text (exit code {code})"
            self._keep(job, result_line(reason))
        else:
            middle = len(job.tasks) // 2
            halves = (0, job.tasks[:middle]), (middle, job.tasks[middle:])
            self._jobs.extendleft(
                _Job(job.batch, job.start + start, tasks) for start, tasks in reversed(halves)
            )


def _work(pipe: Connection, make: Callable[[], Detoxifier], count: int) -> None:
    """The life of a worker: say None when ready, then answer each batch."""
    # An interrupt goes to all processes of a terminal; this one's parent will see to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    said: Any = None
    try:
        detoxifier = make()
        share_threads(count)
        pipe.send(None)
        while True:
            pipe.send(result_lines(detoxifier, pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except DetoxError as error:
        said = type(error), str(error)
    except MemoryError:
        said = ResourceError, "out of memory in a worker"
    except Exception:
        said = RuntimeError, traceback.format_exc()
    pipe.send(said)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this process was spawned
    parent.join()
    os._exit(1)


def share_threads(count: int) -> None:
    """Take one part in `count` of PyTorch's threads, where the pipeline uses PyTorch at all."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
