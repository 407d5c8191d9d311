from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rows.files import rows_of
from trustydetox.errors import InputError
from trustydetox.roles import Action
from trustydetox.rows import Columns, choose_columns
from trustydetox.rows.jsonvalues import parse_row, replace_values
from trustydetox.rows.pointers import parts_of, pointer_of, replaced

EDIT, SCORE, LEAVE = Action.REWRITE, Action.FLAG, Action.KEEP
CHAT = {
    "id": 7,
    "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "tool", "content": "3"},
        {
            "role": "assistant",
            "content": [
                {"type": "image", "url": "x"},
                {"type": "text", "text": "three"},
                {"type": "text", "text": "it is"},
            ],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "no text of ours"}}],
}


def _columns(*rows: dict[str, Any], fields: tuple[str, ...] = ()) -> Columns:
    columns = choose_columns(fields, None, rows)
    assert columns is not None
    return columns


def _seen(row: dict[str, Any], fields: tuple[str, ...] = ()) -> list[tuple[str, str, Action]]:
    return [(one.path, one.text, one.action) for one in _columns(row, fields=fields).read(row)]


def test_a_conversation_gives_the_words_of_user_and_assistant() -> None:
    assert _seen(CHAT) == [
        ("/messages/1/content", "hello", SCORE),
        ("/messages/4/content/1/text", "three", EDIT),
        ("/messages/4/content/2/text", "it is", EDIT),
    ]


@pytest.mark.parametrize("key", ["content", "value", "text"])
def test_a_message_with_a_role_may_call_its_words_differently(key: str) -> None:
    row = {"messages": [{"role": "user", key: "a"}, {"role": "assistant", key: "b"}]}
    assert _seen(row) == [(f"/messages/0/{key}", "a", SCORE), (f"/messages/1/{key}", "b", EDIT)]


def test_only_a_message_without_content_is_looked_into_for_other_words() -> None:
    row = {
        "messages": [
            {"role": "assistant", "content": "a", "text": "b"},
            {"role": "assistant", "content": None, "text": "c"},
            {"role": "assistant", "content": None, "text": None},
        ]
    }
    assert [(path, text) for path, text, _ in _seen(row)] == [
        ("/messages/0/content", "a"),
        ("/messages/1/text", "c"),
    ]


def test_the_thoughts_of_a_message_are_read_before_its_words() -> None:
    thoughts = {"thinking": "b", "reasoning_content": "c"}
    row = {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "a", **thoughts},
            {"role": "assistant", "content": None, "thinking": "d", "reasoning_content": None},
            {"role": "system", "content": "y", "thinking": "z"},
            {"role": "assistant", "content": "e", "thinking": True},
        ]
    }
    assert _seen(row) == [
        ("/messages/0/content", "x", SCORE),
        ("/messages/1/thinking", "b", EDIT),
        ("/messages/1/reasoning_content", "c", EDIT),
        ("/messages/1/content", "a", EDIT),
        ("/messages/2/thinking", "d", EDIT),
        ("/messages/4/content", "e", EDIT),
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({}, ["a"]),
        ({"type": None}, ["a"]),
        ({"type": "input_text"}, ["a"]),
        ({"type": "output_text"}, ["a"]),
        ({"type": "image"}, []),
        ({"type": {"a": 1}}, []),
    ],
)
def test_parts_of_a_message_that_are_text_are_found(
    kind: dict[str, Any], expected: list[str]
) -> None:
    row = {"messages": [{"role": "assistant", "content": [{**kind, "text": "a"}]}]}
    assert [text for _, text, _ in _seen(row)] == expected


@pytest.mark.parametrize(
    ("role", "action"), [("ai", EDIT), ("Bot", EDIT), ("chatbot", EDIT), ("prompter", SCORE)]
)
def test_roles_have_other_names(role: str, action: Action) -> None:
    assert _seen({"messages": _said(role, "a")}) == [("/messages/0/content", "a", action)]


def test_other_roles_are_edited_where_asked_for() -> None:
    columns = Columns({"messages": EDIT}, roles={"user": EDIT, "system": SCORE})
    assert [(one.role, one.action) for one in columns.read(CHAT)] == [
        ("system", SCORE),
        ("user", EDIT),
        ("assistant", EDIT),
        ("assistant", EDIT),
    ]


@pytest.mark.parametrize("name", ["prompt", "instruction", "input"])
def test_what_is_asked_for_the_user_a_conversation_in_a_prompt_gets(name: str) -> None:
    row = {name: _said("user", "a") + _said("assistant", "b"), "text": "c"}
    columns = Columns({name: SCORE, "text": EDIT}, roles={"user": EDIT})
    assert [one.action for one in columns.read(row)] == [EDIT, SCORE, EDIT]


