from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trustydetox.errors import ConfigError, InputError
from trustydetox.roles import Action, Passage
from trustydetox.rows import Columns, choose_columns, late_column

EDIT, SCORE = Action.REWRITE, Action.FLAG


def _chosen(*rows: dict[str, Any], fields: tuple[str, ...] = ()) -> dict[str, Action]:
    columns = choose_columns(fields, None, rows)
    assert columns is not None
    return dict(columns.actions)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "x", "text": "a"}, {"text": EDIT}),
        ({"completion": "b", "prompt": "a"}, {"prompt": SCORE, "completion": EDIT}),
        (
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            {"prompt": SCORE, "chosen": EDIT, "rejected": SCORE},
        ),
        ({"comment": "a", "n": 1}, {"comment": EDIT}),
        ({"text": [1], "comment": "a"}, {"comment": EDIT}),
        ({"id": "17", "comment": "a"}, {"comment": EDIT}),
        ({"id": "x", "prompt": "a", "n": None}, {"prompt": EDIT}),
    ],
)
def test_columns_are_found_by_trls_names_or_for_want_of_others(
    row: dict[str, Any], expected: dict[str, Action]
) -> None:
    assert _chosen(row) == expected


def test_a_column_that_is_named_is_edited() -> None:
    row = {"prompt": "a", "rejected": "b", "other": "c"}
    assert _chosen(row, fields=("rejected", "other")) == {"rejected": EDIT, "other": EDIT}


def test_a_column_counts_as_text_if_any_row_has_text_there() -> None:
    assert _chosen({"text": None}, {"text": 1}, {"text": "a"}) == {"text": EDIT}


@pytest.mark.parametrize(
    ("fields", "row", "message"),
    [
        (("txt",), {"text": "a", "n": 1}, "no column is called 'txt'; did you mean 'text'?"),
        (("n",), {"text": "a", "n": 1}, "column 'n' holds no text"),
        ((), {"a": "x", "b": "y"}, "columns: 'a', 'b'; name it with --field"),
        ((), {"n": 1}, "columns: 'n'; name it with --field"),
        ((), {}, "columns: none; name it with --field"),
        ((), {"prompt": "a", "completion": None}, "'completion' beside 'prompt' holds neither"),
        ((), {"prompt": "a", "response": ["b"]}, "'response' beside 'prompt' holds neither"),
        ((), {"prompt": "a", "completions": ["b"]}, "'completions' beside 'prompt' holds neither"),
        (("text",), {}, "no column is called 'text'; known: none"),
    ],
)
def test_a_file_without_the_column_is_an_error_that_names_its_columns(
    fields: tuple[str, ...], row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        choose_columns(fields, None, [row])
    assert message in str(caught.value)


def test_nothing_is_chosen_before_a_row_has_come() -> None:
    assert choose_columns(("text",), None, []) is None
    assert choose_columns((), {"a": True, "b": True}, []) is None


def test_a_file_that_names_its_columns_needs_no_row() -> None:
    columns = choose_columns((), {"id": False, "text": True}, [])
    assert columns is not None
    assert columns.actions == {"text": EDIT}
    with pytest.raises(InputError, match="no column is called 'txt'"):
        choose_columns(("txt",), {"text": True}, [])


COLUMNS = Columns({"prompt": SCORE, "completion": EDIT})
ROW = {"completion": "b", "n": 1, "prompt": "a"}


def test_passages_come_in_the_columns_order_with_their_roles() -> None:
    assert COLUMNS.read(ROW) == [
        Passage("prompt", "user", "a", SCORE),
        Passage("completion", "assistant", "b", EDIT),
    ]


def test_writing_what_was_read_gives_the_row_and_its_order() -> None:
    texts = [passage.text for passage in COLUMNS.read(ROW)]
    assert list((COLUMNS.write(ROW, texts) or {}).items()) == list(ROW.items())
    assert COLUMNS.write(ROW, ["a", "x"]) == {**ROW, "completion": "x"}


def test_a_missing_text_drops_the_row() -> None:
    assert COLUMNS.write(ROW, ["a", None]) is None


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("text", "text"),
        ("other", "text"),
        ("completion", "assistant"),
        ("chosen", "assistant"),
        ("output", "assistant"),
        ("response", "assistant"),
        ("prompt", "user"),
        ("instruction", "user"),
        ("input", "user"),
    ],
)
def test_a_column_of_one_text_gets_what_is_asked_for_its_role(
    name: str, role: str, action: Action
) -> None:
    column = SCORE if role == "user" else EDIT
    columns = Columns({name: column}, roles={role: action})
    expected = [] if action is Action.KEEP else [action]
    assert [one.action for one in columns.read({name: "a"})] == expected


