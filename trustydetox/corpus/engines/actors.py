"""The engine of a Ray cluster."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from math import ceil
from types import TracebackType
from typing import Any, NamedTuple, TextIO, cast

from trustydetox.corpus.engines.engine import Answer, Job, Jobs, answer_to
from trustydetox.corpus.engines.results import Task
from trustydetox.corpus.pacing import Told, unheard
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, require_extra

SECONDS = 5.0
"""So long a cluster may take to answer at all."""


class _Actor:
    """A worker of Ray's; makes the pipeline when it is first asked."""

    def __init__(self, make: Callable[[], Detoxifier]) -> None:
        self._make = make
        self._made: Detoxifier | None = None

    def answer(self, tasks: Sequence[Task]) -> Answer:
        return answer_to(tasks, self._detoxifier)

    def _detoxifier(self) -> Detoxifier:
        if self._made is None:
            self._made = self._make()
        return self._made


class _DataOnly:
    """Standard output for bytes; Ray's text, which it prints from a thread, goes beside it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Begun(NamedTuple):
    """What an actor is at, and since when; None: making its pipeline."""

    actor: Any
    job: Job | None
    since: float


def shares(resources: Mapping[str, float], count: int) -> dict[str, float]:
    """What each of `count` actors asks Ray for: of the CPUs as many, of the GPUs at most one.

    Where there are fewer GPUs than actors, as many share one as must: Ray hides a GPU from whoever
    asks for none, and keeps no part of one that is on another.
    """
    cpus, gpus = resources.get("CPU", 1) / count, resources.get("GPU", 0)
    return {
        "num_cpus": int(cpus) if cpus >= 1 else cpus,
        "num_gpus": 1 / ceil(count / gpus) if gpus else 0,
    }


class Actors:
    """Ray actors that each make the pipeline anew; a context, at whose end they are killed.

    Joins the cluster that RAY_ADDRESS names, else makes one on this machine that lives as long as
    the context. An actor that dies, be it with its machine, is replaced.

    make: gives the pipeline, in each actor; what it needs must be installed on every machine.
    count: of actors, among which the CPUs and the GPUs of the cluster are divided.
    seconds: an actor that works longer at one job is killed, see `Jobs`; None: never.
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
        require_extra("ray", "--engine ray", "ray")
        self.threshold = threshold
        self.fallback = fallback
        self.ahead = 2 * count
        self._make = make
        self._count = count
        self._seconds = seconds
        self._idle: list[Any] = []
        self._busy: dict[Any, _Begun] = {}
        self._jobs = Jobs(count)
        self._stack = ExitStack()

    def __enter__(self) -> Actors:
        # Ray would tell its makers that it is used; no network is asked here unasked.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        _require_reachable(os.environ.get("RAY_ADDRESS", ""))
        self._stack.enter_context(redirect_stdout(cast("TextIO", _DataOnly(sys.stdout))))
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            self._stack.close()
            raise ConfigError(
                f"Ray can't be reached or started ({type(error).__name__})"
            ) from error
        self._stack.callback(ray.shutdown)
        self._class = ray.remote(**shares(ray.cluster_resources(), self._count))(_Actor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        for actor in (*self._idle, *(begun.actor for begun in self._busy.values())):
            ray.kill(actor)
        self._stack.close()

    def submit(self, tasks: Sequence[Task], /) -> None:
        """Take a batch on."""
        self._jobs.add(tasks)
        self._give_out()

    def take(self, told: Told = unheard, /) -> bytes:
        """The results of the oldest batch."""
        return self._jobs.take(self._serve, told)

    def _give_out(self) -> None:
        while self._jobs.waiting and (self._idle or len(self._busy) < self._count):
            job = None
            if self._idle:
                actor, job = self._idle.pop(), self._jobs.waiting.popleft()
            else:
                # Asked for nothing, it shows whether it can begin at all.
                actor = self._class.remote(self._make)
            answer = actor.answer.remote(job.tasks if job else ())
            self._busy[answer] = _Begun(actor, job, time.monotonic())

    def _serve(self) -> None:
        """Wait until an actor answers, dies or is late."""
        import ray

        left = self._left()
        found, _ = ray.wait(list(self._busy), timeout=min(left.values(), default=None))
        if not found:
            late = min(left, key=left.__getitem__)
            begun = self._busy.pop(late)
            ray.kill(begun.actor)
            if begun.job is not None:
                self._jobs.late(begun.job, self._seconds or 0.0)
            self._give_out()
            return
        (ready,) = found
        actor, job, _ = self._busy.pop(ready)
        try:
            answer = ray.get(ready)
        except ray.exceptions.RayError as error:
            ray.kill(actor)
            self._jobs.lost(job, type(error).__name__)
        else:
            self._idle.append(actor)
            self._jobs.done(job, answer)
        self._give_out()

    def _left(self) -> dict[Any, float]:
        """Seconds until an answer is late, for each that can be."""
        if self._seconds is None:
            return {}
        now = time.monotonic()
        return {
            answer: max(0.0, begun.since + self._seconds - now)
            for answer, begun in self._busy.items()
            if begun.job is not None
        }


def _require_reachable(address: str) -> None:
    """Refuse a cluster of which nobody answers: Ray itself would try for minutes."""
    host, found, port = address.removeprefix("ray://").rpartition(":")
    if not found or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray cluster answers at {address!r}, which RAY_ADDRESS names "
            f"({error.strerror or error}): start it, or unset RAY_ADDRESS for one on this machine"
        ) from error
