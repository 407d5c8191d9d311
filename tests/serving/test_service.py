from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from tests.fakes import INSULTS, detoxifier
from tests.serving.failing import Failing
from tests.serving.holding import Held
from trustydetox.errors import ConfigError, ModelError
from trustydetox.serving.detecting import ChatRequest, ContentsRequest
from trustydetox.serving.service import DetoxifyRequest, Limits, create_app

Service = Callable[..., httpx.Client]
CONTENTS = "/api/v1/text/contents"

# What the orchestrator's openapi_detector_api.yaml and its Rust struct ask of a detection.
KINDS = {
    "start": int,
    "end": int,
    "text": str,
    "detection": str,
    "detection_type": str,
    "score": float,
    "evidence": list,
    "metadata": dict,
}


def test_spans_are_code_points_of_each_content_in_order(service: Service) -> None:
    contents = ["a fine day", "👩‍👩‍👧 you idiot, you stupid 🙂", "moron"]
    found = service().post(CONTENTS, json={"contents": contents}).json()
    places = [[(one["start"], one["end"], one["text"]) for one in of_text] for of_text in found]
    assert places == [[], [(10, 15, "idiot"), (21, 27, "stupid")], [(0, 5, "moron")]]
    for text, spans in zip(contents, places, strict=True):
        assert all(text[start:end] == words for start, end, words in spans)


def test_a_detection_has_the_fields_that_the_orchestrator_reads(service: Service) -> None:
    ((one,),) = service().post(CONTENTS, json={"contents": ["you moron"]}).json()
    assert {name: type(value) for name, value in one.items()} == KINDS
    assert one == {
        "start": 4,
        "end": 9,
        "text": "moron",
        "detection": "toxicity",
        "detection_type": "toxic_span",
        "score": 0.8,
        "evidence": [{"name": "insult", "score": 0.8}],
        "metadata": {"weight": 1.0},
    }


def test_a_toxic_text_without_a_span_is_one_as_a_whole(service: Service) -> None:
    client = service(detoxifier(is_foreign=lambda text: True))
    ((one,),) = client.post(CONTENTS, json={"contents": ["du idiot"]}).json()
    assert (one["start"], one["end"], one["detection_type"]) == (0, 8, "toxic_text")


def test_a_request_may_bring_its_own_threshold(service: Service) -> None:
    client = service()

    def spans(threshold: float) -> int:
        asked = {"contents": ["damn you"], "detector_params": {"threshold": threshold}}
        return len(client.post(CONTENTS, json=asked).json()[0])

    assert (spans(0.4), spans(0.41)) == (1, 0)


def test_of_a_generation_the_answer_is_judged(service: Service) -> None:
    client = service()
    path = "/api/v1/text/generation"
    asked = {"prompt": "you idiot", "generated_text": "a fine day", "detector_params": {}}
    assert client.post(path, json=asked).json() == []
    asked |= {"prompt": "hello", "generated_text": "you moron"}
    assert client.post(path, json=asked, headers={"detector-id": "detox"}).json() == [
        {
            "detection": "toxicity",
            "detection_type": "toxic_text",
            "score": 0.8,
            "evidence": [{"name": "insult", "score": 0.8}],
        }
    ]


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ("you moron", 1),
        ("a fine day", 0),
        ([{"type": "text", "text": "you moron"}, {"type": "image_url", "image_url": {}}], 1),
        (None, 0),
    ],
)
def test_of_a_chat_the_last_message_is_judged(
    service: Service, content: object, count: int
) -> None:
    messages = [{"role": "user", "content": "you idiot"}, {"role": "assistant", "content": content}]
    asked = {"messages": messages, "tools": []}
    assert len(service().post("/api/v1/text/chat", json=asked).json()) == count


def test_detoxify_gives_a_record_per_text(service: Service) -> None:
    texts = ["a fine day", "🙂 you idiot, come here", "idiot"]
    found = service().post("/v1/detoxify", json={"texts": texts}).json()["records"]
    assert [one["row"] for one in found] == [0, 1, 2]
    assert [one["original"] for one in found] == texts
    assert [one["output"] for one in found] == ["a fine day", "🙂 you, come here", ""]
    assert [one["verdict"] for one in found] == ["clean", "rewritten", "rewritten"]
    assert found[1]["edits"] == [{"start": 5, "end": 11, "replacement": ""}]


