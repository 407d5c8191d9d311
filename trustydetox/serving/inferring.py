"""Asking a served model for completions, in the protocol that its runtime speaks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from trustydetox.errors import (
    ConfigError,
    DetoxError,
    InputError,
    ModelError,
    require_extra,
)
from trustydetox.serving.dialects import DIALECTS, Ask, Dialect
from trustydetox.serving.endpoint import GRPC, Endpoint
from trustydetox.serving.withholding import without_prompt

if TYPE_CHECKING:
    import httpx

CONNECT_S = 10.0
LONGEST_PAUSE_S = 30.0


class Model(Protocol):
    """A served model.

    Both methods raise InputError where the server refuses this prompt, so that the next one may be
    tried, and ModelError where it can't be reached or its answer isn't one.
    """

    def complete(self, prompt: str, max_tokens: int | None = None) -> str:
        """The completion, without the prompt."""
        ...

    def stream(self, prompt: str, max_tokens: int | None = None) -> Iterator[str]:
        """The same in pieces, as they come; a stream that breaks off raises after its pieces."""
        ...


@contextmanager
def connect(endpoint: Endpoint) -> Iterator[Model]:
    """The model behind an endpoint; nothing is asked before the first prompt."""
    if endpoint.protocol == GRPC:
        require_extra("grpc", f"protocol {GRPC}", "grpc")

        from trustydetox.serving.caikitgrpc import CaikitModel

        with CaikitModel(endpoint) as model:
            yield model
        return
    require_extra("httpx", "infer", "serve")
    with _client(endpoint) as client:
        yield _HttpModel(endpoint, DIALECTS[endpoint.protocol], client)


def _client(endpoint: Endpoint) -> httpx.Client:
    import httpx

    token, trusted = endpoint.token(), endpoint.trust()
    try:
        base = httpx.URL(endpoint.base)
    except httpx.InvalidURL as error:
        raise ConfigError(f"{endpoint.host!r} is no name that a host can have") from error
    try:
        return httpx.Client(
            base_url=base,
            headers={"authorization": f"Bearer {token}"} if token else {},
            verify=trusted,
            trust_env=not endpoint.is_here,  # a token for this machine isn't a proxy's to read
            timeout=httpx.Timeout(endpoint.timeout_s, connect=min(CONNECT_S, endpoint.timeout_s)),
        )
    except (httpx.InvalidURL, ValueError, ImportError):
        # The URL of a proxy isn't shown: it may hold a password.
        raise ConfigError(
            "a proxy of the environment (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) can't be used: "
            "expected http://HOST:PORT"
        ) from None


@dataclass(frozen=True)
class _HttpModel:
    endpoint: Endpoint
    dialect: Dialect
    client: httpx.Client

    def complete(self, prompt: str, max_tokens: int | None = None) -> str:
        ask = Ask(self.endpoint.model, prompt, max_tokens)
        with self._answered(self.dialect.path, self.dialect.body(ask), prompt) as response:
            text = self._read(response.read(), self.dialect.text)
        return "".join(self.dialect.new([text], prompt))

    def stream(self, prompt: str, max_tokens: int | None = None) -> Iterator[str]:
        if not self.dialect.stream_path:
            raise ConfigError(f"protocol {self.endpoint.protocol} has no streams")
        ask = Ask(self.endpoint.model, prompt, max_tokens)
        body = {**self.dialect.body(ask), **self.dialect.stream_body}
        with self._answered(self.dialect.stream_path, body, prompt) as response:
            yield from self.dialect.new(self._pieces(response, prompt), prompt)

    def _pieces(self, response: httpx.Response, prompt: str) -> Iterator[str]:
        count, ended = 0, False
        for kind, data in events(lines(response.iter_text())):
            if data == "[DONE]":
                ended = True
                break
            event = self._read(data, lambda found: found)
            if kind == "error" or (isinstance(event, dict) and "error" in event):
                raise _refused(self.endpoint, _code(event), _message(event), prompt)
            piece, last = self._read(
                data, lambda found: (self.dialect.piece(found), self.dialect.ended(found))
            )
            ended = ended or last
            count += len(piece)
            if piece:
                yield piece
        if not ended:
            raise _broken_off(self.endpoint, count)

    @contextmanager
    def _answered(self, path: str, body: Any, prompt: str) -> Iterator[httpx.Response]:
        """An answer of 200; what goes wrong while it is read becomes an error of ours too."""
        import httpx

        path = path.format(model=quote(self.endpoint.model, safe=""))
        try:
            for attempt in range(self.endpoint.retries + 1):
                with self.client.stream("POST", path, json=body) as response:
                    if response.status_code == 200:
                        yield response
                        return
                    if response.status_code != 503 or attempt == self.endpoint.retries:
                        response.read()
                        raise self._refusal(response, prompt)
                    pause = _pause(response.headers.get("retry-after"), attempt)
                time.sleep(pause)
        except httpx.TimeoutException as error:
            silence = f"{self.endpoint.timeout_s:g} s"
            raise ModelError(
                f"{self.endpoint.host} said nothing for {silence}: see --timeout"
            ) from error
        except httpx.ConnectError as error:
            raise _unreachable(self.endpoint, str(error)) from error
        except httpx.ProxyError as error:
            raise ModelError(
                f"the proxy before {self.endpoint.host} refuses: see HTTPS_PROXY and NO_PROXY"
            ) from error
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            raise ModelError(f"{self.endpoint.host} broke the connection off") from error
        except httpx.HTTPError as error:
            raise ModelError(
                f"the answer of {self.endpoint.host} can't be read ({type(error).__name__})"
            ) from error

    def _refusal(self, response: httpx.Response, prompt: str) -> DetoxError:
        if response.is_redirect:
            where = urlsplit(response.headers.get("location", "")).netloc or "another path"
            return ModelError(
                f"{self.endpoint.host} sends us to {where}: a wrong URL, or a token is missing"
            )
        try:
            message = _message(response.json())
        except ValueError:
            message = ""
        return _refused(self.endpoint, response.status_code, message, prompt)

    def _read(self, content: str | bytes, read: Any) -> Any:
        try:
            return read(json.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(
                f"what {self.endpoint.host} answered isn't what protocol {self.endpoint.protocol} "
                "gives: see --protocol"
            ) from error


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a stream of events, which CR, LF and CRLF end, and nothing else does.

    U+2028 and its like, at which Python splits lines, may stand in a completion.
    """
    held = ""
    for piece in pieces:
        # A CR at the end may be half of a CRLF.
        *ended, held = re.split(r"\r\n|\n|\r(?!\Z)", held + piece)
        yield from ended
    yield from re.split(r"\r\Z", held)[:-1]


