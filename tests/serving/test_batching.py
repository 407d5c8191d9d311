from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from trustydetox.serving.batching import Batcher, OverloadError


class Doubling:
    """Doubles numbers; waits before each batch where it was told to, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.begun = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.begun.set()
        self.may_go.wait(10)
        self.batches.append(list(items))
        if -1 in items:
            raise ValueError
        return [2 * item for item in items]


async def until(waiting: int, batcher: Batcher[int, int]) -> None:
    async with asyncio.timeout(5):
        while batcher.waiting != waiting:
            await asyncio.sleep(0.001)


def test_each_gets_its_own_results_in_order() -> None:
    async def ask() -> list[list[int]]:
        batcher = Batcher(Doubling(), largest=3, capacity=100)
        return await asyncio.gather(*(batcher.results([n, n + 1, n + 2]) for n in (10, 20, 30)))

    assert asyncio.run(ask()) == [[20, 22, 24], [40, 42, 44], [60, 62, 64]]


def test_what_comes_while_a_batch_is_computed_makes_the_next_one() -> None:
    async def ask() -> list[list[int]]:
        work = Doubling()
        batcher = Batcher(work, largest=3, capacity=100)
        work.may_go.clear()
        first = asyncio.create_task(batcher.results([1]))
        await asyncio.to_thread(work.begun.wait, 10)
        others = [asyncio.create_task(batcher.results([n])) for n in (2, 3)]
        others.append(asyncio.create_task(batcher.results([4, 5])))
        await until(4, batcher)
        work.may_go.set()
        await asyncio.gather(first, *others)
        # Idle in between, it still takes the next one.
        await batcher.results([6])
        return work.batches

    # Control: taken one by one they would be six batches.
    assert asyncio.run(ask()) == [[1], [2, 3, 4], [5], [6]]


def test_beyond_its_capacity_it_refuses_at_once_and_keeps_what_it_has() -> None:
    async def ask() -> list[int]:
        work = Doubling()
        batcher = Batcher(work, largest=10, capacity=2)
        work.may_go.clear()
        computed = asyncio.create_task(batcher.results([1]))
        await asyncio.to_thread(work.begun.wait, 10)
        waiting = asyncio.create_task(batcher.results([2, 3]))
        await until(2, batcher)
        with pytest.raises(OverloadError):
            await batcher.results([4])
        work.may_go.set()
        return [*await computed, *await waiting]

    assert asyncio.run(ask()) == [2, 4, 6]


def test_an_error_reaches_those_of_its_batch_and_no_other() -> None:
    async def ask() -> list[object]:
        work = Doubling()
        batcher = Batcher(work, largest=2, capacity=10)
        asked = [batcher.results([-1]), batcher.results([1]), batcher.results([2])]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    failed, beside, later = asyncio.run(ask())
    assert isinstance(failed, ValueError)
    assert isinstance(beside, ValueError)
    assert later == [4]


def test_what_nobody_waits_for_any_more_is_not_computed() -> None:
    async def ask() -> list[list[int]]:
        work = Doubling()
        batcher = Batcher(work, largest=10, capacity=10)
        work.may_go.clear()
        first = asyncio.create_task(batcher.results([1]))
        await asyncio.to_thread(work.begun.wait, 10)
        left = asyncio.create_task(batcher.results([2]))
        await until(1, batcher)
        left.cancel()
        await until(0, batcher)
        stays = asyncio.create_task(batcher.results([3]))
        await until(1, batcher)
        work.may_go.set()
        await asyncio.gather(first, stays)
        return work.batches

    assert asyncio.run(ask()) == [[1], [3]]
