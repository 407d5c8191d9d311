"""`infer` against `transformers serve`, a real server of completions, with a tiny OPT."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.conftest import free_port
from tests.serving.models import save_tiny_opt
from trustydetox.errors import DetoxError
from trustydetox.serving import Endpoint, Model, connect

pytestmark = [pytest.mark.needs("openai"), pytest.mark.needs("fastapi")]

PROMPT = "What are some"


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of the server, and the name of its model."""
    folder = tmp_path_factory.mktemp("opt")
    save_tiny_opt(folder / "model")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("transformers"), "serve", str(folder / "model"),
             "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}", str(folder / "model")
        finally:
            process.terminate()
            process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the server didn't start")


@pytest.fixture
def model(opt: tuple[str, str]) -> Iterator[Model]:
    url, name = opt
    with connect(Endpoint(url=url, model=name)) as model:
        yield model


def test_a_stream_has_the_words_of_the_whole(model: Model) -> None:
    whole = model.complete(PROMPT, max_tokens=12)
    assert whole
    assert not whole.startswith(PROMPT)
    # Its tokens are bytes: what is no whole character yet is not streamed.
    assert "".join(model.stream(PROMPT, max_tokens=12)) == whole.rstrip("\ufffd")
    # Control: it is greedy, and the number of tokens counts.
    assert model.complete(PROMPT, max_tokens=12) == whole
    assert len(model.complete(PROMPT, max_tokens=2)) < len(whole)


def test_the_words_are_those_that_the_model_says_here(model: Model, opt: tuple[str, str]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(opt[1])
    network: Any = AutoModelForCausalLM.from_pretrained(opt[1], dtype="float32")
    given = tokenizer(PROMPT, return_tensors="pt")
    tokens = network.generate(**given, max_new_tokens=12, do_sample=False)
    expected = tokenizer.decode(tokens[0, given.input_ids.shape[1] :], skip_special_tokens=True)
    assert model.complete(PROMPT, max_tokens=12) == expected


def test_another_model_is_refused(opt: tuple[str, str]) -> None:
    with (
        connect(Endpoint(url=opt[0], model="nope")) as model,
        pytest.raises(DetoxError, match=r"requested .nope."),
    ):
        model.complete(PROMPT)