def test_a_text_that_the_models_cant_take_costs_no_other_text_its_answer(
    service: Service,
) -> None:
    client = service(detoxifier(scorer=Failing()))
    found = client.post("/v1/detoxify", json={"texts": ["you idiot", "secret"]}).json()["records"]
    assert found[0]["output"] == "you"
    assert found[1] == {
        "row": 1,
        "field": "text",
        "error": "the models can't take this text (RuntimeError)",
    }
    assert client.post(CONTENTS, json={"contents": ["secret"]}).status_code == 500


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "Invalid JSON"),
        (b'{"contents": ["a"', 422, "Invalid JSON"),
        (b"\xff\xfe", 422, "Invalid JSON"),
        (b"[" * 100_000, 422, "Invalid JSON"),
        (b"{}", 422, "contents: Field required"),
        (b'{"contents": []}', 422, "at least 1 item"),
        (b'{"contents": "you idiot"}', 422, "contents: Input should be a valid array"),
        (b'{"contents": ["a", 1]}', 422, "contents.1: Input should be a valid string"),
        (b'{"contents": ["\\ud800"]}', 422, "Invalid JSON"),
        (b'{"contents": ["a"], "detector_params": {"threshold": 0}}', 422, "greater than 0"),
        (b'{"contents": ["a"], "detector_params": {"threshold": NaN}}', 422, "threshold"),
        (b'{"contents": ["a"], "detector_params": {"labels": 1}}', 422, "detector_params.labels"),
        (b'{"contents": ["a", "a", "a", "a"]}', 413, "may hold 3 texts, got 4"),
        (b'{"contents": ["a", "' + b"a" * 101 + b'"]}', 413, "100 characters, text 1 has 101"),
        (b'{"contents": ["' + b"a" * 200_000 + b'"]}', 413, "may have 150000 bytes"),
    ],
)
def test_a_bad_body_is_refused_in_one_line(
    service: Service, body: bytes, status: int, words: str
) -> None:
    client = service(body_bytes=150_000, texts=3, characters=100)
    answer = client.post(CONTENTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == answer.json()["code"] == status
    assert words in answer.json()["message"]
    assert "\n" not in answer.json()["message"]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ContentsRequest, {"contents": [1] * 1000}),
        (DetoxifyRequest, {"texts": [1] * 1000}),
        (ChatRequest, {"messages": [1] * 1000}),
        (ChatRequest, {"messages": [{"role": "user", "content": [1] * 1000}]}),
    ],
)
def test_a_list_is_refused_at_its_first_bad_item(model: type[BaseModel], body: object) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    # Of a text or a list, neither is it.
    assert caught.value.error_count() <= 2


def test_a_text_of_the_greatest_length_is_taken(service: Service) -> None:
    longest = "you moron " * 10
    answer = service(characters=100).post(CONTENTS, json={"contents": [longest]})
    assert len(answer.json()[0]) == 10


def test_a_body_without_a_length_is_measured_as_it_comes(service: Service) -> None:
    client = service(body_bytes=1000)
    headers = {"content-type": "application/json"}
    answer = client.post(CONTENTS, content=iter([b"{" * 600] * 2), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_another_kind_of_body_is_refused(service: Service, headers: dict[str, str]) -> None:
    answer = service().post(CONTENTS, content=b'{"contents": ["a"]}', headers=headers)
    assert answer.status_code == answer.json()["code"] == 415


def test_a_body_that_doesnt_come_is_given_up(service: Service) -> None:
    url = service(body_s=0.2).base_url
    with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
        head = f"POST {CONTENTS} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_an_unknown_path_and_method_are_refused_in_json(service: Service) -> None:
    client = service()
    assert client.get("/v2/models").json() == {"code": 404, "message": "no such path"}
    assert client.get(CONTENTS).json() == {"code": 405, "message": "no such method"}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"requests": 2, "waiting": 100, "texts": 5}, "at most 2 requests at a time"),
        ({"requests": 100, "waiting": 2, "texts": 2, "batch": 1}, "at most 2 texts may wait"),
    ],
)
def test_beyond_its_limits_it_refuses_at_once_and_answers_what_it_has(
    service: Service, limits: dict[str, int], words: str
) -> None:
    held = Held()
    client = service(detoxifier(scorer=held), **limits)

    def ask(_: int) -> httpx.Response:
        answer = client.post(CONTENTS, json={"contents": ["you idiot"]})
        if answer.status_code == 429:
            refused.release()
        return answer

    refused = threading.Semaphore(0)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, n) for n in range(8)]
        # Those that are refused needn't wait for those that are computed.
        assert all(refused.acquire(timeout=10) for _ in range(5))
        held.may_go.set()
        answers = [one.result() for one in asked]
    taken = [one for one in answers if one.status_code == 200]
    assert [one.json()[0][0]["text"] for one in taken] == ["idiot"] * len(taken)
    assert 2 <= len(taken) <= 3
    for one in answers:
        if one.status_code != 200:
            assert (one.status_code, one.headers["retry-after"]) == (429, "1")
            assert words in one.json()["message"]


def test_requests_that_come_together_are_computed_together(service: Service) -> None:
    held = Held()
    client = service(detoxifier(scorer=held))
    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(client.post, CONTENTS, json={"contents": [f"you idiot {n}"]})
            for n in range(20)
        ]
        while "in_flight 20.0" not in client.get("/metrics").text:
            pass
        held.may_go.set()
        assert all(one.result().status_code == 200 for one in asked)
    # The first alone, or with what came at the same moment, which may be all; the rest.
    batches = metric(client, "trustydetox_batch_texts_count")
    assert 1 <= batches <= 3


