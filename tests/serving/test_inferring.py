from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse

from tests.serving.conftest import Serve
from tests.serving.replaying import (
    CAIKIT,
    CAIKIT_ERROR,
    COMPLETION,
    DONE,
    NEW,
    NO_MODEL,
    PROMPT,
    V1,
    V2,
    Replay,
    chunk,
    piece,
)
from trustydetox.errors import ConfigError, DetoxError, InputError, ModelError
from trustydetox.serving import Endpoint, connect
from trustydetox.serving.inferring import events, lines


def complete(url: str, protocol: str = "openai", prompt: str = PROMPT, **settings: Any) -> str:
    endpoint = Endpoint(url=url, model="opt", protocol=protocol, **settings)
    with connect(endpoint) as model:
        return model.complete(prompt)


def stream(url: str, protocol: str, prompt: str = PROMPT) -> Iterator[str]:
    with connect(Endpoint(url=url, model="opt", protocol=protocol, retries=0)) as model:
        yield from model.stream(prompt)


def caikit_body(**parameters: Any) -> dict[str, Any]:
    return {
        "model_id": "opt",
        "inputs": PROMPT,
        "parameters": {"decoding_method": "GREEDY", **parameters},
    }


@pytest.mark.parametrize(
    ("protocol", "answer", "path", "body"),
    [
        (
            "openai",
            COMPLETION,
            "/v1/completions",
            {"model": "opt", "prompt": PROMPT, "temperature": 0, "max_tokens": 4},
        ),
        (
            "openai-kserve",
            COMPLETION,
            "/openai/v1/completions",
            {"model": "opt", "prompt": PROMPT, "temperature": 0, "max_tokens": 4},
        ),
        (
            "caikit-http",
            CAIKIT,
            "/api/v1/task/text-generation",
            caikit_body(max_new_tokens=4),
        ),
        (
            "v2",
            V2,
            "/v2/models/opt/infer",
            {
                "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [PROMPT]}],
                "parameters": {"max_tokens": 4},
            },
        ),
    ],
)
def test_a_prompt_goes_out_and_what_is_new_comes_back(
    serve: Serve, protocol: str, answer: Any, path: str, body: Any
) -> None:
    replay = Replay(answer)
    with connect(Endpoint(url=serve(replay.app), model="opt", protocol=protocol)) as model:
        assert model.complete(PROMPT, max_tokens=4) == NEW
    assert [asked[:2] for asked in replay.asked] == [(path, body)]


def test_v1_has_no_word_for_the_number_of_tokens(serve: Serve) -> None:
    replay = Replay(V1)
    url = serve(replay.app)
    assert complete(url, "v1") == NEW
    assert replay.asked[0][:2] == ("/v1/models/opt:predict", {"instances": [PROMPT]})
    with (
        connect(Endpoint(url=url, model="opt", protocol="v1")) as model,
        pytest.raises(ConfigError, match="no word for the number"),
    ):
        model.complete(PROMPT, max_tokens=4)


@pytest.mark.parametrize(
    ("protocol", "answer", "text"),
    [
        # vLLM doesn't repeat the prompt, so what looks like it is new.
        ("openai", {"choices": [{"text": PROMPT + NEW}]}, PROMPT + NEW),
        ("caikit-http", {"generated_text": NEW}, NEW),
        ("caikit-http", {"generated_text": PROMPT}, ""),
        # A server that mends texts gives a clean one back as it came.
        ("v1", {"predictions": [PROMPT]}, PROMPT),
        ("v1", {"predictions": [NEW]}, NEW),
    ],
)
def test_only_an_echo_is_taken_off(serve: Serve, protocol: str, answer: Any, text: str) -> None:
    assert complete(serve(Replay(answer).app), protocol) == text


