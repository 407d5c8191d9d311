"""Where the pipeline's work is done: here, in this process, or by workers of some kind.

An engine only computes. It gives results back in the order of the tasks, so that whoever writes
them need not know how many workers there were, which of them died, and who was first.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from trustydetox.corpus.engines.batching import PATIENCE
from trustydetox.corpus.engines.heap import return_free_memory
from trustydetox.corpus.engines.results import Task, result_line, result_lines
from trustydetox.corpus.pacing import Told, unheard
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import DetoxError, ResourceError

JOB_TASKS = 256
"""Most tasks that are done at a time."""

FEWEST = 16
"""Least tasks of a job, where a batch has more: fewer are read less well together."""

SHARE = 4
"""Jobs that a batch is cut into for each worker, so that none waits long for the last."""

STRIKES = 2
"""So often a job may lose its worker before it is given out in halves."""


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

    def take(self, told: Told = unheard, /) -> bytes:
        """The results of the oldest batch that hasn't been taken, as `result_lines` has them.

        told: how many characters were done, as parts of this or a later batch come back.
        """
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

    def take(self, told: Told = unheard, /) -> bytes:
        """The results of the oldest batch."""
        tasks, parts = self._submitted.popleft(), []
        for start in range(0, len(tasks), JOB_TASKS):
            part = tasks[start : start + JOB_TASKS]
            parts.append(result_lines(self._detoxifier, part))
            return_free_memory()
            told(_size(part))
        return b"".join(parts)


def _size(tasks: Sequence[Task]) -> int:
    return sum(len(task.text) for task in tasks)


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker gets: the tasks of a batch from number `start` on; `strikes` were lost with it.

    batch: a number.
    """

    batch: int
    start: int
    tasks: Sequence[Task]
    strikes: int = 0


class Jobs:
    """Batches cut into jobs, for workers that may die of one.

    A job that is lost with its worker is given out again, later in halves, and one that takes too
    long in halves at once; a text that does either even alone gets a reason instead of a record.

    workers: how many there are to share a batch.
    waiting: the jobs to give out next.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.waiting: deque[Job] = deque()
        self._parts: dict[int, dict[int, bytes]] = {}
        self._missing: dict[int, int] = {}
        self._added = self._taken = 0
        self._deaths = 0  # since anything was last got done
        self._told: Told = unheard

    def add(self, tasks: Sequence[Task]) -> None:
        """One more batch."""
        self._parts[self._added] = {}
        self._missing[self._added] = len(tasks)
        size = min(JOB_TASKS, max(FEWEST, -(-len(tasks) // (SHARE * self._workers))))
        for start in range(0, len(tasks), size):
            self.waiting.append(Job(self._added, start, tasks[start : start + size]))
        self._added += 1

    def take(self, serve: Callable[[], object], told: Told) -> bytes:
        """The results of the oldest batch; `serve` is called until they are there."""
        batch, self._taken = self._taken, self._taken + 1
        self._told = told
        while self._missing[batch]:
            serve()
        del self._missing[batch]
        return b"".join(lines for _, lines in sorted(self._parts.pop(batch).items()))

    def done(self, job: Job | None, answer: Answer) -> None:
        """A worker answered, to no job that it has begun; what it couldn't do is raised here."""
        if isinstance(answer, Failure):
            raise answer.kind.__new__(answer.kind, answer.message)
        if job is not None:
            self._deaths = 0
            self._keep(job, answer)

    def lost(self, job: Job | None, how: str) -> None:
        """A worker died, over a job or before it had one.

        ResourceError where nothing else has happened for long.
        """
        self._deaths += 1
        if self._deaths == PATIENCE or (job is None and self._deaths > STRIKES):
            raise ResourceError(
                f"workers die one after the other ({how}): if memory is short, run fewer of them"
            )
        if job is None:
            return
        if job.strikes + 1 < STRIKES:
            self.waiting.appendleft(Job(job.batch, job.start, job.tasks, job.strikes + 1))
        else:
            self._halve(job, f"a worker died of this text ({how})")

    def late(self, job: Job, seconds: float) -> None:
        """A worker was stopped that had worked at a job for so long."""
        self._halve(job, f"the models took longer than {seconds:g} s over this text")

    def _halve(self, job: Job, reason: str) -> None:
        """Give a job out in halves; that of one text gets a reason."""
        if len(job.tasks) == 1:
            self._keep(job, result_line(reason))
            return
        middle = len(job.tasks) // 2
        self.waiting.appendleft(Job(job.batch, job.start + middle, job.tasks[middle:]))
        self.waiting.appendleft(Job(job.batch, job.start, job.tasks[:middle]))

    def _keep(self, job: Job, lines: bytes) -> None:
        self._parts[job.batch][job.start] = lines
        self._missing[job.batch] -= len(job.tasks)
        self._told(_size(job.tasks))


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way from a worker; errors themselves don't all survive being pickled."""

    kind: type[Exception]
    message: str


Answer = bytes | Failure


def answer_to(tasks: Sequence[Task], detoxifier: Callable[[], Detoxifier]) -> Answer:
    """What a worker says to its tasks, and to none at all when `detoxifier` gave the pipeline."""
    try:
        lines = result_lines(detoxifier(), tasks)
        return_free_memory()
        return lines
    except DetoxError as error:
        return Failure(type(error), str(error))
    except MemoryError:
        return Failure(ResourceError, "out of memory in a worker")
    except Exception:
        return Failure(RuntimeError, traceback.format_exc())
