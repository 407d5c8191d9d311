from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rows.files import errors_of, rewritten, rows_of, values_of
from trustydetox.errors import InputError
from trustydetox.rows import open_reader, parquet
from trustydetox.rows.parquet import cells_as_json, widen


def _file(table: pa.Table, **settings: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **settings)
    return file.getvalue()


def _read(data: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def test_row_groups_stay_apart() -> None:
    data = _file(pa.table({"text": ["a", "b", "c", "d", "e"]}), row_group_size=2)
    found = pq.ParquetFile(io.BytesIO(rewritten("a.parquet", data, omit=[0, 2, 3])))
    assert [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)] == [1, 1]
    assert found.read().to_pylist() == [{"text": "b"}, {"text": "e"}]


def test_a_row_group_of_several_slices_stays_whole() -> None:
    texts = [f"row {i}" for i in range(5000)]
    data = _file(pa.table({"text": texts}))
    written = rewritten("a.parquet", data, edits={4999: {"text": "mended"}})
    assert pq.ParquetFile(io.BytesIO(written)).num_row_groups == 1
    assert _read(written) == [{"text": text} for text in [*texts[:-1], "mended"]]


def test_a_huge_row_group_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    data = _file(pa.table({"text": ["x" * 100] * 5000}))
    written = pq.ParquetFile(io.BytesIO(rewritten("a.parquet", data)))
    assert written.num_row_groups == 3
    assert written.metadata.num_rows == 5000


def test_a_file_without_rows_keeps_its_schema() -> None:
    schema = pa.schema([("text", pa.string()), ("n", pa.int8())], metadata={"k": "v"})
    data = _file(schema.empty_table())
    written = rewritten("a.parquet", data)
    assert pq.read_schema(io.BytesIO(written)).equals(schema, check_metadata=True)
    assert rewritten("a.parquet", data, to="b.csv") == b"text,n\n"


def test_invalid_utf8_costs_one_row() -> None:
    column = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    data = _file(pa.table({"text": column, "n": [1, 2, 3]}))
    assert errors_of("a.parquet", data) == {1: "invalid UTF-8 in column 'text'"}
    assert _read(rewritten("a.parquet", data, edits={2: {"text": "d"}})) == [
        {"text": "a", "n": 1},
        {"text": "d", "n": 3},
    ]
    row = rows_of("a.parquet", data)[1]
    assert json.loads(cells_as_json(row.cells)) == {"text": "(invalid UTF-8)", "n": 2}


TWICE = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"])


