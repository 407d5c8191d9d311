from __future__ import annotations

import json

import pytest

from tests.rows.files import errors_of, rewritten, rows_of, values_of
from trustydetox.errors import InputError
from trustydetox.rows.jsonvalues import (
    MAX_DEPTH,
    encode_row,
    parse_row,
    replace_values,
    value_span,
    without_line_breaks,
)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"text": "a', "not JSON: Unterminated string starting at (character 9)"),
        (b"nope", "not JSON: Expecting value (character 0)"),
        (b'{"text": "\xff"}', "invalid UTF-8 at byte 10"),
        (b'{"text": "\xed\xa0\x80"}', "invalid UTF-8 at byte 10"),
        (b'{"text": "a\0b"}', "a raw NUL at character 11"),
        (b'{"text": "a", "text": "b"}', "key 'text' occurs twice"),
        (b'{"text": "a", "m": {"k": 1, "k": 1}}', "key 'k' occurs twice"),
        (b'{"text": "\\ud800"}', "a lone surrogate, which no UTF-8 text can hold"),
        (b'{"m": ["\\uDC00 x"]}', "a lone surrogate, which no UTF-8 text can hold"),
        (b'["text"]', "expected a JSON object, got an array"),
        (b"null", "expected a JSON object, got null"),
        (b'"text"', "expected a JSON object, got a string"),
        (b"1", "expected a JSON object, got a number"),
        (b"true", "expected a JSON object, got a boolean"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a number of more than 4300 digits"),
        (
            b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}",
            f"nested deeper than {MAX_DEPTH} levels",
        ),
    ],
)
def test_a_row_that_others_mend_silently_is_bad(raw: bytes, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_row(raw)
    assert str(caught.value) == reason


def test_a_row_may_be_as_deep_as_the_limit() -> None:
    raw = b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert list(parse_row(raw)) == ["a"]


def test_brackets_inside_strings_are_no_depth() -> None:
    raw = json.dumps({"text": "[{" * MAX_DEPTH, "n": {}}).encode()
    assert parse_row(raw)["text"] == "[{" * MAX_DEPTH


def test_escapes_that_make_a_whole_character_are_fine() -> None:
    assert parse_row(b'{"text": "\\ud83d\\ude00 \\u0000"}') == {"text": "\U0001f600 \0"}


def test_integers_beyond_64_bits_are_exact() -> None:
    assert parse_row(b'{"id": 123456789012345678901234567890}')["id"] == int("1234567890" * 3)


def test_values_are_found_behind_nested_ones_and_escapes() -> None:
    raw = b' {"a": {"text": "no"}, "b\\"": [1 ,"]", [{"c": "x"}] ], "te\\u0078t": "x", "n":-1.5e3}'
    found = {
        b'{"text": "no"}': ["a"],
        b'"no"': ["a", "text"],
        b'"]"': ['b"', "1"],
        b'"x"': ['b"', "2", "0", "c"],
        b"-1.5e3": ["n"],
    }
    for value, parts in found.items():
        start, end = value_span(raw, parts)
        assert raw[start:end] == value
    for missing in (["c"], ['b"', "3"], ["a", "c"]):
        with pytest.raises(KeyError):
            value_span(raw, missing)


def test_an_empty_value_holds_nothing() -> None:
    for raw in (b' {"a": { }} ', b'{"a": [ ]}'):
        with pytest.raises(KeyError):
            value_span(raw, ["a", "0"])


def test_several_members_are_replaced_at_once() -> None:
    raw = b'{"b": "1", "a": "2", "c": 3}'
    assert replace_values(raw, {"a": "long one", "b": ""}) == b'{"b": "", "a": "long one", "c": 3}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"text": "a"}', b'{"text": "\\u00e9"}'),
        ('{"text": "a", "o": "ü"}'.encode(), '{"text": "é", "o": "ü"}'.encode()),
    ],
)
def test_an_edited_value_is_escaped_as_its_row_is(raw: bytes, expected: bytes) -> None:
    assert replace_values(raw, {"text": "é"}) == expected