@pytest.mark.parametrize(
    ("protocol", "sent", "pieces"),
    [
        ("openai", [chunk(" a"), chunk(" b"), chunk("", "length"), DONE], [" a", " b"]),
        ("openai-kserve", [chunk(" a", "stop"), DONE], [" a"]),
        # Without an end mark but with a reason, as `transformers serve` has it.
        ("openai", [chunk(" a"), chunk("", "stop")], [" a"]),
        ("openai", ['data: {"choices": [], "usage": {}}\n\n', DONE], []),
        ("openai", [": ping\n\n", chunk(" ü🙂"), DONE], [" ü🙂"]),
        ("caikit-http", [piece(" a"), piece(" b", "MAX_TOKENS")], [" a", " b"]),
        ("caikit-http", [piece("What "), piece("are some"), piece(" a", "EOS_TOKEN")], [" a"]),
        ("caikit-http", [piece("What"), piece("ever", "EOS_TOKEN")], ["Whatever"]),
        ("caikit-http", [piece("What", "EOS_TOKEN")], ["What"]),
    ],
)
def test_a_stream_comes_piece_by_piece_without_the_prompt(
    serve: Serve, protocol: str, sent: list[str], pieces: list[str]
) -> None:
    assert list(stream(serve(Replay(sent).app), protocol)) == pieces


def test_a_stream_is_asked_for_in_the_words_of_its_protocol(serve: Serve) -> None:
    replay = Replay([chunk(" a"), DONE], [piece(" a", "EOS_TOKEN")])
    url = serve(replay.app)
    list(stream(url, "openai"))
    list(stream(url, "caikit-http"))
    (path, body, _), (caikit_path, caikit, _) = replay.asked
    assert (path, body["stream"]) == ("/v1/completions", True)
    assert (caikit_path, caikit) == (
        "/api/v1/task/server-streaming-text-generation",
        caikit_body(),
    )
    with pytest.raises(ConfigError, match="v2 has no streams"):
        list(stream(url, "v2"))


@pytest.mark.parametrize(
    ("protocol", "sent", "words"),
    [
        ("openai", [chunk(" a"), 'data: {"error": {"message": "killed", "code": 500}}\n\n'],
         "answers 500: killed"),
        ("openai", [chunk(" a"), 'data: {"error": "out of memory"}\n\n'], "500: out of memory"),
        ("caikit-http", [piece(" a"), CAIKIT_ERROR], "500: 'NoneType' object has no attribute"),
        ("openai", [chunk(" a")], "broke off after 2 characters"),
        ("openai", [chunk(" a"), chunk(" b", "stop")[:-1]], "broke off after 2 characters"),
        ("caikit-http", [piece(" a")], "broke off after 2 characters"),
        ("openai", [chunk(" a"), "data: {\n\n"], "isn't what protocol openai gives"),
        ("openai", [chunk(" a"), 'data: {"x": 1}\n\n'], "isn't what protocol openai gives"),
    ],
)  # fmt: skip
def test_a_stream_that_goes_wrong_after_its_200_raises_after_its_pieces(
    serve: Serve, protocol: str, sent: list[str], words: str
) -> None:
    pieces = stream(serve(Replay(sent).app), protocol)
    assert next(pieces) == " a"
    with pytest.raises(ModelError, match=words):
        list(pieces)


