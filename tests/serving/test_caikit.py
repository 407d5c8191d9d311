"""caikit's own runtime, in the environment whose Python `TRUSTYDETOX_CAIKIT_PYTHON` names.

    python -m venv DIR && DIR/bin/pip install 'caikit[runtime-grpc,runtime-http]==0.29.1' 'numpy<2'

The wheel of 0.29.1 lacks the runtime's generated messages: in its `runtime/protobufs`, run
`python -m grpc_tools.protoc -I protos --python_out=. --grpc_python_out=. protos/*.proto`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import free_port
from trustydetox.errors import DetoxError, InputError, ModelError
from trustydetox.serving import Endpoint, connect

PYTHON = os.environ.get("TRUSTYDETOX_CAIKIT_PYTHON")

pytestmark = pytest.mark.skipif(not PYTHON, reason="TRUSTYDETOX_CAIKIT_PYTHON names no Python")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """URLs by protocol of a runtime that serves a model `opt`."""
    folder = tmp_path_factory.mktemp("caikit")
    (folder / "models" / "opt").mkdir(parents=True)
    module = "module_id: f9181353-4ccf-4572-bd1e-f12bcda26792\n"
    (folder / "models" / "opt" / "config.yml").write_text(module)
    http, grpc = (free_port() for _ in range(2))
    settings = {
        "library": "caikit_nlp",
        "local_models_dir": str(folder / "models"),
        "lazy_load_local_models": True,
        "grpc": {"enabled": True, "port": grpc},
        "http": {"enabled": True, "port": http},
        "metrics": {"enabled": False},
    }
    (folder / "caikit.yml").write_text(json.dumps({"runtime": settings}))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "caikit.runtime"],
            env={
                **os.environ,
                "CONFIG_FILES": str(folder / "caikit.yml"),
                "PYTHONPATH": str(Path(__file__).parent),
            },
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            _wait(f"http://127.0.0.1:{http}/health", process)
            yield {
                "caikit-http": f"http://127.0.0.1:{http}",
                "caikit-grpc": f"http://127.0.0.1:{grpc}",
            }
        finally:
            process.terminate()
            process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the runtime ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the runtime didn't start")


BOTH = pytest.mark.parametrize("protocol", ["caikit-http", "caikit-grpc"])


@BOTH
def test_caikits_runtime_completes_and_streams(runtime: dict[str, str], protocol: str) -> None:
    with connect(Endpoint(url=runtime[protocol], model="opt", protocol=protocol)) as model:
        assert model.complete("What are some", max_tokens=3) == " and and and"
        assert list(model.stream("What are some", max_tokens=3)) == [" and"] * 3


@BOTH
@pytest.mark.parametrize(
    ("model", "prompt", "kind"),
    [("nope", "What", ModelError), ("opt", "refuse", InputError)],
)
def test_what_caikits_runtime_refuses_is_one_clear_line(
    runtime: dict[str, str], protocol: str, model: str, prompt: str, kind: type[DetoxError]
) -> None:
    endpoint = Endpoint(url=runtime[protocol], model=model, protocol=protocol)
    with connect(endpoint) as served, pytest.raises(kind) as caught:
        served.complete(prompt)
    assert "\n" not in str(caught.value)


@BOTH
def test_a_stream_of_caikits_that_breaks_raises_after_its_pieces(
    runtime: dict[str, str], protocol: str
) -> None:
    with connect(Endpoint(url=runtime[protocol], model="opt", protocol=protocol)) as model:
        pieces = model.stream("break", max_tokens=3)
        assert next(pieces) == " and"
        with pytest.raises(ModelError):
            list(pieces)
