"""The model in KServe's own server, asked over REST and gRPC."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.fakes import detoxifier
from tests.serving.conftest import free_port
from tests.serving.failing import Failing
from tests.serving.holding import Held
from trustydetox.errors import ConfigError, ModelError
from trustydetox.serving import Endpoint, connect
from trustydetox.serving.kservemodel import kserve_model, main
from trustydetox.serving.service import Limits

pytestmark = pytest.mark.needs("kserve")

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "recipes" / "fake.yaml"
PLUGIN = ROOT / "tests" / "recipes" / "plugin"


class Served(NamedTuple):
    """A server of KServe's, its ports and where it logs."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    log: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    http, grpc = free_port(), free_port()
    log = tmp_path_factory.mktemp("kserve") / "log"
    ports = ("--http_port", str(http), "--grpc_port", str(grpc))
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "trustydetox.serving.kservemodel", "--model_name", "detox",
             "--recipe", str(FAKE), "--enable_latency_logging", "true", *ports],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (PLUGIN, ROOT)))},
            stdout=subprocess.PIPE,
            stderr=file,
        )  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{http}/v2/models/detox/ready", process)
            yield Served(process, http, grpc, log)
        finally:
            process.kill()
            process.communicate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the server didn't start")


def post(served: Served, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{served.http}{path}", json=body, timeout=60)


def tensor(*values: str, shape: list[int] | None = None, kind: str = "BYTES") -> dict[str, Any]:
    data = {"name": "text", "shape": shape or [len(values)], "datatype": kind, "data": [*values]}
    return {"id": "42", "inputs": [data]}


def test_v1_mends_instances(served: Served) -> None:
    body = {"instances": ["🙂 you idiot, come here", "a fine day", ""]}
    answer = post(served, "/v1/models/detox:predict", body)
    assert answer.json() == {"predictions": ["🙂 you, come here", "a fine day", ""]}


def test_v2_mends_a_tensor_and_keeps_its_shape(served: Served) -> None:
    texts = ("🙂 you idiot, come here", "a fine day", "moron", "fine")
    answer = post(served, "/v2/models/detox/infer", tensor(*texts, shape=[2, 2])).json()
    assert (answer["id"], answer["model_name"]) == ("42", "detox")
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert {name: one["shape"] for name, one in outputs.items()} == {
        "text": [2, 2],
        "verdict": [2, 2],
        "toxicity": [2, 2],
    }
    assert outputs["text"]["data"] == ["🙂 you, come here", "a fine day", "", "fine"]
    assert outputs["verdict"]["data"] == ["rewritten", "clean", "rewritten", "clean"]
    assert outputs["toxicity"]["data"] == pytest.approx([0.9, 0, 0.8, 0])


@pytest.mark.parametrize("is_binary", [False, True])
def test_grpc_takes_bytes_in_either_form(served: Served, is_binary: bool) -> None:
    import numpy as np
    from kserve import InferenceGRPCClient, InferInput, InferRequest

    values = ["🙂 you idiot, come here".encode(), b"a fine day"]
    given = InferInput("text", [2], "BYTES", values)
    if is_binary:
        given.set_data_from_numpy(np.array(values, dtype=object), binary_data=True)

    async def ask() -> Any:
        client = InferenceGRPCClient(f"127.0.0.1:{served.grpc}")
        try:
            return await client.infer(InferRequest("detox", [given]))
        finally:
            await client.close()

    outputs = {one.name: one for one in asyncio.run(ask()).outputs}
    mended = outputs["text"].as_numpy().tolist()
    assert mended == ["🙂 you, come here".encode(), b"a fine day"]
    assert outputs["toxicity"].as_numpy().tolist() == pytest.approx([0.9, 0])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/models/detox:predict", {"instances": "you idiot"}, 400, "list"),
        ("/v1/models/detox:predict", {"instances": [1]}, 400, "expected"),
        ("/v1/models/detox:predict", {"instances": ["a"] * 257}, 400, "may hold 256 texts"),
        ("/v1/models/detox:predict", {"instances": ["a" * 20_001]}, 400, "20000 characters"),
        ("/v1/models/nope:predict", {"instances": ["a"]}, 404, "nope does not exist"),
        ("/v2/models/detox/infer", tensor("1", kind="FP32"), 400, "one tensor of BYTES, got 0"),
        ("/v2/models/detox/infer", tensor("a", shape=[2]), 400, "shape"),
        ("/v2/models/detox/infer", {"inputs": []}, 400, "one tensor of BYTES, got 0"),
    ],
)
def test_what_isnt_texts_is_refused(
    served: Served, path: str, body: Any, status: int, words: str
) -> None:
    answer = post(served, path, body)
    assert answer.status_code == status
    assert words in answer.text


def test_a_model_that_takes_no_first_text_is_not_served() -> None:
    with pytest.raises(ModelError, match="no first text"):
        kserve_model("detox", detoxifier(fallback="redact", scorer=Failing("idiot")))


def test_infer_speaks_v1_and_v2_to_it(served: Served) -> None:
    for protocol in ("v1", "v2"):
        endpoint = Endpoint(url=f"http://127.0.0.1:{served.http}", model="detox", protocol=protocol)
        with connect(endpoint) as model:
            assert model.complete("you idiot, come here") == "you, come here"
            assert model.complete("a fine day") == "a fine day"


def test_sigterm_ends_it_and_no_text_is_in_its_log(served: Served) -> None:
    post(served, "/v1/models/detox:predict", {"instances": ["zebra idiot"]})
    post(served, "/v1/models/detox:predict", {"instances": [{"zebra": 1}]})
    served.process.send_signal(signal.SIGTERM)
    out, _ = served.process.communicate(timeout=60)
    assert (served.process.returncode, out) == (0, b"")
    log = served.log.read_bytes()
    # Control: there is a log.
    assert b"POST /v1/models/detox%3Apredict" in log
    assert b"zebra" not in log
    # Another option of KServe's own, off by default.
    assert b"predict_ms" in log


def test_a_fallback_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no place for a dropped text"):
        kserve_model("detox", detoxifier(fallback="drop"))


def test_several_workers_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--workers", "2", "--configure_logging", "false"])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: expected --workers 1, got 2")


def test_what_is_too_much_is_refused_in_the_words_of_its_protocol() -> None:
    from fastapi import HTTPException
    from grpc_interceptor.exceptions import ResourceExhausted
    from kserve import InferInput, InferRequest

    held = Held()
    limits = Limits(texts=1, waiting=1, batch=1)
    model = kserve_model("detox", detoxifier(scorer=held, fallback="redact"), limits=limits)
    over_rest = {"instances": ["you idiot"]}
    over_grpc = InferRequest("detox", [InferInput("text", [1], "BYTES", [b"a"])], from_grpc=True)

    async def ask() -> list[Any]:
        computed = asyncio.create_task(model.predict(over_rest))
        await asyncio.to_thread(held.begun.wait, 10)
        waits = asyncio.create_task(model.predict(over_rest))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="429"):
            await model.predict(over_rest)
        with pytest.raises(ResourceExhausted):
            await model.predict(over_grpc)
        held.may_go.set()
        return [await computed, await waits]

    assert asyncio.run(ask()) == [{"predictions": ["you"]}] * 2
