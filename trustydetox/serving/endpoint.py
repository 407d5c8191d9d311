"""Where a served model is, and how to be let in."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.serving.dialects import DIALECTS
from trustydetox.steps.asking import split_url

GRPC = "caikit-grpc"
PROTOCOLS = (*DIALECTS, GRPC)

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a model is served, and how to be let in.

    url: without a scheme it is https; `http://` has to be said.
    protocol: one of `PROTOCOLS`.
    token_env, token_file: where a bearer token is to be found, read when it is needed; a token goes
        over https alone, but for this machine.
    ca_cert: the certificates to trust instead of the usual ones (PEM).
    timeout_s: the longest silence of the server.
    retries: how often a 503, and over gRPC an UNAVAILABLE, is asked again; nothing else is.
    """

    url: str
    model: str
    protocol: str = "openai"
    token_env: str | None = None
    token_file: Path | None = None
    ca_cert: Path | None = None
    timeout_s: float = 60.0
    retries: int = 3

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            near = did_you_mean(self.protocol, PROTOCOLS)
            raise ConfigError(f"no protocol is called {self.protocol!r}{near}")
        if not self.model:
            raise ConfigError("a model's name is needed")
        if self.timeout_s <= 0 or self.retries < 0:
            raise ConfigError("timeout must be above 0, retries 0 or more")
        parts = split_url(self.base)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"expected https://HOST[:PORT], got scheme {parts.scheme!r}")
        if parts.username or parts.query:
            raise ConfigError("a URL may hold no user, password or query: see --token-env")
        if self.token_env and self.token_file:
            raise ConfigError("a token comes from a variable or from a file, not from both")
        if parts.scheme == "http" and (self.token_env or self.token_file) and not self.is_here:
            raise ConfigError("a token goes over https alone, and the URL says http")

    @property
    def base(self) -> str:
        """The URL with its scheme and without a slash at its end."""
        url = self.url if "://" in self.url else f"https://{self.url}"
        return url.rstrip("/")

    @property
    def host(self) -> str:
        """What errors call it."""
        return urlsplit(self.base).netloc

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, where no proxy has a part in what is said."""
        return urlsplit(self.base).hostname in LOOPBACK

    def token(self) -> str | None:
        """The bearer token; never in a message, a log or a repr."""
        if self.token_env:
            token = os.environ.get(self.token_env, "").strip()
            if not token:
                raise ConfigError(f"the variable {self.token_env} holds no token")
        elif self.token_file:
            try:
                token = self.token_file.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"can't read a token from {self.token_file}") from error
        else:
            return None
        if not token.isascii() or not token.isprintable() or " " in token or not token:
            raise ConfigError("what should be a token is none: expected one line of plain ASCII")
        return token

    def trust(self) -> ssl.SSLContext:
        """Whose certificates are believed; they are always checked."""
        if self.ca_cert is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cafile=self.ca_cert)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self.ca_cert} holds no certificates (PEM)") from error
