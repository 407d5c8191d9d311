"""An endpoint on this machine that speaks OpenAI's dialect and answers by a list of words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.fakes import INSULTS, WordScorer


@dataclass
class Service:
    """What the endpoint was asked, and what it is to answer instead of what it would.

    failures: statuses to answer with first. answer: the text of every chat answer.
    verdict: what a guard says, and the pieces of it whose logprobs it gives.
    """

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    answer: str | None = None
    verdict: tuple[str, list[dict[str, Any]]] | None = None
    stop: Any = None


def start_endpoint() -> Service:
    """Start it on a free port; `stop()` ends it."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.asked.append(body)
            service.keys.append(self.headers.get("Authorization"))
            status = service.failures.pop(0) if service.failures else 200
            content = json.dumps(_answer(service, self.path, body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"

    def stop() -> None:
        server.shutdown()
        server.server_close()

    service.stop = stop
    return service


def _answer(service: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/moderations"):
        scores = [one.overall for one in WordScorer().score(body["input"])]
        return {"results": [{"category_scores": {"insult": p, "other": p / 2}} for p in scores]}
    if "response_format" not in body:
        said, pieces = service.verdict or _verdict(body["messages"][0]["content"])
        return {"choices": [{"message": {"content": said}, "logprobs": {"content": pieces}}]}
    return {"choices": [{"message": {"content": service.answer or _rewritten(body["messages"])}}]}


def piece(*chances: tuple[str, float]) -> dict[str, Any]:
    """A piece of a verdict: the likeliest of these, with the logprobs of all."""
    tops = [{"token": token, "logprob": math.log(max(p, 1e-9))} for token, p in chances]
    return {**max(tops, key=lambda top: top["logprob"]), "top_logprobs": tops}


def _verdict(text: str) -> tuple[str, list[dict[str, Any]]]:
    toxicity = WordScorer().score([text])[0].overall
    said = "unsafe" if toxicity >= 0.5 else "safe"
    return said, [piece(("unsafe", toxicity), ("safe", 1 - toxicity))]


def _rewritten(messages: list[dict[str, str]]) -> str:
    said = "\n".join(message["content"] for message in messages if message["role"] == "user")
    found = re.search(r"BEGIN (\w+)\n(.*)\nEND \1", said, re.DOTALL)
    assert found is not None
    mark, text = found.groups()
    for word in INSULTS:
        text = re.sub(rf"\b{word}\b", "person", text)
    return json.dumps({"mark": mark, "text": text})