class Dying(http.server.BaseHTTPRequestHandler):
    """Promises a thousand bytes, sends an event and leaves."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(chunk(" a").encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def dying() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Dying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_connection_that_is_cut_is_an_error_of_ours(dying: str) -> None:
    pieces = stream(dying, "openai")
    assert next(pieces) == " a"
    with pytest.raises(ModelError, match="broke the connection off"):
        list(pieces)
    with pytest.raises(ModelError, match="broke the connection off"):
        complete(dying)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((404, NO_MODEL), ModelError, "404: The model `nope` does not exist. (see --model"),
        ((404, {"error": "Model with name nope does not exist."}), ModelError, "see --model"),
        ((400, {"details": "no model_id", "code": 400, "id": "1"}), InputError, "400: no model_id"),
        ((422, {"detail": [{"msg": "Field required", "input": PROMPT}]}), InputError,
         "422: Field required"),
        ((400, {"error": {"message": f"too long: {PROMPT}"}}), InputError, "too long: …"),
        ((401, {}), ModelError, "answers 401 (see --token-env"),
        ((500, ["?"]), ModelError, "answers 500"),
        (PlainTextResponse("a page", 502), ModelError, "answers 502"),
        (PlainTextResponse("a page"), ModelError, "isn't what protocol openai gives"),
        ({"choices": []}, ModelError, "isn't what protocol openai gives"),
        ({"choices": [{"text": 1}]}, ModelError, "isn't what protocol openai gives"),
        (RedirectResponse("https://login.example/x"), ModelError, "sends us to login.example"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_one_clear_line(
    serve: Serve, answer: Any, kind: type[DetoxError], words: str
) -> None:
    replay = Replay(answer)
    with pytest.raises(kind) as caught:
        complete(serve(replay.app))
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert PROMPT not in said
    # Control: it isn't asked again.
    assert len(replay.asked) == 1


@pytest.mark.parametrize("prompt", ["You clown! " * 39 + "You clown!", "You clown,\nlook here"])
def test_a_refused_prompt_is_in_no_error(serve: Serve, prompt: str) -> None:
    said = {"error": {"message": f'invalid prompt: "{prompt}" is too long', "code": 400}}
    with pytest.raises(InputError, match='invalid prompt: "…" is too long'):
        complete(serve(Replay((400, said)).app), prompt=prompt)
    event = f"data: {json.dumps(said)}\n\n"
    with pytest.raises(InputError, match='invalid prompt: "…" is too long'):
        list(stream(serve(Replay([event]).app), "openai", prompt))


def test_a_503_is_asked_again_and_nothing_else(serve: Serve) -> None:
    busy = (503, {"message": "loading"}, {"retry-after": "0"})
    replay = Replay(busy, busy, COMPLETION)
    assert complete(serve(replay.app)) == NEW
    assert len(replay.asked) == 3
    replay = Replay(busy)
    with pytest.raises(ModelError, match="503: loading"):
        complete(serve(replay.app), retries=2)
    assert len(replay.asked) == 3


def test_a_server_that_says_nothing_is_given_up(serve: Serve) -> None:
    class Silent(Replay):
        async def _answer(self, request: Any) -> Any:
            import asyncio

            await asyncio.sleep(0.5)
            return await super()._answer(request)

    with pytest.raises(ModelError, match=r"said nothing for 0\.2 s"):
        complete(serve(Silent(COMPLETION).app), timeout_s=0.2)


def test_a_place_where_nobody_listens_is_named() -> None:
    with pytest.raises(ModelError, match=r"can't reach 127\.0\.0\.1:9"):
        complete("http://127.0.0.1:9")


def test_a_host_that_can_t_be_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'☃\.example' is no name that a host can have"):
        complete("http://☃.example")


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy that lets nobody through."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_proxy_that_refuses_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ModelError, match=r"the proxy before models\.example refuses"):
        complete("https://models.example")


def test_no_proxy_reads_what_this_machine_is_told(
    serve: Serve, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("DETOX_TOKEN", "abc")
    replay = Replay(COMPLETION)
    assert complete(serve(replay.app), token_env="DETOX_TOKEN") == NEW
    with pytest.raises(ModelError, match="answers 501"):  # of the proxy, which knows no POST
        complete("http://models.example")


@pytest.mark.parametrize("url", ["gopher://me:secret@here", "http://me:secret@here:port"])
def test_a_proxy_that_can_t_be_one_is_refused_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(ConfigError, match="a proxy of the environment") as caught:
        complete("https://models.example")
    assert "secret" not in str(caught.value)


def test_a_token_is_read_where_it_is_referred_to(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(COMPLETION)
    url = serve(replay.app)
    monkeypatch.setenv("DETOX_TOKEN", "abc.def\n")
    (tmp_path / "token").write_text("ghi\n")
    complete(url)
    complete(url, token_env="DETOX_TOKEN")
    complete(url, token_file=tmp_path / "token")
    sent = [headers.get("authorization") for *_, headers in replay.asked]
    assert sent == [None, "Bearer abc.def", "Bearer ghi"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://here"}, "expected https://HOST"),
        ({"url": "https://"}, "expected https://HOST"),
        ({"url": "https://here:secret"}, "expected https://HOST[:PORT], with a port"),
        ({"url": "https://here:65536"}, "expected https://HOST[:PORT], with a port"),
        ({"url": "http://[::1"}, "address of IPv6 in brackets"),
        ({"url": "https://me:secret@here"}, "no user, password or query"),
        ({"url": "http://models.example", "token_env": "T"}, "a token goes over https alone"),
        ({"url": "here", "token_env": "T", "token_file": Path("t")}, "not from both"),
        ({"url": "here", "protocol": "openia"}, "did you mean 'openai'"),
        ({"url": "here", "timeout_s": 0}, "timeout must be above 0"),
        ({"url": "here", "model": ""}, "name is needed"),
    ],
)
def test_an_endpoint_that_cant_be_right_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint(**{"model": "opt", **settings})
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "two words", "two\nlines", "ü"])
def test_a_token_that_is_none_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, "utf-8")
    endpoint = Endpoint(url="https://here", model="opt", token_file=tmp_path / "token")
    with pytest.raises(ConfigError, match="token") as caught:
        endpoint.token()
    assert not content or content not in str(caught.value)


def test_without_a_scheme_it_is_https() -> None:
    assert Endpoint(url="models.example/", model="opt").base == "https://models.example"
    assert Endpoint(url="http://models.example/a/", model="opt").base == "http://models.example/a"


def test_events_are_read_as_the_standard_says() -> None:
    lines = ["event: error", "data: a", "data:b", "", ": comment", "", "id: 1", "data:  c", "",
             "data: cut"]  # fmt: skip
    assert list(events(lines)) == [("error", "a\nb"), ("message", " c")]


def test_lines_end_where_the_standard_says_and_nowhere_else() -> None:
    pieces = ["a\u2028b\x85", "c\r", "\nd\r", "e\n\n", "f", "g\r\r", "cut"]
    assert list(lines(pieces)) == ["a\u2028b\x85c", "d", "e", "", "fg", ""]
    assert list(lines(["a\r"])) == ["a"]


def test_a_completion_may_hold_any_line_break(serve: Serve) -> None:
    text = " a\u2028b\u2029c\x85d"
    event = f'data: {{"choices": [{{"text": "{text}", "finish_reason": "stop"}}]}}\r\n\r\n'
    assert list(stream(serve(Replay([event]).app), "openai")) == [text]


@pytest.mark.parametrize(
    "protocol", ["openai", pytest.param("caikit-grpc", marks=pytest.mark.needs("grpc"))]
)
def test_a_prompt_that_no_server_can_be_sent_is_refused_without_showing_it(protocol: str) -> None:
    with pytest.raises(InputError, match="character 14 of this one is half") as caught:
        complete("http://127.0.0.1:9", protocol, "secretword caf\udce9")
    assert "secretword" not in str(caught.value)


def test_half_a_character_in_an_answer_becomes_a_sign_that_can_be_written(serve: Serve) -> None:
    answer = PlainTextResponse('{"choices": [{"text": "a\\ud83d b \\ud83d\\ude42"}]}')
    assert complete(serve(Replay(answer).app)) == "a\ufffd b 🙂"


def test_an_answer_that_cannot_be_unpacked_is_an_error_of_ours(serve: Serve) -> None:
    answer = PlainTextResponse("no gzip", headers={"content-encoding": "gzip"})
    with pytest.raises(ModelError, match=r"can't be read \(DecodingError\)"):
        complete(serve(Replay(answer).app))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine that nobody has signed, with its key beside it."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path / "here.pem"
    path.write_bytes(made.public_bytes(pem))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.mark.needs("cryptography")
def test_a_certificate_is_checked_against_the_ones_that_are_trusted(
    certificate: Path, tmp_path: Path
) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"127.0.0.1:{server.server_port}"
    try:
        assert complete(url, ca_cert=certificate) == NEW
        with pytest.raises(ModelError, match=r"signed by nobody known here.*--ca-cert"):
            complete(url)
        (tmp_path / "other.pem").write_text("no certificate")
        with pytest.raises(ConfigError, match="holds no certificates"):
            complete(url, ca_cert=tmp_path / "other.pem")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Answering(Dying):
    """Answers with a completion."""

    def do_POST(self) -> None:
        body = json.dumps(COMPLETION).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_https_where_http_is_spoken_is_named(serve: Serve) -> None:
    url = serve(Replay(COMPLETION).app).replace("http://", "https://")
    with pytest.raises(ModelError, match="doesn't speak https"):
        complete(url)
