"""The text-generation task of caikit's runtime over gRPC.

The messages are described here by hand, as much of them as is needed, so that neither generated
code nor the server's reflection is. Source: `TextGenerationTaskRequest`, `GeneratedTextResult` and
`GeneratedTextStreamResult` of caikit; on the wire only numbers and kinds of fields count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from trustydetox.errors import ConfigError, DetoxError, InputError, ModelError
from trustydetox.serving.dialects import Ask, without_echo
from trustydetox.serving.endpoint import Endpoint
from trustydetox.serving.withholding import without_prompt

if TYPE_CHECKING:
    import grpc

SERVICE = "/caikit.runtime.Nlp.NlpService/"
MODEL_KEY = "mm-model-id"

# Message -> field -> (number, kind).
FIELDS = {
    "Request": {"text": (1, "string"), "max_new_tokens": (2, "int64"),
                "decoding_method": (5, "string")},
    "Result": {"generated_text": (1, "string"), "generated_tokens": (2, "int64"),
               "finish_reason": (3, "int32")},
    "Details": {"finish_reason": (1, "int32")},
    "Piece": {"generated_text": (1, "string"), "details": (3, "Details")},
}  # fmt: skip


@cache
def message(name: str) -> Any:
    """The class of a message of `FIELDS`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caikit.proto", syntax="proto3")
    for kind, fields in FIELDS.items():
        described = file.message_type.add(name=kind)
        for field, (number, of) in fields.items():
            one = described.field.add(name=field, number=number)
            one.label = one.LABEL_OPTIONAL
            if of in FIELDS:
                one.type, one.type_name = one.TYPE_MESSAGE, of
            else:
                one.type = getattr(one, f"TYPE_{of.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


class CaikitModel:
    """A model behind `caikit-grpc`; see `Model`."""

    def __init__(self, endpoint: Endpoint) -> None:
        import grpc

        parts = urlsplit(endpoint.base)
        if parts.path:
            raise ConfigError(f"gRPC knows no path: expected HOST:PORT, got {parts.path}")
        is_safe = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        target = f"{host}:{parts.port or (443 if is_safe else 80)}"
        # A token for this machine isn't a proxy's to read.
        options = [("grpc.enable_http_proxy", int(not endpoint.is_here))]
        self._endpoint = endpoint
        token = endpoint.token()
        self._metadata = [(MODEL_KEY, endpoint.model)]
        if token:
            self._metadata.append(("authorization", f"Bearer {token}"))
        self._channel: grpc.Channel
        if is_safe:
            endpoint.trust()  # a file without certificates is better said here than by gRPC
            roots = endpoint.ca_cert.read_bytes() if endpoint.ca_cert else None
            self._channel = grpc.secure_channel(
                target, grpc.ssl_channel_credentials(roots), options
            )
        else:
            self._channel = grpc.insecure_channel(target, options)

    def __enter__(self) -> CaikitModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self._channel.close()

    def complete(self, prompt: str, max_tokens: int | None = None) -> str:
        """The completion, without the prompt."""
        return "".join(self._asked(self._whole, prompt, max_tokens))

    def stream(self, prompt: str, max_tokens: int | None = None) -> Iterator[str]:
        """The same in pieces, as they come."""
        return self._asked(self._pieces, prompt, max_tokens)

    def _asked(
        self, pieces: Callable[[Any], Iterator[str]], prompt: str, max_tokens: int | None
    ) -> Iterator[str]:
        import grpc

        ask = Ask(self._endpoint.model, prompt, max_tokens)
        request = message("Request")(text=ask.prompt, decoding_method="GREEDY")
        if ask.max_tokens is not None:
            request.max_new_tokens = ask.max_tokens
        for attempt in range(self._endpoint.retries + 1):
            has_begun = False
            try:
                for piece in without_echo(pieces(request), prompt):
                    has_begun = True
                    yield piece
                return
            except grpc.RpcError as error:
                is_busy = error.code() is grpc.StatusCode.UNAVAILABLE
                if not is_busy or has_begun or attempt == self._endpoint.retries:
                    raise self._refused(error, prompt) from error
            time.sleep(0.5 * 2**attempt)

    def _whole(self, request: Any) -> Iterator[str]:
        call = self._channel.unary_unary(
            f"{SERVICE}TextGenerationTaskPredict",
            request_serializer=message("Request").SerializeToString,
            response_deserializer=message("Result").FromString,
        )
        answer = call(request, metadata=self._metadata, timeout=self._endpoint.timeout_s)
        yield answer.generated_text

    def _pieces(self, request: Any) -> Iterator[str]:
        call = self._channel.unary_stream(
            f"{SERVICE}ServerStreamingTextGenerationTaskPredict",
            request_serializer=message("Request").SerializeToString,
            response_deserializer=message("Piece").FromString,
        )
        for piece in call(request, metadata=self._metadata, timeout=self._endpoint.timeout_s):
            if piece.generated_text:
                yield piece.generated_text

    def _refused(self, error: Any, prompt: str) -> DetoxError:
        import grpc

        code, host = error.code(), self._endpoint.host
        details = error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            seconds = self._endpoint.timeout_s
            return ModelError(f"{host} gave no answer in {seconds:g} s: see --timeout")
        if "CERTIFICATE_VERIFY_FAILED" in details:
            return ModelError(
                f"the certificate of {host} is signed by nobody known here: pass the certificates "
                "to trust with --ca-cert"
            )
        if "failed to connect" in details:
            return ModelError(f"can't reach {host}")
        line = f"{host} answers {code.name}: {without_prompt(details, prompt)}"
        if code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE}:
            return InputError(line)
        return ModelError(line)