@pytest.mark.parametrize("asked", [Action.DROP, EDIT])
def test_what_is_rejected_is_only_scored_whatever_is_asked_for_its_role(asked: Action) -> None:
    paired = Columns({"rejected": SCORE}, roles={"assistant": asked})
    assert [one.action for one in paired.read({"rejected": "a"})] == [SCORE]
    unpaired = Columns({"completion": EDIT}, roles={"assistant": asked})
    row = {"completion": "a", "label": False}
    assert [one.action for one in unpaired.read(row)] == [SCORE]


def test_what_is_asked_for_one_role_leaves_the_others_as_they_are() -> None:
    columns = Columns(dict(COLUMNS.actions), roles={"assistant": Action.DROP, "system": EDIT})
    assert [one.action for one in columns.read(ROW)] == [SCORE, Action.DROP]


@pytest.mark.parametrize("label", [False, 0, 0.0, np.False_, np.int64(0), "False", " false", "0"])
def test_a_completion_that_is_rejected_is_only_scored_however_its_label_is_written(
    label: object,
) -> None:
    assert [one.action for one in COLUMNS.read({**ROW, "label": label})] == [SCORE, SCORE]


@pytest.mark.parametrize("label", [True, 1, 1.0, np.True_, "True", "1", "", None, "spam", 2])
def test_a_completion_with_any_other_label_is_edited(label: object) -> None:
    assert [one.action for one in COLUMNS.read({**ROW, "label": label})] == [SCORE, EDIT]


def test_a_label_speaks_of_no_other_column() -> None:
    (passage,) = Columns({"text": EDIT}).read({"text": "a", "label": 0})
    assert passage.action is EDIT


def test_the_label_of_an_unpaired_preference_is_read_too() -> None:
    assert COLUMNS.needed == ["prompt", "completion", "label"]
    assert Columns({"text": EDIT}).needed == ["text"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "a"}, "no column 'completion'"),
        (
            {"prompt": "a", "completion": None},
            "expected a string or a list of messages in 'completion', got null",
        ),
        (
            {"prompt": 1.5, "completion": "b"},
            "expected a string or a list of messages in 'prompt', got a number",
        ),
        (
            {"prompt": b"a", "completion": "b"},
            "expected a string or a list of messages in 'prompt', got a bytes",
        ),
    ],
)
def test_a_row_without_the_text_says_why(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        COLUMNS.read(row)
    assert str(caught.value) == reason


@pytest.mark.parametrize("absent", [{}, {"input": None}])
def test_a_column_beside_the_text_may_be_empty_or_missing(absent: dict[str, Any]) -> None:
    columns = Columns({"instruction": SCORE, "input": SCORE, "output": EDIT})
    row = {"instruction": "a", **absent, "output": "b"}
    assert [one.path for one in columns.read(row)] == ["instruction", "output"]
    assert columns.write(row, ["a", "x"]) == {**row, "output": "x"}


@pytest.mark.parametrize(
    "row", [{"text": None, "messages": []}, {"messages": []}, {"text": "a", "messages": None}]
)
def test_one_of_several_columns_of_texts_is_enough(row: dict[str, Any]) -> None:
    expected = [Passage("text", "text", "a", EDIT)] if row.get("text") else []
    assert Columns({"text": EDIT, "messages": EDIT}).read(row) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": None, "chosen": None, "rejected": None}, "in 'chosen', got null"),
        ({"prompt": "a", "rejected": "b"}, "no column 'chosen'"),
    ],
)
def test_a_row_without_what_the_others_stand_beside_says_so(
    row: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        Columns({"prompt": SCORE, "chosen": EDIT, "rejected": SCORE}).read(row)


def test_a_prompt_is_a_text_like_another_where_nothing_else_is_read() -> None:
    with pytest.raises(InputError, match="in 'prompt', got null"):
        Columns({"prompt": EDIT}).read({"prompt": None})


def test_no_columns_at_all_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="at least one column"):
        Columns({})


@pytest.mark.parametrize(
    ("row", "late"),
    [
        ({"text": "a", "completion": "b"}, "completion"),
        ({"text": "a", "messages": [{"role": "user", "content": "b"}]}, "messages"),
        ({"text": "a", "instruction": "b", "output": "c"}, "instruction"),
        ({"text": "a", "completion": None, "messages": 3, "output": "c", "note": "d"}, ""),
    ],
)
def test_a_column_that_would_have_been_chosen_is_late(row: dict[str, Any], late: str) -> None:
    assert late_column(row, Columns({"text": EDIT})) == late
