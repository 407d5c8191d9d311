from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from typer.testing import CliRunner

from trustydetox.cli import app

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "recipes" / "plugin"
FAKE = ROOT / "tests" / "recipes" / "fake.yaml"

ROWS: list[dict[str, Any]] = [
    {"text": "you idiot, come here", "n": 1},
    {"text": "a fine day", "n": 2},
    {"text": "idiot", "n": 3},
]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package beside ours whose entry points are the tests' fakes."""
    monkeypatch.syspath_prepend(str(PLUGIN))


@pytest.fixture
def run() -> Run:
    """Run a command line in this process."""

    def _run(*args: object, stdin: str | bytes | None = None) -> Ran:
        result = CliRunner().invoke(app, list(map(str, args)), input=stdin, prog_name="trustydetox")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return _run


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command line in a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def _spawn(
        *args: object, stdin: int | None = None, out: int | IO[bytes] = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(map(str, (PLUGIN, ROOT)))
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "trustydetox", *map(str, args)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=stdin,
                stdout=out,
                stderr=subprocess.PIPE,
                # Tests that a shell started in the background ignore interrupts, and so would it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return started[-1]

    yield _spawn
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of three rows, two of them toxic to the fake recipe."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return path