def test_line_breaks_between_tokens_go_and_those_in_strings_stay_escaped() -> None:
    assert without_line_breaks(b'{\n  "a": "x \\n y",\r\n\r\n  "b": 1\n}') == (
        b'{ "a": "x \\n y", "b": 1 }'
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "JSON can't hold nan (column 'v')"),
        ([1.0, float("inf")], "JSON can't hold inf (column 'v')"),
        ({"a": b"x"}, "JSON can't hold a bytes (column 'v')"),
        ((1, 2), "JSON can't hold a tuple (column 'v')"),
        ({1: 2}, "JSON can't hold a dict (column 'v')"),
    ],
)
def test_values_without_a_json_type_are_refused(value: object, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        encode_row({"v": value})
    assert str(caught.value) == reason


def test_nan_in_another_column_stays_as_it_was() -> None:
    data = b'{"text": "a", "score": NaN}\n'
    assert rewritten("a.jsonl", data, edits={0: {"text": "b"}}) == b'{"text": "b", "score": NaN}\n'


def test_lines_are_cut_at_line_feeds_only() -> None:
    data = '{"text": "a\u2028b\u0085c"}\r\n\n{"text": "d"}'.encode()
    assert values_of("a.jsonl", data) == [{"text": "a\u2028b\u0085c"}, {"text": "d"}]


def test_offsets_count_a_byte_order_mark_and_blank_lines() -> None:
    data = b'\xef\xbb\xbf\n{"text": "a"}\n \n{"text": "b"}\n'
    assert [row.offset for row in rows_of("a.jsonl", data)] == [4, 20]


def test_a_lone_byte_order_mark_is_no_row() -> None:
    assert rows_of("a.jsonl", b"\xef\xbb\xbf") == []
    assert rewritten("a.jsonl", b"\xef\xbb\xbf") == b"\xef\xbb\xbf"


def test_a_bad_line_costs_one_row() -> None:
    data = b'{"text": "a"}\nbad\n{"text": "b"}\n{"text": "c'
    assert errors_of("a.jsonl", data) == {
        1: "not JSON: Expecting value (character 0)",
        3: "not JSON: Unterminated string starting at (character 9)",
    }
    assert rewritten("a.jsonl", data) == b'{"text": "a"}\n{"text": "b"}\n'


@pytest.mark.parametrize("size", [10, 300_000, 600_000])
def test_a_line_over_the_limit_is_bad_and_whole(size: int) -> None:
    long = b'{"text": "' + b"x" * size + b'"}'
    data = b'{"text": 1}\n' + long + b'\n{"text": 2}\n{"text": 3}\n'
    rows = rows_of("a.jsonl", data, limit=15)
    assert [row.error for row in rows] == ["", "longer than 15 bytes", "", ""]
    assert rows[1].raw == long + b"\n"
    assert [row.offset for row in rows] == [0, 12, 13 + len(long), 25 + len(long)]


def test_a_last_line_over_the_limit_may_lack_its_ending() -> None:
    data = b"x" * 600_000
    (row,) = rows_of("a.jsonl", data, limit=10)
    assert (row.error, row.raw) == ("longer than 10 bytes", data)


def test_an_array_in_json_lines_is_named() -> None:
    with pytest.raises(InputError, match=r"begins with '\[', expected one JSON object per line"):
        rows_of("a.jsonl", b'\n[{"text": "a"}]')


def test_json_lines_in_an_array_file_are_named() -> None:
    with pytest.raises(InputError, match=r"doesn't begin with '\['.* \.jsonl"):
        rows_of("a.json", b'{"text": "a"}\n')


@pytest.mark.parametrize(
    ("data", "left", "errors"),
    [
        (b"", b"[]\n", {}),
        (b" \n", b"[]\n", {}),
        (b"[ ]\n", b"[ ]\n", {}),
        (b'[{"a": nope}, {"b": 1}]', b'[{"b": 1}]', {0: "not JSON: Expecting value (character 6)"}),
        (
            b'[{"a": 1}, {"b": 1} {"c": 1}]',
            b'[{"a": 1}]',
            {1: "not JSON: Extra data (character 9)"},
        ),
        (b'[{"a": 1},]', b'[{"a": 1}]', {1: "not JSON: Expecting value (character 0)"}),
        (b'[{"a": 1}, {"b": "x', b'[{"a": 1}\n]\n', {1: "the array ends early"}),
        (b'[{"a": 1}, {"b": [}, {"c": 1}]', b'[{"a": 1}\n]\n', {1: "the array ends early"}),
        (b'[{"a": 1}}, {"b": 1}]', b'[{"b": 1}]', {0: "not JSON: Extra data (character 8)"}),
        (b'[{"a": 1}] x', b'[{"a": 1}\n]\n', {1: "data after the end of the array"}),
        (b"[] x", b"[\n]\n", {0: "data after the end of the array"}),
        (b"[", b"[\n]\n", {0: "the array ends early"}),
        (b'[1, {"a": 1}]', b'[{"a": 1}]', {0: "expected a JSON object, got a number"}),
    ],
)
def test_one_malformed_element_costs_one_row(
    data: bytes, left: bytes, errors: dict[int, str]
) -> None:
    assert errors_of("a.json", data) == errors
    assert rewritten("a.json", data) == left
    assert json.loads(left) is not None


@pytest.mark.parametrize("size", [10, 300_000, 600_000])
def test_an_element_over_the_limit_is_bad_and_whole(size: int) -> None:
    long = b'{"text": "\\"' + b"],\\\\" * (size // 4) + b'", "n": [1]}'
    data = b'[{"a": 1}, ' + long + b', {"b": 1}]\n'
    rows = rows_of("a.json", data, limit=12)
    assert [row.error for row in rows] == ["", "longer than 12 bytes", ""]
    assert rows[1].raw == long
    assert rewritten("a.json", data, limit=12) == b'[{"a": 1}, {"b": 1}]\n'


def test_an_element_over_the_limit_may_never_end() -> None:
    data = b'[{"a": 1}, {"b": "' + b"x" * 600_000
    rows = rows_of("a.json", data, limit=12)
    assert [row.error for row in rows] == ["", "longer than 12 bytes"]
    assert rows[1].raw == data[11:]


def test_much_data_after_an_array_is_one_bad_row() -> None:
    rows = rows_of("a.json", b'[{"a": 1}]' + b"x" * 600_000, limit=12)
    assert [(row.error, len(row.raw)) for row in rows] == [
        ("", 8),
        ("data after the end of the array", 600_000),
    ]


def test_an_array_is_cut_alike_wherever_the_pieces_end() -> None:
    element = b'{"text": "a\\\\\\" ]},[ \\u00e9", "l": [[], {}]}'
    data = b"[" + b",".join([element] * 9000) + b"]"
    assert {row.raw for row in rows_of("a.json", data)} == {element}


def test_json_lines_become_an_array_and_back() -> None:
    lines = b'{"id": 123456789012345678901, "text": "a"}\n{"text": "b", "x": 1e400}\n'
    array = rewritten("a.jsonl", lines, to="b.json")
    assert array == (
        b'[\n{"id": 123456789012345678901, "text": "a"},\n{"text": "b", "x": 1e400}\n]\n'
    )
    assert rewritten("b.json", array, to="a.jsonl") == lines


def test_no_rows_at_all_make_an_empty_array() -> None:
    assert rewritten("a.jsonl", b"", to="b.json") == b"[]\n"
    assert rewritten("a.jsonl", b"bad\n", to="b.json") == b"[]\n"
    assert rewritten("a.json", b"[]", to="b.jsonl") == b""
    assert rewritten("a.json", b"[nope]", to="b.jsonl") == b""