def _said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"prompt": _said("user", "a"), "completion": _said("assistant", "b")},
            [("/prompt/0/content", SCORE), ("/completion/0/content", EDIT)],
        ),
        (
            {
                "chosen": [*_said("user", "a"), *_said("assistant", "b")],
                "rejected": [*_said("user", "a"), *_said("assistant", "c")],
            },
            [
                ("/chosen/0/content", SCORE),
                ("/chosen/1/content", EDIT),
                ("/rejected/0/content", SCORE),
                ("/rejected/1/content", SCORE),
            ],
        ),
        (
            {"prompt": _said("user", "a"), "chosen": "b", "rejected": "c"},
            [("/prompt/0/content", SCORE), ("chosen", EDIT), ("rejected", SCORE)],
        ),
        (
            {"prompt": "a", "completion": "b", "label": False},
            [("prompt", SCORE), ("completion", SCORE)],
        ),
        (
            {"prompt": "a", "completion": "b", "label": True},
            [("prompt", SCORE), ("completion", EDIT)],
        ),
        (
            {
                "conversations": [
                    {"from": "system", "value": "s"},
                    {"from": "human", "value": "a"},
                    {"from": "GPT", "value": "b"},
                ]
            },
            [("/conversations/1/value", SCORE), ("/conversations/2/value", EDIT)],
        ),
        (
            {"instruction": "a", "input": "", "output": "b"},
            [("instruction", SCORE), ("input", SCORE), ("output", EDIT)],
        ),
        ({"instruction": "a", "output": "b"}, [("instruction", SCORE), ("output", EDIT)]),
        (
            {"instruction": "a", "input": "", "output": "b", "text": "a b"},
            [("text", EDIT), ("instruction", SCORE), ("input", SCORE), ("output", EDIT)],
        ),
        ({"prompt": "a", "response": "b"}, [("prompt", SCORE), ("response", EDIT)]),
        (
            {"prompt": "a", "response": _said("assistant", "b"), "label": 0},
            [("prompt", SCORE), ("/response/0/content", SCORE)],
        ),
        ({"dialog": _said("assistant", "a"), "n": 1}, [("/dialog/0/content", EDIT)]),
    ],
)
def test_every_format_says_what_may_be_edited(
    row: dict[str, Any], expected: list[tuple[str, Action]]
) -> None:
    assert [(path, action) for path, _, action in _seen(row)] == expected


def _preference(*turns: dict[str, str], **beside: Any) -> dict[str, Any]:
    return {
        **beside,
        "chosen": [*turns, *_said("assistant", "y")],
        "rejected": [*turns, *_said("assistant", "n")],
    }


TURNS = (*_said("user", "a"), *_said("assistant", "b"), *_said("user", "c"))


@pytest.mark.parametrize(
    ("row", "roles", "expected"),
    [
        (_preference(*TURNS), {}, [SCORE] * 3),
        (_preference(*TURNS, prompt="a"), {}, [SCORE] * 3),
        (_preference(*TURNS, prompt=None), {}, [SCORE] * 3),
        (_preference(*TURNS), {"user": EDIT}, [EDIT, SCORE, EDIT]),
        (_preference(*TURNS), {"user": LEAVE, "assistant": Action.DROP}, [Action.DROP]),
    ],
)
def test_turns_that_both_sides_of_a_preference_begin_with_are_its_prompt(
    row: dict[str, Any], roles: dict[str, Action], expected: list[Action]
) -> None:
    columns = Columns({"prompt": SCORE, "chosen": EDIT, "rejected": SCORE}, roles=roles)
    found = columns.read(row)
    for name in ("chosen", "rejected"):
        turns = [one for one in found if one.path.startswith(f"/{name}/") and one.text in "abc"]
        assert [one.action for one in turns] == expected
    answers = {one.text: one.action for one in found if one.text in "yn"}
    assert answers == {"y": roles.get("assistant", EDIT), "n": SCORE}


@pytest.mark.parametrize(
    "row",
    [
        _preference(*_said("assistant", "b"), prompt=_said("user", "a")),
        {"chosen": _said("assistant", "b"), "rejected": _said("assistant", "b")},
        {"chosen": _said("assistant", "b"), "rejected": "b"},
    ],
)
def test_answers_that_begin_alike_are_no_prompt(row: dict[str, Any]) -> None:
    columns = Columns({"prompt": SCORE, "chosen": EDIT, "rejected": SCORE})
    found = {one.path: one.action for one in columns.read(row)}
    assert found["/chosen/0/content"] == EDIT


def test_turns_that_both_named_sides_of_a_preference_begin_with_are_edited_in_both() -> None:
    columns = Columns({"chosen": EDIT, "rejected": EDIT}, roles={"user": EDIT})
    assert {one.action for one in columns.read(_preference(*TURNS))} == {EDIT}