@pytest.mark.parametrize(
    ("odd", "rows"),
    [
        (pa.array([1, 2**62], pa.timestamp("us")), 1),
        (pa.array([1, 2**30], pa.int32()).cast(pa.date32()), 1),
        (TWICE, 0),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_cell_that_python_cant_hold_costs_its_row_and_only_where_its_column_is_read(
    tmp_path: Path, odd: pa.Array, rows: int
) -> None:
    path = tmp_path / "a.parquet"
    data = _file(pa.table({"text": ["a", "b"], "odd": odd}))
    path.write_bytes(data)
    reason = "a value that Python has no type for in column 'odd'"
    assert errors_of("a.parquet", data) == dict.fromkeys(range(rows, 2), reason)
    with closing(open_reader(str(path))) as reader:
        found = list(reader.rows(["text"]))
    assert [(row.values, row.error) for row in found] == [({"text": "a"}, ""), ({"text": "b"}, "")]
    assert json.loads(cells_as_json(found[1].cells)) == {
        "text": "b",
        "odd": "(a value that Python has no type for)",
    }


def test_a_row_group_that_cant_be_read_is_one_bad_row() -> None:
    data = bytearray(
        _file(
            pa.table({"text": [f"text {i}" for i in range(300)]}),
            row_group_size=100,
            use_dictionary=False,
            compression="snappy",
        )
    )
    column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    start = column.data_page_offset + 40
    data[start : start + 200] = b"\xff" * 200
    rows = rows_of("a.parquet", bytes(data))
    assert [(row.number, row.error) for row in rows if row.error] == [
        (100, "row group 1 can't be read beyond 0 of 100 rows")
    ]
    assert len(rows) == 201
    assert rows[-1].number == 299


def test_a_damaged_footer_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(_file(pa.table({"text": ["a"]}))[:-10])
    with pytest.raises(InputError, match="is a damaged Parquet file"):
        open_reader(str(path))


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pytest.raises(InputError, match="two columns named 'text'"):
        rows_of("a.parquet", _file(table))


def test_only_wanted_columns_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(_file(pa.table({"text": ["a"], "n": [1], "b": [b"x"]})))
    reader = open_reader(str(path))
    assert reader.columns == {"text": True, "n": False, "b": False}
    assert [row.values for row in reader.rows(["text"])] == [{"text": "a"}]
    assert reader.share == 1.0
    reader.close()


def test_values_without_a_json_type_cost_their_rows() -> None:
    data = _file(pa.table({"text": ["a", "b"], "b": [b"x", None]}))
    assert rewritten("a.parquet", data, to="b.jsonl") == b'{"text": "b", "b": null}\n'


def test_rows_that_dont_fit_the_first_ones_are_refused() -> None:
    data = (
        b'{"text": "a", "n": 1, "o": {"k": [1]}, "l": []}\n'
        b'{"text": "b", "n": 1.0, "o": null, "l": []}\n'
        b'{"text": "c", "n": true, "o": null, "l": []}\n'
        b'{"text": "d", "n": 9223372036854775808, "o": null, "l": []}\n'
        b'{"text": "e", "n": 1}\n'
        b'{"text": "f", "n": 1, "o": {"x": [1]}, "l": []}\n'
        b'{"text": "g", "n": 1, "o": {"k": "1"}, "l": []}\n'
        b'{"text": "h", "n": 1, "o": {"k": ["1"]}, "l": []}\n'
        b'{"text": "i", "n": 1, "o": {}, "l": []}\n'
        b'{"text": "j", "n": -9223372036854775808, "o": {"k": null}, "l": [null, "x"]}\n'
    )
    rows = _read(rewritten("a.jsonl", data, to="b.parquet"))
    assert rows == [
        {"text": "a", "n": 1, "o": {"k": [1]}, "l": []},
        {"text": "j", "n": -(2**63), "o": {"k": None}, "l": [None, "x"]},
    ]


def test_columns_of_nulls_become_strings() -> None:
    written = rewritten(
        "a.jsonl", b'{"text": "a", "x": null, "l": [], "o": {"k": null}}', to="b.parquet"
    )
    assert pq.read_schema(io.BytesIO(written)).types == [
        pa.string(),
        pa.string(),
        pa.list_(pa.string()),
        pa.struct([("k", pa.string())]),
    ]


def test_later_slices_keep_the_types_of_the_first() -> None:
    lines = (
        b'{"text": "a", "x": null}\n' * 2048 + b'{"text": "b", "x": 1}\n{"text": "c", "x": "y"}\n'
    )
    rows = _read(rewritten("a.jsonl", lines, to="b.parquet"))
    assert len(rows) == 2049
    assert rows[-1] == {"text": "c", "x": "y"}


def test_csv_becomes_parquet_of_strings() -> None:
    written = rewritten("a.csv", b"id,text\n1,a\n", to="b.parquet")
    assert _read(written) == [{"id": "1", "text": "a"}]
    empty = rewritten("a.csv", b"id,text\n", to="b.parquet")
    assert pq.read_schema(io.BytesIO(empty)).names == ["id", "text"]


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(InputError, match="isn't given a bytes"):
        widen(None, b"x", "v")


def test_parquet_keeps_no_bytes_of_rows() -> None:
    (row,) = rows_of("a.parquet", _file(pa.table({"text": ["a"]})))
    assert (row.offset, row.lead, row.raw) == (None, b"", b"")
    assert values_of("a.parquet", _file(pa.table({"text": ["a"]}))) == [{"text": "a"}]
