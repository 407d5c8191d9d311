"""Asking a service over HTTP in OpenAI's dialect; nothing is sent unless a recipe names one."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from trustydetox.errors import ConfigError, ModelError, require_extra

if TYPE_CHECKING:
    import httpx

_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))
_AGAIN = frozenset((408, 429, 500, 502, 503, 504))


def split_url(url: str) -> SplitResult:
    """The parts of a URL whose host and port can be such; a ConfigError never quotes the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # it is read only where it is asked for
    except ValueError:
        # Its words may quote a password.
        raise ConfigError(
            "expected https://HOST[:PORT], with a port of 0 to 65535 and an address of IPv6 "
            "in brackets; got a URL with something else in their place"
        ) from None
    return parts


@dataclass(frozen=True)
class Endpoint:
    """A service that speaks OpenAI's dialect.

    url: up to and with its version, such as `https://host/v1`.
    key: name of the environment variable that holds the key; the key itself stands nowhere.
    timeout: seconds for one answer. tries: how often to ask, where the service is busy.
    """

    url: str
    key: str | None = None
    timeout: float = 60.0
    tries: int = 4

    def __post_init__(self) -> None:
        parts = split_url(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"url must be http:// or https:// with a host, got {self.url!r}")
        if parts.username or parts.password:
            raise ConfigError("url must hold no password; name the variable with the key instead")
        if self.key and parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise ConfigError(f"a key is only sent over https://, got {self.url!r}")
        require_extra("httpx", "asking an endpoint", "serve")
        if self.tries < 1:
            raise ConfigError(f"tries must be at least 1, got {self.tries}")

    def ask(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST of `question`; errors name the service, never a text."""
        import httpx

        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self._secret()}"
        # Escaped, so that a lone surrogate, which UTF-8 refuses, goes along.
        content = json.dumps(question).encode("ascii")
        parts = urlsplit(self.url)
        # What goes to this machine in clear text, a key with it, isn't a proxy's to read.
        reads_environment = parts.scheme == "https" or parts.hostname not in _LOCAL
        said = "no answer"
        for number in range(self.tries):
            if number:
                time.sleep(min(0.5 * 2**number, 30.0))
            try:
                response = httpx.post(
                    f"{self.url.rstrip('/')}/{path}",
                    content=content,
                    headers=headers,
                    timeout=self.timeout,
                    trust_env=reads_environment,
                )
            except httpx.HTTPError as error:
                said = type(error).__name__
                continue
            if response.status_code not in _AGAIN:
                return _answer(self.url, response)
            said = f"status {response.status_code}"
        raise ModelError(f"{self.url} could not be reached in {self.tries} tries: {said}")

    def _secret(self) -> str:
        secret = os.environ.get(self.key or "")
        if not secret:
            raise ConfigError(f"the environment variable {self.key} with the key isn't set")
        return secret


def _answer(url: str, response: httpx.Response) -> dict[str, Any]:
    if response.status_code >= 400:
        raise ModelError(f"{url} refused: status {response.status_code}")
    try:
        answer = response.json()
    except ValueError as error:
        raise ModelError(f"{url} answered without JSON") from error
    if not isinstance(answer, dict):
        raise ModelError(f"{url} answered with a {type(answer).__name__}, expected an object")
    return answer
