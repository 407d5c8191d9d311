"""The detector and rewriting service: one ASGI app over a detoxifier."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trustydetox.corpus.runs.recordlines import record_line
from trustydetox.detoxifier import Detoxifier, Found
from trustydetox.errors import ConfigError, DetoxError
from trustydetox.records import Record
from trustydetox.serving.batching import Batcher, OverloadError
from trustydetox.serving.detecting import (
    ChatRequest,
    ContentsRequest,
    GenerationRequest,
    Listed,
    spans_found,
    text_found,
)
from trustydetox.serving.judging import Answer, Judge, Question
from trustydetox.serving.metrics import Metrics

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much the service takes on; what is beyond is refused at once, not queued.

    body_bytes: of one request; more is 413.
    body_s: seconds within which a body must have come; longer is 408.
    texts: of one request; more is 413.
    characters: of one text; more is 413. A batch is done when its longest text is.
    requests: being answered at a time; more is 429.
    waiting: texts that no batch has taken yet; more is 429.
    batch: texts that go through the models together; more of them trade latency for speed.
    """

    body_bytes: int = 1_048_576
    body_s: float = 10.0
    texts: int = 256
    characters: int = 20_000
    requests: int = 256
    waiting: int = 1024
    batch: int = 64

    def __post_init__(self) -> None:
        for name in ("body_bytes", "texts", "characters", "requests", "waiting", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.texts > self.waiting:
            raise ConfigError(
                f"a request may hold {self.texts} texts but only {self.waiting} may wait: such a "
                "request could never be taken"
            )

    def refusal(self, texts: Sequence[str]) -> str | None:
        """Why these texts of one request aren't taken; None where they are."""
        if len(texts) > self.texts:
            return f"a request may hold {self.texts} texts, got {len(texts)}"
        for index, text in enumerate(texts):
            if len(text) > self.characters:
                return f"a text may have {self.characters} characters, text {index} has {len(text)}"
        return None


class DetoxifyRequest(BaseModel):
    """Texts to mend."""

    model_config = ConfigDict(extra="forbid")

    texts: Annotated[Listed[str], Field(min_length=1)]


@dataclass(frozen=True)
class _RefusedError(Exception):
    """A request that gets no answer; the message goes to its sender and holds no text."""

    status: int
    message: str


def create_app(detoxifier: Detoxifier, *, limits: Limits | None = None) -> Starlette:
    """An ASGI app whose models have answered a first text; ModelError where they can't.

    - `POST /api/v1/text/contents`, `/api/v1/text/generation`, `/api/v1/text/chat`: the detector API
      of `trustydetox.serving.detecting`; of a chat the last message is judged, of a generation the
      generated text;
    - `POST /v1/detoxify`: `{"texts": [...]}` -> `{"records": [...]}`, the objects of
      `records.jsonl`; a text that the models can't take has an `error` instead;
    - `GET /health` and `/ready` are 200 while it serves, `/metrics` is for Prometheus.

    An error is `{"code", "message"}` with the same code as status. Neither an error nor a line of
    the log holds a text, and no line a path that the service doesn't know.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    judge = Judge(detoxifier)
    judge.make_ready()
    service = _Service(judge, limits or Limits())
    app = Starlette(
        routes=[
            Route("/health", service.health, methods=["GET"]),
            Route("/ready", service.ready, methods=["GET"]),
            Route("/metrics", service.page, methods=["GET"]),
            service.route("/api/v1/text/contents", ContentsRequest, service.contents),
            service.route("/api/v1/text/generation", GenerationRequest, service.generation),
            service.route("/api/v1/text/chat", ChatRequest, service.chat),
            service.route("/v1/detoxify", DetoxifyRequest, service.detoxify),
        ],
        exception_handlers={HTTPException: _not_routed},
    )
    app.state.batcher = service.batcher
    return app


class _Service:
    def __init__(self, judge: Judge, limits: Limits) -> None:
        self._limits = limits
        self._judge = judge
        self._in_flight = 0
        self.batcher: Batcher[Question, Answer] = Batcher(
            self._judged, largest=limits.batch, capacity=limits.waiting
        )
        self._metrics = Metrics(lambda: self.batcher.waiting)

    async def health(self, request: Request) -> Response:
        return _json(200, '{"status": "alive"}')

    async def ready(self, request: Request) -> Response:
        return _json(200, '{"status": "ready"}')

    async def page(self, request: Request) -> Response:
        from starlette.responses import Response

        content, kind = self._metrics.page()
        return Response(content, headers={"content-type": kind})

    async def contents(self, asked: ContentsRequest) -> str:
        found = await self._found(asked.contents, asked.detector_params.threshold)
        return json.dumps([spans_found(one) for one in found])

    async def generation(self, asked: GenerationRequest) -> str:
        found = await self._found([asked.generated_text], asked.detector_params.threshold)
        return json.dumps(text_found(found[0]))

    async def chat(self, asked: ChatRequest) -> str:
        found = await self._found([asked.messages[-1].text], asked.detector_params.threshold)
        return json.dumps(text_found(found[0]))

    async def detoxify(self, asked: DetoxifyRequest) -> str:
        answers = await self._answers([Question(text, "rewrite") for text in asked.texts])
        lines = [
            record_line(row, "text", answer)
            if isinstance(answer, Record)
            else json.dumps({"row": row, "field": "text", "error": answer})
            for row, answer in enumerate(answers)
        ]
        return f'{{"records": [{", ".join(lines)}]}}'

    def route(
        self, path: str, model: type[M], handle: Callable[[M], Coroutine[Any, Any, str]]
    ) -> Any:
        """The route of an endpoint that takes JSON: limits, errors, counts and the log line."""
        from starlette.routing import Route

        async def endpoint(request: Request) -> Response:
            start = time.perf_counter()
            self._in_flight += 1
            try:
                response = await self._response(request, model, handle)
            finally:
                self._in_flight -= 1
            seconds = time.perf_counter() - start
            self._metrics.requests.labels(path, response.status_code).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            log.info("POST %s %d %.1f ms", path, response.status_code, 1000 * seconds)
            return response

        self._metrics.seconds.labels(path)
        return Route(path, endpoint, methods=["POST"])

    async def _response(
        self, request: Request, model: type[M], handle: Callable[[M], Coroutine[Any, Any, str]]
    ) -> Response:
        from starlette.requests import ClientDisconnect

        self._metrics.in_flight.set(self._in_flight)
        try:
            if self._in_flight > self._limits.requests:
                raise _RefusedError(429, f"at most {self._limits.requests} requests at a time")
            asked = _parsed(model, await self._body(request))
            return _json(200, await _while_asked(request, handle(asked)))
        except _RefusedError as refusal:
            return _error(refusal.status, refusal.message)
        except OverloadError:
            return _error(429, f"at most {self._limits.waiting} texts may wait")
        except ClientDisconnect:
            return _error(499, "the sender left")
        except asyncio.CancelledError:
            # By the server, whose time for the rest is over; it still sends what it gets.
            return _error(503, "the service stops")
        except DetoxError as error:
            log.error("%s: %s", type(error).__name__, error)
            return _error(503, str(error))
        except Exception as error:
            # An exception's own words may quote a text, so the log gets its type and place.
            last = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s at %s:%s", type(error).__name__, last.filename, last.lineno)
            return _error(500, "the request failed; the log says where")
        finally:
            self._metrics.in_flight.set(self._in_flight - 1)

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _RefusedError(415, "expected content-type application/json")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise _RefusedError(415, "a compressed body isn't taken")
        most = self._limits.body_bytes
        too_much = _RefusedError(413, f"a body may have {most} bytes")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_much
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise too_much
        except TimeoutError:
            message = f"the body took more than {self._limits.body_s:g} s to come"
            raise _RefusedError(408, message) from None
        return bytes(body)

    async def _found(self, texts: Sequence[str], threshold: float | None) -> list[Found]:
        answers = await self._answers([Question(text, "find", threshold) for text in texts])
        for answer in answers:
            if isinstance(answer, str):
                raise _RefusedError(500, answer)
        return [answer for answer in answers if isinstance(answer, Found)]

    async def _answers(self, asked: Sequence[Question]) -> list[Answer]:
        if refusal := self._limits.refusal([question.text for question in asked]):
            raise _RefusedError(413, refusal)
        return await self.batcher.results(asked)

    def _judged(self, questions: Sequence[Question]) -> list[Answer]:
        answers = self._judge(questions)
        self._metrics.batch.observe(len(questions))
        for answer in answers:
            self._metrics.texts.labels(_verdict(answer)).inc()
        return answers


def _verdict(answer: Answer) -> str:
    if isinstance(answer, str):
        return "failed"
    if isinstance(answer, Record):
        return answer.verdict.value
    return "clean" if answer.masked is None else "toxic"


async def _while_asked(request: Request, handled: Coroutine[Any, Any, str]) -> str:
    """What a request gets; ClientDisconnect once its sender has left, and nothing more is done.

    The body must have been read: what else comes from the sender is that it left.
    """
    from starlette.requests import ClientDisconnect

    answering, leaving = asyncio.create_task(handled), asyncio.create_task(_left(request))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _parsed(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{where}: {first['msg']}" if where else first["msg"]
        raise _RefusedError(422, message) from None


async def _not_routed(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _error(status, "no such method" if status == 405 else "no such path")


def _json(status: int, content: str, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(content, status, headers, "application/json")


def _error(status: int, message: str) -> Response:
    # Soon: what waits is a matter of seconds.
    headers = {"retry-after": "1"} if status in {429, 503} else None
    return _json(status, json.dumps({"code": status, "message": message}), headers)


def serve_app(app: Starlette, *, host: str, port: int, drain_s: int) -> None:
    """Serve until SIGTERM or SIGINT; then what was begun is answered, and nothing new taken.

    A batch may be computed still when this returns: see `is_computing`.

    port: 0 takes a free one; the log says which.
    drain_s: seconds after which what isn't answered gets a 503.
    """
    import uvicorn

    listening = _listening(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=drain_s,
    )
    log.info("listening on http://%s:%d", host, listening.getsockname()[1])
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def is_computing(app: Starlette) -> bool:
    """Whether a batch of this app is computed just now; Python doesn't end before it has."""
    batcher: Batcher[Question, Answer] = app.state.batcher
    return batcher.is_computing


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}") from error
