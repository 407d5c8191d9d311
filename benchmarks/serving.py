"""`serve` under load: latency and texts per second, beside the library; and minutes on end.

Clients and server share this machine, so what the clients cost is taken from the server. They speak
HTTP by hand over open connections, which costs them little.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import REPEATS, Spread
from trustydetox.recipes import load_recipe

PATHS = {"contents": ("/api/v1/text/contents", "contents"), "detoxify": ("/v1/detoxify", "texts")}


@dataclass
class Load:
    """What so many clients saw; seconds of each request that was answered with 200."""

    wall: float = 0.0
    texts: int = 0
    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """Milliseconds that a share of the answers took at most."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Server:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def load(
        self, kind: str, texts: Sequence[str], *, clients: int, per_request: int, until_s: float = 0
    ) -> Load:
        """Send all texts by so many clients, each with one request at a time; or for so long."""
        return asyncio.run(self._load(kind, texts, clients, per_request, until_s))

    async def _load(
        self, kind: str, texts: Sequence[str], clients: int, per_request: int, until_s: float
    ) -> Load:
        path, key = PATHS[kind]
        batches = [
            list(texts[start : start + per_request]) for start in range(0, len(texts), per_request)
        ]
        found, numbers = Load(), count()
        start = time.perf_counter()

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            while True:
                number = next(numbers)
                is_over = time.perf_counter() - start >= until_s
                if is_over and (until_s or number >= len(batches)):
                    break
                batch = batches[number % len(batches)]
                body = json.dumps({key: batch}).encode()
                begun = time.perf_counter()
                status = await _post(reader, writer, path, body)
                found.statuses[status] = found.statuses.get(status, 0) + 1
                if status == 200:
                    found.seconds.append(time.perf_counter() - begun)
                    found.texts += len(batch)
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(client() for _ in range(clients)))
        found.wall = time.perf_counter() - start
        return found

    def cpu(self) -> float:
        """Seconds of processor time that the process has had."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2]
        user, system = after_name.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MiB that the process holds."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
) -> int:
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split()[1])


@contextmanager
def served(*options: str) -> Iterator[Server]:
    """`trustydetox serve` with `mini` on one thread, as the other benchmarks run models."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trustydetox", "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on http://\S+:(\d+)", line):
            break
    else:
        raise RuntimeError("the service didn't start")
    # Nobody reads its log from here on, and a full pipe would stop it.
    drained = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    try:
        yield Server(process, int(found[1]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        drained.wait(60)
        process.stderr.close()


def serving(texts: int) -> list[Found]:
    """Latency and texts per second at 1, 8 and 64 clients, and the share of the library's speed."""
    made = rows.bundled(texts)
    detoxifier = load_recipe("mini")
    library = {
        "contents": lambda batch: detoxifier.find(batch),
        "detoxify": lambda batch: list(detoxifier.run(batch, batch_size=len(batch))),
    }
    found: list[Found] = []
    with served() as server:
        for kind, work in library.items():
            speeds: dict[tuple[int, int], list[float]] = {}
            loads: dict[tuple[int, int], list[Load]] = {}
            direct: list[float] = []
            direct_cpu: list[float] = []
            cpu: dict[tuple[int, int], list[float]] = {}
            work(made[:64])
            server.load(kind, made[:64], clients=8, per_request=1)
            before = os.getloadavg()[0]
            for _ in range(REPEATS):
                start, start_cpu = time.perf_counter(), time.process_time()
                for at in range(0, texts, 64):
                    work(made[at : at + 64])
                direct.append(texts / (time.perf_counter() - start))
                direct_cpu.append(texts / (time.process_time() - start_cpu))
                for setting in ((1, 1), (8, 1), (64, 1), (4, 64)):
                    clients, size = setting
                    start_cpu = server.cpu()
                    load = server.load(kind, made, clients=clients, per_request=size)
                    cpu.setdefault(setting, []).append(load.texts / (server.cpu() - start_cpu))
                    loads.setdefault(setting, []).append(load)
                    speeds.setdefault(setting, []).append(load.texts / load.wall)
            average = (before, os.getloadavg()[0])
            how = f"{texts} bundled rows, mini, one thread"
            found.append(
                Found(f"library, {kind}", "texts per s", Spread.of(direct), "",
                      f"{how}, batches of 64", average)
            )  # fmt: skip
            for (clients, size), all_loads in loads.items():
                name = f"serve {kind}, {clients} clients, {size} texts a request"
                for part, word in ((0.5, "p50"), (0.99, "p99")):
                    times = Spread.of([load.percentile(part) for load in all_loads])
                    found.append(Found(f"{name}, {word}", "ms", times, "", how, average))
                speed = speeds[clients, size]
                found.append(Found(name, "texts per s", Spread.of(speed), "", how, average))
                goal = ">= 0.8" if clients * size >= 64 else ""
                for clock, ours, theirs in (
                    ("wall", speed, direct),
                    ("CPU", cpu[clients, size], direct_cpu),
                ):
                    share = Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
                    found.append(
                        Found(f"{name}, of the library, {clock}", "", share, goal, how, average)
                    )
    return found


def overload(texts: int) -> list[Found]:
    """What 200 clients meet where 16 texts may wait: answers and refusals, nothing else."""
    made = rows.bundled(texts)
    before = os.getloadavg()[0]
    with served("--max-waiting", "16", "--max-texts", "16") as server:
        load = server.load("detoxify", made, clients=200, per_request=1)
    average = (before, os.getloadavg()[0])
    others = sum(n for status, n in load.statuses.items() if status not in {200, 429})
    how = f"{texts} requests by 200 clients, 16 texts may wait; " + ", ".join(
        f"{n} x {status}" for status, n in sorted(load.statuses.items())
    )
    return [
        Found("overload: neither 200 nor 429", "answers", Spread.of([float(others)]), "<= 0", how,
              average),
        Found("overload: p99 of what was answered", "ms", Spread.of([load.percentile(0.99)]), "",
              how, average),
    ]  # fmt: skip


def soak(minutes: float) -> list[Found]:
    """Errors and memory of a service that 8 clients keep busy for so long."""
    made = rows.bundled(2000)
    before = os.getloadavg()[0]
    with served() as server:
        memory: list[float] = []
        total = Load()
        # The first tenth fills caches and the allocator's arenas.
        for _ in range(10):
            load = server.load("detoxify", made, clients=8, per_request=4, until_s=6 * minutes)
            memory.append(server.memory())
            total.texts += load.texts
            for status, n in load.statuses.items():
                total.statuses[status] = total.statuses.get(status, 0) + n
    average = (before, os.getloadavg()[0])
    errors = sum(n for status, n in total.statuses.items() if status != 200)
    answers = total.statuses.get(200, 0)
    how = f"{minutes:g} minutes, 8 clients, {total.texts} texts in {answers} answers"
    growth = 100 * (memory[-1] / memory[0] - 1)
    return [
        Found("soak: errors", "answers", Spread.of([float(errors)]), "<= 0", how, average),
        Found("soak: memory", "MiB", Spread.of(memory), "", f"{how}; after each tenth", average),
        Found("soak: growth of memory, first to last tenth", "%", Spread.of([growth]), "<= 5", how,
              average),
    ]  # fmt: skip
