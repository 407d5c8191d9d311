from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx

from tests.cli.conftest import FAKE, Run
from trustydetox.errors import ConfigError

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


def test_a_port_that_is_taken_is_one_clear_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--port", port, "--recipe", FAKE)
    assert ran.code == ConfigError.exit_code
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"error: can't listen on 127.0.0.1:{port}: Address already in use")