def test_for_a_sender_that_left_nothing_more_is_done(service: Service) -> None:
    held = Held()
    client = service(detoxifier(scorer=held), waiting=2, texts=2)
    body = json.dumps({"contents": ["you idiot, come here"]}).encode()
    head = f"POST {CONTENTS} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    here = (client.base_url.host, client.base_url.port or 0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, CONTENTS, json={"contents": ["you idiot"]})
        assert held.begun.wait(10)
        try:
            for _ in range(2):
                with socket.create_connection(here, timeout=10) as leaving:
                    leaving.sendall(sent)
                    until(client, "trustydetox_waiting_texts", 1)
                until(client, "trustydetox_requests_in_flight", 1)
                # It takes no place of those that stay.
                until(client, "trustydetox_waiting_texts", 0)
        finally:
            held.may_go.set()
        assert first.result().status_code == 200
    path = f'path="{CONTENTS}"'
    assert metric(client, f'trustydetox_requests_total{{{path},status="499"}}') == 2
    assert metric(client, f'trustydetox_requests_total{{{path},status="200"}}') == 1
    assert metric(client, 'trustydetox_texts_total{verdict="toxic"}') == 1


def metric(client: httpx.Client, name: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no metric {name}")


def until(client: httpx.Client, name: str, value: float) -> None:
    """Wait until a metric has this value, ten seconds at most."""
    end = time.monotonic() + 10
    while (found := metric(client, name)) != value:
        assert time.monotonic() < end, f"{name} is {found}"


def test_health_readiness_and_counts(service: Service) -> None:
    client = service()
    assert client.get("/health").status_code == client.get("/ready").status_code == 200
    # The text that made the models ready is no caller's.
    assert "trustydetox_texts_total{" not in client.get("/metrics").text
    assert metric(client, "trustydetox_batch_texts_count") == 0
    client.post(CONTENTS, json={"contents": ["you idiot", "fine"]})
    client.post(CONTENTS, json={"contents": []})
    client.post("/v1/detoxify", json={"texts": ["you idiot"]})
    path = f'path="{CONTENTS}"'
    assert metric(client, f'trustydetox_requests_total{{{path},status="200"}}') == 1
    assert metric(client, f'trustydetox_requests_total{{{path},status="422"}}') == 1
    assert metric(client, f"trustydetox_request_seconds_count{{{path}}}") == 2
    assert metric(client, 'trustydetox_texts_total{verdict="toxic"}') == 1
    assert metric(client, 'trustydetox_texts_total{verdict="clean"}') == 1
    assert metric(client, "trustydetox_requests_in_flight") == 0
    assert metric(client, "trustydetox_waiting_texts") == 0


def test_no_text_reaches_the_log_or_the_metrics(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = service(detoxifier(scorer=Failing()))
    for text in ("secret idiot", "zebra idiot"):
        client.post(CONTENTS, json={"contents": [text]})
        client.post("/v1/detoxify", json={"texts": [text]})
        client.post(f"/{text}?q={text}", json={text: text})
        client.post(CONTENTS, json={"contents": [{text: text}], text: text})
    logged = "".join(
        record.getMessage() + str(record.exc_info)
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    )
    # Control: there is a log.
    assert f"POST {CONTENTS} 200" in logged
    for word in ("secret", "zebra", "idiot"):
        assert word not in logged
        assert word not in client.get("/metrics").text


def test_an_exception_of_a_request_is_logged_by_type_and_place(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(found: Any) -> None:
        raise KeyError(found.text)

    monkeypatch.setattr("trustydetox.serving.service.spans_found", broken)
    answer = service().post(CONTENTS, json={"contents": ["zebra"]})
    assert answer.json() == {"code": 500, "message": "the request failed; the log says where"}
    assert "KeyError at " in caplog.text
    assert "test_service.py" in caplog.text
    assert "zebra" not in caplog.text


def test_models_that_take_no_first_text_are_not_served() -> None:
    with pytest.raises(ModelError, match=r"no first text.* \(RuntimeError\)") as caught:
        create_app(detoxifier(scorer=Failing("idiot")))
    assert "stupid" not in str(caught.value)


def test_limits_that_no_request_could_meet_are_refused() -> None:
    with pytest.raises(ConfigError, match="texts must be at least 1, got 0"):
        Limits(texts=0)
    with pytest.raises(ConfigError, match="may hold 9 texts but only 8 may wait"):
        Limits(texts=9, waiting=8)


def test_the_answers_are_those_of_the_library(service: Service) -> None:
    texts = [f"{word} {n}" for n in range(20) for word in (*INSULTS, "fine")]
    answer = service(texts=100, batch=7).post("/v1/detoxify", json={"texts": texts})
    expected = [record.output for record in detoxifier(fallback="redact").run(texts)]
    assert [one["output"] for one in json.loads(answer.content)["records"]] == expected
