from __future__ import annotations

import pytest

from tests.rows.files import errors_of, rewritten, rows_of, values_of
from trustydetox.errors import InputError


def test_quotes_delimiters_and_line_breaks_in_fields_are_text() -> None:
    data = b'id;text\r\n1;"a ""q"" ;\r\n\r\nb"\r\n2;5" pipe\r\n'
    assert values_of("a.csv", data) == [
        {"id": "1", "text": 'a "q" ;\r\n\r\nb'},
        {"id": "2", "text": '5" pipe'},
    ]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"a,b;c", ["a", "b;c"]),
        (b"a;b", ["a", "b"]),
        (b"a\tb", ["a", "b"]),
        (b'"a,b";c', ["a,b", "c"]),
        (b"text", ["text"]),
    ],
)
def test_the_header_tells_the_delimiter(header: bytes, names: list[str]) -> None:
    delimiter = b"," if b"," in header.replace(b'"a,b"', b"") else header[-2:-1]
    record = delimiter.join([b"x"] * len(names))
    assert [list(values) for values in values_of("a.csv", header + b"\n" + record)] == [names]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"1", "1 fields, the header names 2"),
        (b"1,a,", "3 fields, the header names 2"),
        (b'1,"a"b', "text after a closing quote, in field 2"),
        (b'1,"a" "b"\n', "text after a closing quote, in field 2"),
        (b"1,\xff", "invalid UTF-8 at byte 2"),
        (b"1,a\0", "a raw NUL at character 3"),
    ],
)
def test_a_malformed_record_costs_one_row(record: bytes, reason: str) -> None:
    data = b"id,text\n0,x\n" + record.rstrip(b"\n") + b"\n2,y\n"
    assert errors_of("a.csv", data) == {1: reason}
    assert rewritten("a.csv", data) == b"id,text\n0,x\n2,y\n"


def test_a_quote_that_is_never_closed_takes_the_rest() -> None:
    data = b'id,text\n0,x\n1,"a\n2,b\n'
    assert errors_of("a.csv", data) == {1: "a quote that is never closed"}
    assert rows_of("a.csv", data)[1].raw == b'1,"a\n2,b\n'


@pytest.mark.parametrize("size", [40, 600_000])
def test_a_record_over_the_limit_is_bad_and_whole(size: int) -> None:
    for inside in (b"x" * size, b"x\n" * (size // 2), b"x\n" * (size // 2) + b"y" * 300_000):
        long = b'1,"' + inside + b'"\n'
        rows = rows_of("a.csv", b"id,text\n" + long + b"2,b\n", limit=30)
        assert [row.error for row in rows] == ["longer than 30 bytes", ""]
        assert rows[0].raw == long


def test_a_header_over_the_limit_is_no_header() -> None:
    with pytest.raises(InputError, match="the header is longer than 30 bytes"):
        rows_of("a.csv", b"x" * 600_000, limit=30)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"a,a", "the header names 'a' twice"),
        (b"a,\xff", "invalid UTF-8 in the header, at byte 2"),
        (b'"a"b,c', "the header has text after a closing quote"),
    ],
)
def test_a_header_that_names_no_columns_is_an_error(header: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        rows_of("a.csv", header + b"\n1,2\n")


@pytest.mark.parametrize(
    "data",
    [
        b"id,text\r1,a\r2,b\r",
        b'\xef\xbb\xbf"id","text"\r"1","a"\r',
        b"id,text\r",
        b"id,text\r1,a\n2,b\n",
        b"id,text\r" + b"1,a\r" * 200,
    ],
)
def test_lines_that_end_in_cr_alone_are_an_error_and_no_header_of_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.csv: the header has a carriage return .*: convert"):
        rows_of("a.csv", data, limit=300)


def test_a_cr_inside_a_quoted_name_is_text() -> None:
    assert values_of("a.csv", b'"i\rd",text\r\n1,a\r\n') == [{"i\rd": "1", "text": "a"}]


def test_a_file_without_records_keeps_its_header() -> None:
    for data in (b"", b"\n", b"id,text", b"\xef\xbb\xbfid,text\r\n", b"\n\nid,text\n\n"):
        assert rewritten("a.csv", data) == data
        assert rows_of("a.csv", data) == []


def test_a_header_outlives_the_record_after_it() -> None:
    assert rewritten("a.csv", b"\xef\xbb\xbfid,text\n\n1\n", omit=[0]) == b"\xef\xbb\xbfid,text\n\n"


def test_a_field_is_quoted_as_it_was_or_as_it_must_be() -> None:
    data = b'text,z\r\na,"1"\r\n"b",2\r\n'
    edits = {0: {"text": "x,y", "z": ""}, 1: {"text": "c", "z": 'say "2"'}}
    assert rewritten("a.csv", data, edits=edits) == (b'text,z\r\n"x,y",""\r\n"c","say ""2"""\r\n')


def test_an_only_field_that_becomes_empty_is_no_blank_line() -> None:
    assert rewritten("a.csv", b"text\na\n", edits={0: {"text": ""}}) == b'text\n""\n'
    assert rewritten("a.jsonl", b'{"text": ""}\n', to="a.csv") == b'text\n""\n'


def test_other_formats_become_csv_where_all_values_are_strings() -> None:
    data = b'{"text": "a\\nb", "x": "1"}\n{"x": "2", "text": "c"}\n'
    data += b'{"text": "d", "x": 3}\n{"text": "e"}\n{"text": null, "x": ""}\n'
    assert rewritten("a.jsonl", data, to="b.csv") == b'text,x\n"a\nb",1\nc,2\n'


def test_a_delimiter_doesnt_survive_a_change_to_another_format_and_back() -> None:
    lines = rewritten("a.csv", b"id;text\n1;a\n", to="b.jsonl")
    assert lines == b'{"id": "1", "text": "a"}\n'
    assert rewritten("b.jsonl", lines, to="c.csv") == b"id,text\n1,a\n"


def test_columns_known_beforehand_make_a_header_without_rows() -> None:
    assert rewritten("a.txt", b"", to="b.csv") == b"text\n"
    assert rewritten("a.txt", b"\0\n", to="b.csv") == b"text\n"
    assert rewritten("a.jsonl", b"", to="b.csv") == b""
