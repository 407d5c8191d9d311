"""Servers that answer with what real runtimes answered when they were run, recorded here.

vLLM 0.32, caikit.runtime 0.29 with caikit-nlp's local module, kserve 0.21. A stream of caikit's is
that of a module of our own in caikit's runtime: the local one has no streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

PROMPT = "What are some"
NEW = " physical examples"

COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "opt",
    "choices": [
        {
            "index": 0,
            "text": NEW,
            "logprobs": None,
            "finish_reason": "length",
            "stop_reason": None,
        }
    ],
    "usage": {"prompt_tokens": 3, "total_tokens": 7, "completion_tokens": 4},
}
NO_MODEL = {
    "error": {
        "message": "The model `nope` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }
}
CAIKIT = {
    "generated_text": PROMPT + NEW,
    "generated_tokens": 11,
    "finish_reason": "MAX_TOKENS",
    "producer_id": {"name": "Text Generation", "version": "0.1.0"},
    "input_token_count": 4,
    "seed": 1,
    "tokens": None,
    "input_tokens": None,
}
V1 = {"predictions": [PROMPT + NEW]}
V2 = {
    "model_name": "opt",
    "model_version": None,
    "id": "42",
    "parameters": None,
    "outputs": [
        {"name": "score", "shape": [1], "datatype": "FP32", "parameters": None, "data": [0.5]},
        {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": None, "data": [NEW]},
    ],
}


def chunk(text: str, finish: str | None = None) -> str:
    """An event of vLLM's stream."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'cmpl-1', 'choices': [choice]})}\n\n"


def piece(text: str, finish: str = "NOT_FINISHED") -> str:
    """An event of caikit's stream."""
    details = {"finish_reason": finish, "generated_tokens": 1, "seed": 1}
    return f"data: {json.dumps({'generated_text': text, 'tokens': [], 'details': details})}\n\n"


DONE = "data: [DONE]\n\n"
CAIKIT_ERROR = (
    "event: error\ndata: {\"details\": \"'NoneType' object has no attribute 'method_name'\", "
    '"code": 500, "id": "1"}\n\n'
)


class Replay:
    """An app that answers every POST with the next of some answers, and keeps what it was asked.

    An answer is a body, (status, body[, headers]), or the events of a stream.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        self.asked.append((request.url.path, await request.json(), dict(request.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, list):
            return streamed(answer)
        status, body, *headers = answer if isinstance(answer, tuple) else (200, answer)
        return JSONResponse(body, status, *headers)


def streamed(events: Iterable[str]) -> Response:
    """A stream of server-sent events."""
    return StreamingResponse(iter(list(events)), media_type="text/event-stream")
