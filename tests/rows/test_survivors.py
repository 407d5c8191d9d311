"""What planted faults showed to be unseen: how much was read, limits met exactly, checksums."""

from __future__ import annotations

import io
import zlib
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rows.files import errors_of, rows_of
from trustydetox.rows import open_reader
from trustydetox.rows.streams import packed

FILES = {
    "rows.jsonl": b'{"text":"a"}\n{"text":"b"}\n',
    "rows.json": b'[{"text":"a"},{"text":"b"}]',
    "rows.csv": b"text\na\nb\n",
    "rows.txt": b"a\nb\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_reader_tells_how_much_of_its_file_it_has_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    with closing(open_reader(str(tmp_path / name), max_row_bytes=1 << 20)) as reader:
        for row in reader.rows():
            list(row.rest or ())
        assert reader.share == 1.0


def test_nothing_of_a_file_is_read_before_its_rows_are(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(FILES["rows.jsonl"])
    with closing(open_reader(str(tmp_path / "rows.jsonl"), max_row_bytes=1 << 20)) as reader:
        assert reader.share == 0.0


def test_a_table_tells_how_many_of_its_rows_it_has_given(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c", "d"]}), path, row_group_size=2)
    with closing(open_reader(str(path), max_row_bytes=1 << 20)) as reader:
        assert reader.share == 0.0
        for _ in reader.rows():
            pass
        assert reader.share == 1.0


def test_a_table_without_rows_has_nothing_left_to_give(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    with closing(open_reader(str(path), max_row_bytes=1 << 20)) as reader:
        assert list(reader.rows()) == []
        assert reader.share == 0.0


@pytest.mark.parametrize(
    ("name", "data", "longest"),
    [
        ("rows.jsonl", b'{"text":"abc"}\n{"text":"a"}\n', 15),  # with the line break
        ("rows.csv", b"text\nabcdef\na\n", 7),
        ("rows.txt", b"abcdef\na\n", 7),
        ("rows.json", b'[{"text":"abc"}]', 14),
    ],
)
def test_a_row_as_long_as_the_limit_is_read_and_a_longer_one_is_not(
    name: str, data: bytes, longest: int
) -> None:
    assert errors_of(name, data, limit=longest) == {}
    assert list(errors_of(name, data, limit=longest - 1)) == [0]


def test_a_zstandard_file_holds_a_checksum() -> None:
    file = io.BytesIO()
    with packed(file, "zstd") as sink:
        sink.write(b"hello")
    # RFC 8878: bit 2 of the byte after the magic number is the checksum flag.
    assert file.getvalue()[:4] == b"\x28\xb5\x2f\xfd"
    assert file.getvalue()[4] & 0b100


def test_brackets_side_by_side_do_not_add_up_and_do_not_hide_depth() -> None:
    flat = b'{"text":"a","more":[' + b"[]," * 600 + b"[]]}\n"
    # Six hundred closed ones first, then 499 open inside the two of the row: 501 levels.
    deep = b'{"text":"a","more":[' + b"[]," * 600 + b"[" * 499 + b"]" * 499 + b"]}\n"
    assert errors_of("rows.jsonl", flat) == {}
    assert errors_of("rows.jsonl", deep) == {0: "nested deeper than 500 levels"}


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv.gz"])
def test_a_file_cut_between_two_rows_says_where(name: str) -> None:
    head = b'{"text":"a"}\n' if "jsonl" in name else b"text\na\n"
    squeezed = zlib.compressobj(wbits=31)
    # After a full flush all that was put in can be read; the end of the stream is missing.
    cut = squeezed.compress(head) + squeezed.flush(zlib.Z_FULL_FLUSH)
    *_, last = rows_of(name, cut)
    assert last.offset == len(head)
    assert "ends early" in last.error
