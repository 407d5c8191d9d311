"""The client of caikit's gRPC against a real gRPC server that knows bytes alone.

`test_caikit.py` runs it against caikit's own runtime, whose bytes are recorded here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from trustydetox.errors import ConfigError, InputError, ModelError
from trustydetox.serving import Endpoint, connect

pytestmark = pytest.mark.needs("grpc")

SERVICE = "/caikit.runtime.Nlp.NlpService/"
# text = "What", max_new_tokens = 2, decoding_method = "GREEDY"
REQUEST = b"\x0a\x04What\x10\x02\x2a\x06GREEDY"
# generated_text = "What and and", generated_tokens = 2, finish_reason = MAX_TOKENS
RESULT = b"\x0a\x0cWhat and and\x10\x02\x18\x01"
# generated_text = " and", details = {finish_reason, generated_tokens, seed}
PIECES = [b"\x0a\x04 and\x1a\x04\x10\x01\x18\x01", b"\x0a\x04 and\x1a\x06\x08\x01\x10\x02\x18\x01"]

Grpc = Callable[..., str]


@pytest.fixture
def grpc_server() -> Iterator[Grpc]:
    """Serve (whole, pieces), two functions of (bytes, context), and give the URL."""
    import grpc

    with ExitStack() as stack:

        def _serve(whole: Any, pieces: Any, host: str = "127.0.0.1") -> str:
            class Service(grpc.GenericRpcHandler):  # type: ignore[misc]
                def service(self, call: Any) -> Any:
                    if call.method == f"{SERVICE}TextGenerationTaskPredict":
                        return grpc.unary_unary_rpc_method_handler(whole)
                    if call.method == f"{SERVICE}ServerStreamingTextGenerationTaskPredict":
                        return grpc.unary_stream_rpc_method_handler(pieces)
                    return None

            server = grpc.server(ThreadPoolExecutor(2))
            server.add_generic_rpc_handlers([Service()])
            port = server.add_insecure_port(f"{host}:0")
            server.start()
            stack.callback(lambda: server.stop(None).wait())
            return f"http://{host}:{port}"

        yield _serve


def endpoint(url: str, **settings: Any) -> Endpoint:
    return Endpoint(url=url, model="opt", protocol="caikit-grpc", **settings)


def test_the_bytes_are_those_that_caikit_reads_and_writes(
    grpc_server: Grpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bytes, dict[str, str]]] = []

    def whole(request: bytes, context: Any) -> bytes:
        asked.append((request, dict(context.invocation_metadata())))
        return RESULT

    monkeypatch.setenv("DETOX_TOKEN", "abc")
    url = grpc_server(whole, lambda request, context: iter(PIECES))
    with connect(endpoint(url, token_env="DETOX_TOKEN")) as model:
        assert model.complete("What", max_tokens=2) == " and and"
        assert list(model.stream("What", max_tokens=2)) == [" and", " and"]
    ((request, metadata),) = asked
    assert request == REQUEST
    assert (metadata["mm-model-id"], metadata["authorization"]) == ("opt", "Bearer abc")


def test_an_address_of_ipv6_is_reached(grpc_server: Grpc) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    url = grpc_server(lambda request, context: RESULT, lambda request, context: [], "[::1]")
    with connect(endpoint(url, retries=0)) as model:
        assert model.complete("What") == " and and"


def test_no_proxy_reads_what_this_machine_is_told(
    grpc_server: Grpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    url = grpc_server(lambda request, context: RESULT, lambda request, context: [])
    with connect(endpoint(url, retries=0)) as model:
        assert model.complete("What") == " and and"


def test_only_unavailable_is_asked_again(grpc_server: Grpc) -> None:
    import grpc

    codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]

    def whole(request: bytes, context: Any) -> bytes:
        if codes:
            context.abort(codes.pop(), "What is loading")
        return RESULT

    url = grpc_server(whole, whole)
    with connect(endpoint(url)) as model:
        assert model.complete("What") == " and and"
    codes[:] = [grpc.StatusCode.INTERNAL]
    with connect(endpoint(url)) as model, pytest.raises(ModelError, match="INTERNAL: … is loading"):
        model.complete("What")
    codes[:] = [grpc.StatusCode.INVALID_ARGUMENT]
    with connect(endpoint(url)) as model, pytest.raises(InputError, match="INVALID_ARGUMENT"):
        model.complete("What")
    codes[:] = [grpc.StatusCode.UNAVAILABLE]
    with connect(endpoint(url, retries=0)) as model, pytest.raises(ModelError):
        model.complete("What")


@pytest.mark.parametrize("prompt", ["You clown! " * 39 + "You clown!", "You clown,\nlook here"])
def test_a_refused_prompt_is_in_no_error(grpc_server: Grpc, prompt: str) -> None:
    import grpc

    def whole(request: bytes, context: Any) -> None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f'"{prompt}" is too long')

    with (
        connect(endpoint(grpc_server(whole, whole))) as model,
        pytest.raises(InputError, match='INVALID_ARGUMENT: "…" is too long'),
    ):
        model.complete(prompt)


def test_a_stream_that_breaks_raises_after_its_pieces_and_isnt_begun_again(
    grpc_server: Grpc,
) -> None:
    import grpc

    begun: list[bytes] = []

    def pieces(request: bytes, context: Any) -> Iterator[bytes]:
        begun.append(request)
        yield PIECES[0]
        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    with connect(endpoint(grpc_server(pieces, pieces))) as model:
        found = model.stream("What")
        assert next(found) == " and"
        with pytest.raises(ModelError, match="UNAVAILABLE: gone"):
            list(found)
    assert len(begun) == 1


def test_silence_and_an_empty_place_are_named(grpc_server: Grpc) -> None:
    def late(request: bytes, context: Any) -> bytes:
        time.sleep(1)
        return RESULT

    url = grpc_server(late, late)
    with connect(endpoint(url, timeout_s=0.2)) as model, pytest.raises(ModelError, match=r"0\.2 s"):
        model.complete("What")
    with (
        connect(endpoint("http://127.0.0.1:9", retries=0)) as model,
        pytest.raises(ModelError, match=r"can't reach 127\.0\.0\.1:9"),
    ):
        model.complete("What")
    with pytest.raises(ConfigError, match="gRPC knows no path"), connect(endpoint(f"{url}/a")):
        pass
