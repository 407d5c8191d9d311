from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.endpoint import Service, piece, start_endpoint
from tests.fakes import Replacer
from tests.pretrained import llama
from trustydetox.errors import ConfigError, ModelError
from trustydetox.records import MaskedText
from trustydetox.spans import Span
from trustydetox.steps.asking import Endpoint
from trustydetox.steps.chatting import ChatInfiller, canary_of, checked, mark_of
from trustydetox.steps.loading import Pretrained
from trustydetox.steps.scoring import GuardScorer, ModerationScorer

TEXT = "Thanks, you idiot."
MASKED = MaskedText(TEXT, (Span(12, 17),))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    started = start_endpoint()
    yield started
    started.stop()


def test_an_answer_leaves_as_an_edit_of_the_word_that_differs(service: Service) -> None:
    ((candidate,),) = ChatInfiller("tiny", service.url).infill([MASKED])
    assert candidate.text == "Thanks, you person."
    assert [edit.span for edit in candidate.edits] == [Span(12, 17)]


def test_the_same_text_is_asked_about_once(service: Service) -> None:
    step = ChatInfiller("tiny", service.url)
    assert step.infill([MASKED, MASKED]) == step.infill([MASKED]) * 2
    assert len(service.asked) == 1


def test_the_last_passages_are_remembered_and_no_more(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trustydetox.steps.chatting.KNOWN", 2)
    step = ChatInfiller("tiny", service.url)
    one, two, three = (MaskedText(f"{n} idiot", (Span(2, 7),)) for n in range(3))
    step.infill([one, two, one, three])
    assert len(service.asked) == 3
    step.infill([one, three])
    assert len(service.asked) == 3
    step.infill([two])
    assert len(service.asked) == 4


def test_a_text_is_framed_by_a_mark_that_does_not_stand_in_it(service: Service) -> None:
    ChatInfiller("tiny", service.url).infill([MASKED])
    (asked,) = service.asked
    said = asked["messages"][-1]["content"]
    assert f"BEGIN {mark_of(TEXT)}\n{TEXT}\nEND {mark_of(TEXT)}" in said
    assert asked["response_format"]["type"] == "json_schema"
    assert asked["temperature"] == 0


def framed(text: str, *, mark: str | None = None, **more: str) -> str:
    return json.dumps({"mark": mark or mark_of(TEXT), "text": text, **more})


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! Here is a poem.",
        framed("Thanks.", mark="000000000000"),
        framed("Thanks.", also="this"),
        framed(f"My instructions hold {canary_of(TEXT)}."),
        framed(f"Thanks. {mark_of(TEXT)}"),
        framed("END of it. Thanks."),
        framed("Thanks. " * 40),
        framed("  "),
        '{"mark": 1}',
        "{",
    ],
)
def test_an_answer_that_breaks_out_of_its_frame_is_no_candidate(
    service: Service, answer: str
) -> None:
    service.answer = answer
    assert ChatInfiller("tiny", service.url).infill([MASKED]) == [()]


@pytest.mark.parametrize(
    ("text", "written", "is_kept"),
    [
        ("THE END of it, you idiot", "THE END of it", True),
        ("THE END of it, you idiot", "BEGIN it", False),
        ("THE END of it, you idiot", "THE END of it, {canary}", False),
        ("THE END of it, you idiot", "THE END of it, {mark}", False),
        ("BEGIN it, you idiot", "BEGIN it, {canary}", False),
    ],
)
def test_a_text_that_holds_a_border_s_word_may_keep_it_and_no_more(
    text: str, written: str, is_kept: bool
) -> None:
    mark, canary = mark_of(text), canary_of(text)
    said = written.format(mark=mark, canary=canary)
    assert (checked(json.dumps({"mark": mark, "text": said}), text) == said) is is_kept


def test_words_around_the_object_are_no_harm() -> None:
    assert checked(f"Here it is: {framed('Thanks.')} Bye", TEXT) == "Thanks."


def test_reflection_asks_in_turns_with_a_draft_and_each_text_with_its_own(
    service: Service,
) -> None:
    other = MaskedText("Go, moron.", (Span(4, 9),))
    draft = Replacer({"idiot": ["friend"], "moron": ["sir"]})
    step = ChatInfiller("tiny", service.url, prompt="reflect", infiller=draft)
    step.infill([MASKED, other])
    turns = [[m["content"] for m in asked["messages"]] for asked in service.asked]
    roles = [message["role"] for message in service.asked[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert turns[0][2:5] == ['["idiot"]', "How could it be said instead?", "Thanks, you friend."]
    assert turns[1][2:5] == ['["moron"]', "How could it be said instead?", "Go, sir."]
    assert "moron" in turns[1][1]
    assert turns[0][5] != turns[0][3]


def test_a_chat_model_on_this_machine_writes_inside_the_frame(tmp_path: Path) -> None:
    step: Any = ChatInfiller(llama(tmp_path))
    answer = step._ask([{"role": "user", "content": "Go on."}], mark_of(TEXT), 30)
    assert answer.startswith(f'{{"mark": "{mark_of(TEXT)}", "text": "')
    assert answer.endswith('"}')
    assert step.infill([MASKED]) == step.infill([MASKED])


def test_a_chat_model_on_this_machine_may_write_quotes(tmp_path: Path) -> None:
    step: Any = ChatInfiller(llama(tmp_path))
    messages = [{"role": "user", "content": "Go."}]
    learn_by_heart(step._ask.pretrained, messages, 'He said \\"hi\\".\\\\", "more": "no"}')
    answer = step._ask(messages, mark_of(TEXT), 60)
    assert json.loads(answer) == {"mark": mark_of(TEXT), "text": 'He said "hi".\\'}


def learn_by_heart(pretrained: Pretrained, messages: list[dict[str, str]], written: str) -> None:
    """Teach the model to go on in the frame with what is `written`."""
    tokenizer, model = pretrained.tokenizer, pretrained.model
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    parts = (f'{prompt}{{"mark": "{mark_of(TEXT)}", "text": "', written)
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in parts)
    ids = torch.tensor([before + after], device=model.device)
    labels = torch.tensor([[-100] * len(before) + after], device=model.device)
    model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompt": "reflct"}, "did you mean 'reflect'"),
        ({"infiller": Replacer({})}, "drafts for the prompt"),
        ({"url": None, "key": "KEY"}, "say its url"),
        ({"url": "ftp://host"}, "must be http"),
        ({"url": "https://host:port/v1"}, "with a port of 0 to 65535"),
        ({"url": "http://[::1/v1"}, "with a port of 0 to 65535"),
        ({"url": "https://me:pass@host"}, "must hold no password"),
        ({"url": "http://host/v1", "key": "KEY"}, "only sent over https"),
    ],
)
def test_settings_that_can_t_work_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ChatInfiller("tiny", **{"url": "https://host/v1", **settings})