def test_a_conversation_of_a_named_column_keeps_its_roles() -> None:
    row = {"a": _said("user", "x") + _said("assistant", "y"), "b": "z"}
    assert _seen(row, ("a", "b")) == [
        ("/a/0/content", "x", SCORE),
        ("/a/1/content", "y", EDIT),
        ("b", "z", EDIT),
    ]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ({}, "expected a string or a list of messages in 'messages', got an object"),
        (["x"], "expected a message at /messages/0, got a string"),
        ([{"text": "x"}], "a message without role and content, or from and value, at /messages/0"),
        (
            [{"role": "user", "content": 3}],
            "expected a string at /messages/0/content, got a number",
        ),
        (
            [{"role": "user", "content": [1]}],
            "expected a part of a message at /messages/0/content/0, got a number",
        ),
    ],
)
def test_what_is_no_conversation_says_where(messages: Any, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        Columns({"messages": EDIT}).read({"messages": messages})
    assert str(caught.value) == reason


@pytest.mark.parametrize("name", ["messages", "conversations", "prompt", "chosen"])
@pytest.mark.parametrize(
    "written",
    [
        '[{"role": "user", "content": "a"}]',
        ' [\n {"id": 1, "role" : "user", "content": "a"}]',
        "[{'from': 'human', 'value': 'a'}]",
        "[{'content': 'a', 'role': 'user'}\n {'content': 'b', 'role': 'assistant'}]",
    ],
)
def test_a_conversation_that_is_written_out_is_no_text(name: str, written: str) -> None:
    with pytest.raises(InputError) as caught:
        Columns({name: EDIT}).read({name: written})
    assert str(caught.value) == (
        f"expected a list of messages in '{name}', got one written as a string: read it first, "
        "with json.loads or ast.literal_eval"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("messages", "[INST] the role: go [/INST]"),
        ("messages", '[1] {"role": "user"}'),
        ("completion", '[{"name": "a", "size": 3}]'),
        ("text", '[{"role": "user", "content": "a"}]'),
    ],
)
def test_a_text_that_begins_like_a_list_is_a_text(name: str, text: str) -> None:
    assert [one.text for one in Columns({name: EDIT}).read({name: text})] == [text]


def test_only_the_edited_message_changes_and_a_lost_one_drops_the_row() -> None:
    columns = _columns(CHAT)
    texts = [one.text for one in columns.read(CHAT)]
    assert columns.write(CHAT, texts) == CHAT
    changed = columns.write(CHAT, ["hello", "3", "it is"])
    assert changed is not None
    expected = json.loads(json.dumps(CHAT))
    expected["messages"][4]["content"][1]["text"] = "3"
    assert changed == expected
    assert CHAT["messages"][4]["content"][1]["text"] == "three"  # type: ignore[index]
    assert columns.write(CHAT, ["hello", None, "it is"]) is None


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_a_pointer_leads_back_to_its_parts(parts: list[str]) -> None:
    assert parts_of(pointer_of(*parts)) == parts


def test_a_pointer_of_a_plain_column_is_its_name() -> None:
    assert pointer_of("text") == "text"
    assert pointer_of("a/b") == "a/b"
    assert pointer_of("/a") == "/~1a"
    assert pointer_of("a/b", 0, "~") == "/a~1b/0/~0"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def _strings(value: Any, *parts: str) -> list[list[str]]:
    if isinstance(value, str):
        return [list(parts)]
    if isinstance(value, dict):
        return [found for key in value for found in _strings(value[key], *parts, key)]
    if isinstance(value, list):
        return [found for at, one in enumerate(value) for found in _strings(one, *parts, str(at))]
    return []


@given(st.dictionaries(st.text(max_size=3), _VALUES, max_size=4), st.booleans(), st.data())
def test_an_edit_of_the_bytes_is_the_edit_of_the_values(
    row: dict[str, Any], is_indented: bool, data: st.DataObject
) -> None:
    raw = json.dumps(row, indent=1 if is_indented else None).encode()
    every = _strings(row)
    picked = data.draw(st.lists(st.sampled_from(every), unique_by=tuple)) if every else []
    edits = {pointer_of(*parts): f"new {at}" for at, parts in enumerate(picked)}
    expected: Any = row
    for path, text in edits.items():
        expected = replaced(expected, parts_of(path), text)
    edited = replace_values(raw, edits)
    assert parse_row(edited) == expected
    # The control: all bytes outside of the values stay, so the same edit back gives the same bytes.
    back = {pointer_of(*parts): _at(row, parts) for parts in picked}
    assert replace_values(edited, back) == raw


def _at(value: Any, parts: list[str]) -> Any:
    for part in parts:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def test_parquet_says_that_a_list_of_messages_holds_text() -> None:
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(
            [
                {k: CHAT[k] for k in ("id",)}
                | {
                    "messages": _said("user", "a"),
                    "scores": [1],
                    "spans": [{"start": 1}],
                }
            ]
        ),
        sink,
    )
    (row,) = rows_of("a.parquet", sink.getvalue())
    assert row.values["messages"] == _said("user", "a")