def events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(kind, data) of server-sent events; one that no empty line ends has been cut and is left out.

    Source: the HTML standard's section on event streams; ids and retries are of no use here.
    """
    kind, data = "message", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield kind, "\n".join(data)
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def _pause(asked: str | None, attempt: int) -> float:
    """Seconds before asking again: what the server said, else half a second, doubled each time."""
    said = float(asked) if asked and asked.isdecimal() else 0.5 * 2**attempt
    return min(said, LONGEST_PAUSE_S)


def _message(answer: Any) -> str:
    """What a server says went wrong, in whichever of their forms."""
    found = answer
    for key in ("error", "details", "detail", "message", "msg"):
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict) and key in found:
            found = found[key]
    return found if isinstance(found, str) else ""


def _code(event: Any) -> int:
    inner = event.get("error") if isinstance(event, dict) else None
    for place in (event, inner):
        if isinstance(place, dict) and isinstance(place.get("code"), int):
            return int(place["code"])
    return 500


def _refused(endpoint: Endpoint, status: int, message: str, prompt: str) -> DetoxError:
    """The error for a status; what the server says may quote the prompt, and we may not."""
    said = without_prompt(message, prompt)
    line = f"{endpoint.host} answers {status}" + (f": {said}" if said else "")
    if status in {400, 413, 422}:
        return InputError(line)
    hints = {
        401: " (see --token-env and --token-file)",
        403: " (see --token-env and --token-file)",
        404: " (see --model and --protocol)",
    }
    return ModelError(line + hints.get(status, ""))


def _broken_off(endpoint: Endpoint, count: int) -> ModelError:
    return ModelError(f"the stream of {endpoint.host} broke off after {count} characters")


def _unreachable(endpoint: Endpoint, reason: str) -> ModelError:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return ModelError(
            f"the certificate of {endpoint.host} is signed by nobody known here: pass the "
            "certificates to trust with --ca-cert"
        )
    if "SSL" in reason:
        return ModelError(f"{endpoint.host} doesn't speak https: is it http://, or another port?")
    return ModelError(f"can't reach {endpoint.host}: {reason}")
