from __future__ import annotations

from tests.rows.files import errors_of, rewritten, rows_of, values_of


def test_every_line_is_a_row_and_an_empty_one_an_empty_text() -> None:
    data = "a\r\n\nb\rc\u2028d\n  \ne".encode()
    texts = [values["text"] for values in values_of("a.txt", data)]
    assert texts == ["a", "", "b\rc\u2028d", "  ", "e"]


def test_a_byte_order_mark_is_no_text() -> None:
    assert values_of("a.txt", b"\xef\xbb\xbfa\n") == [{"text": "a"}]


def test_an_edited_line_keeps_its_ending() -> None:
    edits = {0: {"text": "x"}, 1: {"text": ""}, 2: {"text": "é"}}
    assert rewritten("a.txt", b"a\r\nb\nc", edits=edits) == "x\r\n\né".encode()


def test_bytes_that_are_no_text_are_bad_rows() -> None:
    data = b"a\n\xff\nb\0\nc"
    assert errors_of("a.txt", data) == {
        1: "invalid UTF-8 at byte 0",
        2: "a raw NUL at character 1",
    }
    assert rewritten("a.txt", data) == b"a\nc"


def test_a_text_with_a_line_break_is_no_line() -> None:
    edits = {0: {"text": "x\ny"}, 1: {"text": "x\r"}}
    assert rewritten("a.txt", b"a\nb\nc\n", edits=edits) == b"c\n"


def test_only_rows_of_one_text_become_lines() -> None:
    data = b'{"text": "a"}\n{"text": "b", "id": 1}\n{"text": 1}\n{"text": "c\\n"}\n{"text": ""}\n'
    assert rewritten("a.jsonl", data, to="b.txt") == b"a\n\n"


def test_lines_become_json_lines() -> None:
    assert rewritten("a.txt", "é\nb".encode(), to="b.jsonl") == (
        '{"text": "é"}\n{"text": "b"}\n'.encode()
    )


def test_a_long_line_is_bad() -> None:
    rows = rows_of("a.txt", b"a\n" + b"x" * 100 + b"\nb\n", limit=50)
    assert [row.error for row in rows] == ["", "longer than 50 bytes", ""]
