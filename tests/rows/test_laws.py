from __future__ import annotations

import io
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rows.files import rewritten, rows_of, values_of
from trustydetox.rows.csv import encode_field

few = settings(max_examples=40, deadline=None)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TRICKY = TEXT | st.sampled_from(
    [
        "",
        '"',
        '\\"',
        "\\",
        "a,b",
        "]}",
        "[{",
        "\u2028",
        "\x85",
        "\r",
        "a\nb",
        "é",
        "\U0001f600",
        "\0",
    ]
)
BOMS = st.sampled_from([b"", b"\xef\xbb\xbf"])
BREAKS = st.sampled_from(["\n", "\r\n"])
VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def json_objects(draw: st.DrawFn) -> tuple[str, str, str]:
    """An object as the text before the value of `text`, that value, and the text after it."""
    ascii_only = draw(st.booleans())
    space = draw(st.sampled_from(["", " ", "\t ", "  "]))

    def encoded(value: object) -> str:
        return json.dumps(value, ensure_ascii=ascii_only)

    keys = st.text('abcé\\"{', max_size=3)
    others = draw(st.dictionaries(keys, VALUES, max_size=3))
    members = [f"{space}{encoded(key)}{space}:{encoded(value)}" for key, value in others.items()]
    at = draw(st.integers(0, len(members)))
    before = "".join(member + "," for member in members[:at])
    after = "".join("," + member for member in members[at:])
    return f'{{{before}{space}"text":{space}', encoded(draw(TRICKY)), f"{space}{after}{space}}}"


@st.composite
def json_lines(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str, str]], list[bytes]]:
    """A file, its objects, and what stands before each of them and at the end."""
    objects = draw(st.lists(json_objects(), max_size=4))
    gaps = [draw(BOMS) + draw(st.sampled_from([b"", b"\n", b" \r\n"]))]
    for _ in objects:
        ending = draw(BREAKS) + draw(st.sampled_from(["", "\n", "\t\n"]))
        gaps.append(ending.encode())
    is_cut: bool = draw(st.booleans())
    if objects and is_cut:
        gaps[-1] = b""
    data = gaps[0]
    for parts, gap in zip(objects, gaps[1:], strict=True):
        data += "".join(parts).encode() + gap
    return data, objects, gaps


@few
@given(json_lines())
def test_json_lines_that_nobody_edits_keep_every_byte(
    file: tuple[bytes, list[tuple[str, str, str]], list[bytes]],
) -> None:
    data, objects, _ = file
    assert rewritten("a.jsonl", data) == data
    assert [row.error for row in rows_of("a.jsonl", data)] == [""] * len(objects)


@few
@given(json_lines(), TRICKY)
def test_an_edit_of_a_json_line_changes_one_value_and_no_other_byte(
    file: tuple[bytes, list[tuple[str, str, str]], list[bytes]], text: str
) -> None:
    data, objects, gaps = file
    expected = gaps[0]
    for number, ((before, value, after), gap) in enumerate(zip(objects, gaps[1:], strict=True)):
        if number == len(objects) - 1:
            line = (before + value + after).encode()
            value = json.dumps(text, ensure_ascii=line.isascii())
        expected += (before + value + after).encode() + gap
    assert rewritten("a.jsonl", data, edits={len(objects) - 1: {"text": text}}) == expected


@few
@given(st.lists(json_objects(), max_size=4), st.sampled_from(["", " ", "\n\t", "\r\n"]), BOMS)
def test_a_json_array_that_nobody_edits_keeps_every_byte(
    objects: list[tuple[str, str, str]], space: str, bom: bytes
) -> None:
    inside = f"{space},{space}".join("".join(parts) for parts in objects)
    data = bom + f"{space}[{space}{inside}{space}]{space}".encode()
    assert rewritten("a.json", data) == data


@few
@given(st.lists(json_objects(), min_size=1, max_size=4), st.data())
def test_elements_that_leave_a_json_array_take_their_separators_along(
    objects: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    omitted = data.draw(st.sets(st.integers(0, len(objects) - 1)))
    text = "[\n " + ",\n ".join("".join(parts) for parts in objects) + "\n]"
    kept = ["".join(parts) for i, parts in enumerate(objects) if i not in omitted]
    left = rewritten("a.json", text.encode(), omit=omitted)
    assert left == ("[\n " + ",\n ".join(kept) + "\n]").encode()


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, list[list[str]], list[bytes]]:
    """A file, its fields as they are written, and what stands before, between and after."""
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    unquoted = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters=',;\t\n\r"\0'), max_size=6
    )
    quoted = TRICKY.filter(lambda text: "\0" not in text).map(
        lambda text: '"' + text.replace('"', '""') + '"'
    )
    # A record whose fields are all empty could be a blank line.
    records = draw(
        st.lists(st.tuples(st.just('"x"') | unquoted, unquoted | quoted, quoted), max_size=4)
    )
    ending = draw(BREAKS)
    gaps = [draw(BOMS) + f'id{delimiter}text{delimiter}"z"{ending}'.encode()]
    gaps += [(ending + draw(st.sampled_from(["", ending]))).encode() for _ in records]
    is_cut: bool = draw(st.booleans())
    if records and is_cut:
        gaps[-1] = b""
    data = gaps[0]
    for record, gap in zip(records, gaps[1:], strict=True):
        data += delimiter.join(record).encode() + gap
    return data, [[delimiter], *map(list, records)], gaps


