"""The words of each protocol over HTTP: where a prompt goes, and where the completion stands.

Bodies and paths are those that the runtimes answered when they were run: vLLM's completions, those
of KServe's Hugging Face runtime under a prefix, the text-generation tasks of caikit's runtime, and
KServe's V1 and V2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trustydetox.errors import ConfigError, InputError

CAIKIT_TASK = "/api/v1/task/"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt for a model; always decoded greedily, so that two models can be compared.

    max_tokens: most new tokens; None leaves it to the server.

    InputError where the prompt can't be sent.
    """

    model: str
    prompt: str
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if found := _SURROGATE.search(self.prompt):
            raise InputError(
                f"a prompt must be a text in UTF-8; character {found.start()} of this one is half "
                "of one, as bytes in another encoding become"
            )


def as_they_come(pieces: Iterable[str], prompt: str) -> Iterator[str]:
    """The pieces of a completion, from a server that never repeats the prompt."""
    yield from pieces


def without_echo(pieces: Iterable[str], prompt: str) -> Iterator[str]:
    """The pieces after the prompt; held back as long as they may be the prompt."""
    held, is_open = "", True
    for piece in pieces:
        if not is_open:
            yield piece
            continue
        held += piece
        if not prompt.startswith(held):
            is_open = False
            yield held.removeprefix(prompt)
    if is_open and held != prompt:
        yield held


def without_echo_before_more(pieces: Iterable[str], prompt: str) -> Iterator[str]:
    """The same, but a text that is the prompt stays: a mended text may be what it was."""
    text = "".join(pieces)
    yield text.removeprefix(prompt) if len(text) > len(prompt) else text


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How to ask for a completion by POST, and how to read the answer.

    path: with `{model}` where it names the model.
    text: the completion in an answer; raises LookupError or TypeError where there is none.
    new: what of the pieces is new, where servers may repeat the prompt first.
    stream_path: where the same body is answered piece by piece; empty where it can't be.
    piece: the next piece in an event of a stream.
    ended: whether that event is the last one.
    """

    path: str
    body: Callable[[Ask], dict[str, Any]]
    text: Callable[[Any], str]
    new: Callable[[Iterable[str], str], Iterator[str]] = as_they_come
    stream_path: str = ""
    stream_body: Mapping[str, Any] = field(default_factory=dict)
    piece: Callable[[Any], str] = str
    ended: Callable[[Any], bool] = bool


def _completions_body(ask: Ask) -> dict[str, Any]:
    body = {"model": ask.model, "prompt": ask.prompt, "temperature": 0}
    return body if ask.max_tokens is None else body | {"max_tokens": ask.max_tokens}


def _completions_text(answer: Any) -> str:
    return _text(answer["choices"][0]["text"])


def _completions_piece(event: Any) -> str:
    # The last event may hold the counts alone.
    return _text(event["choices"][0].get("text") or "") if event["choices"] else ""


def _completions_ended(event: Any) -> bool:
    return any(choice.get("finish_reason") for choice in event["choices"])


def _completions(prefix: str) -> Dialect:
    return Dialect(
        path=f"{prefix}/v1/completions",
        body=_completions_body,
        text=_completions_text,
        stream_path=f"{prefix}/v1/completions",
        stream_body={"stream": True},
        piece=_completions_piece,
        ended=_completions_ended,
    )


def _caikit_body(ask: Ask) -> dict[str, Any]:
    parameters: dict[str, Any] = {"decoding_method": "GREEDY"}
    if ask.max_tokens is not None:
        parameters["max_new_tokens"] = ask.max_tokens
    return {"model_id": ask.model, "inputs": ask.prompt, "parameters": parameters}


def _caikit_text(answer: Any) -> str:
    return _text(answer["generated_text"])


def _caikit_piece(event: Any) -> str:
    return _text(event.get("generated_text") or "")


def _caikit_ended(event: Any) -> bool:
    reason = (event.get("details") or {}).get("finish_reason")
    return reason not in {None, "NOT_FINISHED"}


def _v1_body(ask: Ask) -> dict[str, Any]:
    if ask.max_tokens is not None:
        raise ConfigError("protocol v1 has no word for the number of new tokens")
    return {"instances": [ask.prompt]}


def _v1_text(answer: Any) -> str:
    return _text(answer["predictions"][0])


def _v2_body(ask: Ask) -> dict[str, Any]:
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [ask.prompt]}
    limit = {} if ask.max_tokens is None else {"parameters": {"max_tokens": ask.max_tokens}}
    return {"inputs": [text], **limit}


def _v2_text(answer: Any) -> str:
    (first, *_) = (one for one in answer["outputs"] if one["datatype"] == "BYTES")
    return _text(first["data"][0])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # JSON can say half a character, which nothing can be written with.
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)


DIALECTS: Mapping[str, Dialect] = {
    "openai": _completions(""),
    "openai-kserve": _completions("/openai"),
    "caikit-http": Dialect(
        path=f"{CAIKIT_TASK}text-generation",
        body=_caikit_body,
        text=_caikit_text,
        new=without_echo,
        stream_path=f"{CAIKIT_TASK}server-streaming-text-generation",
        piece=_caikit_piece,
        ended=_caikit_ended,
    ),
    "v1": Dialect(
        path="/v1/models/{model}:predict",
        body=_v1_body,
        text=_v1_text,
        new=without_echo_before_more,
    ),
    "v2": Dialect(
        path="/v2/models/{model}/infer",
        body=_v2_body,
        text=_v2_text,
        new=without_echo_before_more,
    ),
}