def test_a_busy_service_is_asked_again(service: Service) -> None:
    service.failures = [429, 503]
    assert ChatInfiller("tiny", service.url).infill([MASKED])[0]
    assert len(service.asked) == 3


def test_a_service_that_stays_busy_is_an_error_without_the_text(service: Service) -> None:
    service.failures = [503] * 9
    with pytest.raises(ModelError, match="in 4 tries: status 503") as caught:
        ChatInfiller("tiny", service.url).infill([MASKED])
    assert "idiot" not in str(caught.value)


def test_a_refusal_is_not_asked_again(service: Service) -> None:
    service.failures = [401]
    with pytest.raises(ModelError, match="refused: status 401"):
        ChatInfiller("tiny", service.url).infill([MASKED])
    assert len(service.asked) == 1


def test_the_key_comes_from_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = ChatInfiller("tiny", service.url, key="DETOX_KEY")
    with pytest.raises(ConfigError, match="DETOX_KEY with the key isn't set"):
        step.infill([MASKED])
    monkeypatch.setenv("DETOX_KEY", "secret")
    step.infill([MASKED])
    assert service.keys == ["Bearer secret"]
    assert "secret" not in repr(step)


def test_no_proxy_reads_what_this_machine_is_told(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert Endpoint(service.url, tries=1).ask("moderations", {"input": []}) == {"results": []}


def test_nobody_listening_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(ModelError, match="in 2 tries: ConnectError"):
        Endpoint("http://127.0.0.1:9/v1", tries=2).ask("moderations", {})


def test_the_highest_category_that_counts_is_the_score(service: Service) -> None:
    (found,) = ModerationScorer(service.url, "tiny").score(["you idiot"])
    assert found.overall == pytest.approx(0.9)
    (other,) = ModerationScorer(service.url, "tiny", labels=("other",)).score(["you idiot"])
    assert other.overall == pytest.approx(0.45)
    with pytest.raises(ConfigError, match="knows no category rude; it has insult, other"):
        ModerationScorer(service.url, "tiny", labels=("rude",)).score(["a"])


def test_many_texts_are_asked_about_in_batches(service: Service) -> None:
    found = ModerationScorer(service.url, "tiny", batch=2).score(["idiot", "a", "damn"])
    assert [one.overall for one in found] == pytest.approx([0.9, 0.0, 0.4])
    assert [len(asked["input"]) for asked in service.asked] == [2, 1]


def test_a_guard_s_score_is_the_probability_of_its_verdict(service: Service) -> None:
    found = GuardScorer(service.url, "tiny").score(["you idiot", "", "damn", "hello"])
    assert [one.overall for one in found] == pytest.approx([0.9, 0.0, 0.4, 0.0], abs=1e-6)
    assert len(service.asked) == 3


BREAK = piece(("\n\n", 0.99), ("safe", 0.01))


@pytest.mark.parametrize(
    ("unsafe", "verdict", "toxicity"),
    [
        # As Llama Guard answers: the first piece is white space, whatever the verdict.
        (
            "unsafe",
            ("\n\nunsafe\nS10", [BREAK, piece(("unsafe", 0.75), ("safe", 0.25), ("\n", 0.0))]),
            0.75,
        ),
        ("unsafe", ("\n\nsafe", [BREAK, piece(("safe", 0.75), ("unsafe", 0.25))]), 0.25),
        ("UNSAFE", ("unsafe", [piece(("un", 0.5), ("Unsafe", 0.25), ("safe", 0.25))]), 0.75),
        ("UNSAFE", ("Unsafe", []), 1.0),
        ("unsafe", ("\n\nUnsafe\nS10", [BREAK]), 1.0),  # no piece of the verdict itself
        ("unsafe", ("\n\nsafe", [BREAK]), 0.0),
    ],
)
def test_a_guard_s_verdict_is_its_first_word_in_any_case(
    service: Service, unsafe: str, verdict: Any, toxicity: float
) -> None:
    service.verdict = verdict
    (found,) = GuardScorer(service.url, "tiny", unsafe=unsafe).score(["you idiot"])
    assert found.overall == pytest.approx(toxicity, abs=1e-6)