@few
@given(csv_files())
def test_csv_records_that_nobody_edits_keep_every_byte(
    file: tuple[bytes, list[list[str]], list[bytes]],
) -> None:
    data, records, _ = file
    assert rewritten("a.csv", data) == data
    assert [row.error for row in rows_of("a.csv", data)] == [""] * (len(records) - 1)


@few
@given(csv_files(), TRICKY.filter(lambda text: "\0" not in text))
def test_an_edit_of_a_csv_record_changes_one_field_and_no_other_byte(
    file: tuple[bytes, list[list[str]], list[bytes]], text: str
) -> None:
    data, [[delimiter], *records], gaps = file
    expected = gaps[0]
    for number, (record, gap) in enumerate(zip(records, gaps[1:], strict=True)):
        if number == len(records) - 1:
            quoted = record[1].startswith('"')
            record[1] = encode_field(text, delimiter, quoted=quoted)
        expected += delimiter.join(record).encode() + gap
    edits = {len(records) - 1: {"text": text}}
    assert rewritten("a.csv", data, edits=edits) == expected
    if records:
        assert values_of("a.csv", expected)[-1]["text"] == text


@few
@given(st.lists(TEXT, max_size=5), BREAKS, BOMS, st.booleans())
def test_lines_of_text_that_nobody_edits_keep_every_byte(
    texts: list[str], ending: str, bom: bytes, is_ended: bool
) -> None:
    data = bom + ending.join(texts).encode() + (ending.encode() if is_ended else b"")
    if not any("\0" in text for text in texts):
        assert rewritten("a.txt", data) == data


TYPES: list[tuple[pa.DataType, st.SearchStrategy[object]]] = [
    (pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.list_(pa.struct([("a", pa.large_string())])), st.just([{"a": "x"}]) | st.just(None)),
    (pa.binary(), st.binary(max_size=3)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["u", "v"])),
    (pa.timestamp("ms", tz="UTC"), st.none()),
]
TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
]


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(0, 7), st.sampled_from(TEXT_TYPES))
def test_parquet_keeps_schema_metadata_and_every_cell_but_the_edited(
    data: st.DataObject, rows: int, text_type: pa.DataType
) -> None:
    kind, values = data.draw(st.sampled_from(TYPES))
    schema = pa.schema(
        [pa.field("other", kind), pa.field("text", text_type, metadata={"k": "v"})],
        metadata={"huggingface": "{}"},
    )
    columns = [
        pa.array(data.draw(st.lists(values, min_size=rows, max_size=rows)), kind),
        pa.array(data.draw(st.lists(TEXT, min_size=rows, max_size=rows)), text_type),
    ]
    table = pa.table(columns, schema=schema)
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=3, compression="zstd")

    edited = rewritten("a.parquet", file.getvalue(), edits={1: {"text": "mended"}}, omit=[2])

    expected = table.to_pylist()
    if rows > 1:
        expected[1]["text"] = "mended"
    if rows > 2:
        del expected[2]
    found = pq.ParquetFile(io.BytesIO(edited))
    assert found.schema_arrow.equals(pq.read_schema(file), check_metadata=True)
    # As text, because NaN differs from itself.
    assert str(found.read().to_pylist()) == str(expected)
    assert all(
        found.metadata.row_group(i).column(0).compression == "ZSTD"
        for i in range(found.num_row_groups)
    )


def _joined(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


CONVERTED: list[tuple[str, Callable[[bytes], list[object]]]] = [
    ("b.json", lambda data: json.loads(data)),
    ("b.jsonl", lambda data: [json.loads(line) for line in data.decode().split("\n")[:-1]]),
    ("b.parquet", lambda data: pq.read_table(io.BytesIO(data)).to_pylist()),
]


@few
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "text": TRICKY,
                "n": st.none() | st.integers(-(2**63), 2**63 - 1),
                "x": st.floats(allow_nan=False, allow_infinity=False),
                "list": st.lists(st.fixed_dictionaries({"a": st.none() | TEXT})),
                "yes": st.booleans(),
            }
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(CONVERTED),
)
def test_values_and_types_survive_a_change_of_format(
    rows: list[dict[str, object]], target: tuple[str, Callable[[bytes], list[object]]]
) -> None:
    name, load = target
    edited = [{**rows[0], "text": "mended"}, *rows[1:]]
    found = load(rewritten("a.jsonl", _joined(rows), to=name, edits={0: {"text": "mended"}}))
    # As text, which tells 1 from 1.0 and True.
    assert json.dumps(found, sort_keys=True) == json.dumps(edited, sort_keys=True)


@pytest.mark.parametrize("broken", [b"text\nx\n", b"text\r\n x\r\n", b"text\r\nx"])
def test_the_comparison_of_bytes_notices_a_lost_byte(broken: bytes) -> None:
    assert rewritten("a.csv", b"text\r\nx\r\n") != broken
