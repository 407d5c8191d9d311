"""A real Ray on this machine: the same bytes, whoever dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fakes import detoxifier
from trustydetox.corpus.engines.actors import Actors, shares
from trustydetox.errors import ConfigError, MissingExtraError

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_the_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'trustydetox\[ray\]'"):
        Actors(detoxifier, 1, threshold=0.5, fallback="drop")


@pytest.mark.parametrize(
    ("cpus", "gpus", "count", "each"),
    [
        (8, 0, 3, (2, 0)),
        (2, 0, 4, (0.5, 0)),
        (16, 1, 4, (4, 0.25)),
        (16, 4, 2, (8, 1)),
        (16, 4, 6, (2, 0.5)),  # of two thirds each, only four would find room
    ],
)
def test_actors_share_a_cluster_so_that_all_find_room(
    cpus: int, gpus: int, count: int, each: tuple[float, float]
) -> None:
    found = shares({"CPU": cpus, "GPU": gpus} if gpus else {"CPU": cpus}, count)
    assert (found["num_cpus"], found["num_gpus"]) == each
    on_one = int(1 / found["num_gpus"]) if gpus else count
    assert on_one * max(gpus, 1) >= count


@pytest.mark.needs("ray")
def test_a_cluster_of_which_nobody_answers_is_one_line_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        # Bound, but nobody listens there.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with (
            pytest.raises(ConfigError, match=f"no Ray cluster answers at '{address}'"),
            Actors(detoxifier, 1, threshold=0.5, fallback="drop"),
        ):
            pass


SCRIPT = """
from functools import partial
from pathlib import Path
from tests.corpus.engines.test_engines import Deadly, left_by, noisy, texts, workers
from tests.fakes import detoxifier
from trustydetox.corpus.engines.actors import Actors
from trustydetox.corpus.engines.engine import InProcess
from trustydetox.errors import ConfigError

def actors(make, threshold=0.5):
    return Actors(make, 2, threshold=threshold, fallback="drop")

def misconfigured():
    raise ConfigError("no such step")

source = Path("in.jsonl").resolve()
expected = left_by(source, noisy(), 64)
with workers(noisy, threshold=0.6) as engine:
    assert left_by(source, engine, 64) == expected
with actors(noisy, 0.6) as engine:
    assert left_by(source, engine, 64) == expected
print("same bytes")

once = Path("once").resolve()
plain = InProcess(detoxifier())
fragile = Deadly("boom", scorer=Deadly("flash", once))
with actors(partial(detoxifier, scorer=fragile)) as engine:
    for batch in (texts("fine", "flash"), texts("you idiot"), texts("boom")):
        engine.submit(batch)
        plain.submit(batch)
    assert engine.take() + engine.take() == plain.take() + plain.take()
    assert once.exists()
    last = engine.take()
print(last.decode(), end="")

with actors(misconfigured) as engine:
    engine.submit(texts("fine"))
    try:
        engine.take()
    except ConfigError as error:
        said = str(error)
print(said)
"""


@pytest.mark.needs("ray")
def test_actors_do_what_workers_do(place: Path) -> None:
    said = [f"you {('idiot', 'stupid', 'sir')[n % 3]} {n}" for n in range(600)]
    rows = [json.dumps({"text": text}) for text in said]
    (place / "in.jsonl").write_text("\n".join([*rows, "not a row"]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "same bytes",
        '{"error": "a worker died of this text (ActorDiedError)"}',
        "no such step",
    ]
