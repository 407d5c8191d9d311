from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import FAKE, Run
from tests.endpoint import start_endpoint
from tests.serving.holding import HELD
from trustydetox.errors import ConfigError, ModelError

Spawn = Callable[..., subprocess.Popen[bytes]]


def listening(process: subprocess.Popen[bytes]) -> str:
    """The URL that a service says it listens on."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"listening on (\S+)", line):
            return found[1].decode()
    raise AssertionError("the service didn't start")


def test_a_service_that_is_told_to_stop_answers_what_it_began_and_takes_nothing_new(
    spawn: Spawn,
) -> None:
    process = spawn("serve", "--port", 0, "--recipe", FAKE)
    url = listening(process)
    assert httpx.get(f"{url}/ready", timeout=60).status_code == 200
    answers: list[httpx.Response] = []
    begun, goes_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b'{"texts": ['
        begun.set()
        goes_on.wait(20)
        yield b'"zebra idiot"]}'

    def ask() -> None:
        headers = {"content-type": "application/json"}
        path = f"{url}/v1/detoxify"
        answers.append(httpx.post(path, content=slowly(), headers=headers, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait(20)
    while "requests_in_flight 1.0" not in httpx.get(f"{url}/metrics").text:
        pass
    process.send_signal(signal.SIGTERM)
    with suppress(httpx.TransportError):
        while httpx.get(f"{url}/health").status_code == 200:
            pass
    assert process.poll() is None
    goes_on.set()
    asking.join()
    assert answers[0].json()["records"][0]["output"] == "zebra"
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"")
    assert b"POST /v1/detoxify 200" in err
    assert b"zebra" not in err


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_what_takes_longer_than_the_drain_is_told_so_and_not_waited_for(
    spawn: Spawn, tmp_path: Path, told: signal.Signals, code: int
) -> None:
    recipe = tmp_path / "held.yaml"
    recipe.write_text(FAKE.read_text().replace("scorer: fake-words", "scorer: fake-held"))
    process = spawn("serve", "--port", 0, "--drain", 1, "--recipe", recipe)
    url = listening(process)
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(f"{url}/v1/detoxify", json={"texts": [HELD]}, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    while "requests_in_flight 1.0" not in httpx.get(f"{url}/metrics").text:
        pass
    process.send_signal(told)
    asking.join()
    assert answers[0].json() == {"code": 503, "message": "the service stops"}
    # It is held for a minute.
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"POST /v1/detoxify 503" in err
    assert b"Traceback" not in err


def test_a_model_that_refuses_is_one_clear_line_before_anything_is_served(
    run: Run, tmp_path: Path
) -> None:
    endpoint = start_endpoint()
    endpoint.failures.append(404)
    recipe = tmp_path / "chat.yaml"
    chat = f"infiller: {{step: chat, model: m, url: '{endpoint.url}'}}"
    recipe.write_text(FAKE.read_text().replace("infiller: fake-delete", chat))
    ran = run("serve", "--port", 0, "--recipe", recipe)
    endpoint.stop()
    assert ran.code == ModelError.exit_code
    assert ran.err == f"error: {endpoint.url} refused: status 404\n"


def test_a_port_that_is_taken_is_one_clear_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--port", port, "--recipe", FAKE)
    assert ran.code == ConfigError.exit_code
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"error: can't listen on 127.0.0.1:{port}: Address already in use")
