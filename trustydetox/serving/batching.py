"""Dynamic batching: what many requests ask for goes through the models together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class OverloadError(Exception):
    """More waits than is allowed to."""


class Batcher(Generic[A, R]):
    """Hands items to `work` in batches: all that came while the batch before was computed.

    So nothing waits for company: a request that comes alone is computed at once, and under load
    the batches grow by themselves. First come, first served. Belongs to one event loop.

    work: one result per item, in order; called in one thread of its own.
    largest: most items of a batch.
    capacity: most items that may wait.
    """

    def __init__(
        self, work: Callable[[Sequence[A]], Sequence[R]], *, largest: int, capacity: int
    ) -> None:
        self._work = work
        self._largest = largest
        self._capacity = capacity
        # One thread for all batches: each new one would bring its own pool of a model's threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._queue: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._computed: Future[Sequence[R]] | None = None

    @property
    def waiting(self) -> int:
        """How many items no batch has taken yet."""
        return len(self._queue)

    @property
    def is_computing(self) -> bool:
        """Whether `work` is at a batch, also one that nobody waits for any more."""
        return self._computed is not None and not self._computed.done()

    async def results(self, items: Sequence[A]) -> list[R]:
        """One result per item, in order; raises OverloadError at once if not all of them may wait.

        Where `work` fails, all items of that batch get its error. Cancelled, they are not computed
        any more.
        """
        if len(self._queue) + len(items) > self._capacity:
            raise OverloadError
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in items]
        self._queue.extend(zip(items, futures, strict=True))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._drain())
        try:
            return await asyncio.gather(*futures)
        except asyncio.CancelledError:
            # Else they would take places of others until a batch comes upon them.
            self._queue = deque(held for held in self._queue if not held[1].done())
            raise

    async def _drain(self) -> None:
        while batch := self._next():
            items = [item for item, _ in batch]
            try:
                self._computed = self._thread.submit(self._work, items)
                results = await asyncio.wrap_future(self._computed)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)

    def _next(self) -> list[tuple[A, asyncio.Future[R]]]:
        batch: list[tuple[A, asyncio.Future[R]]] = []
        while self._queue and len(batch) < self._largest:
            item, future = self._queue.popleft()
            if not future.done():
                batch.append((item, future))
        return batch
