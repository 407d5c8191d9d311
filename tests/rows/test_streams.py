from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path

import pytest
import zstandard

from tests.rows.files import rows_of
from trustydetox.errors import ConfigError, InputError
from trustydetox.rows import FileFormat, format_of, open_reader, streams
from trustydetox.rows.streams import Stream, packed

LINES = b"".join(b'{"text": "row %d"}\n' % i for i in range(3000))


def _zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _pieces(path: Path, compression: str) -> tuple[bytes, str]:
    stream = Stream(str(path), compression)
    data = b"".join(stream)
    stream.close()
    return data, stream.fault


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".zst", _zst)])
def test_compressed_rows_are_read(ending: str, pack: object) -> None:
    assert callable(pack)
    assert len(rows_of(f"a.jsonl{ending}", pack(LINES))) == 3000
    assert rows_of(f"a.jsonl{ending}", pack(b"")) == []
    # Several members in one file, as `cat a.gz b.gz` makes them.
    assert len(rows_of(f"a.jsonl{ending}", pack(LINES) + pack(LINES))) == 6000


def test_a_zstandard_frame_with_a_long_window_is_read() -> None:
    # As `zstd --long=31` makes it from a pipe, whose length it doesn't know.
    settings = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True, hash_log=6)
    compressor = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    data = compressor.compress(LINES) + compressor.flush()
    assert zstandard.get_frame_parameters(data).window_size == 1 << 31
    rows = rows_of("a.jsonl.zst", data)
    assert ([row.error for row in rows if row.error], len(rows)) == ([], 3000)


@pytest.mark.parametrize("first", [0x50, 0x5F])
def test_zstandard_frames_that_hold_no_data_are_skipped(first: int) -> None:
    skipped = bytes([first]) + b"\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    for data in (skipped + _zst(LINES), _zst(LINES) + skipped, skipped * 2 + _zst(LINES)):
        assert len(rows_of("a.jsonl.zst", data)) == 3000
    assert rows_of("a.jsonl.zst", skipped) == []
    assert [row.error for row in rows_of("a.jsonl.zst", skipped[:6])] == [
        "the Zstandard stream ends early"
    ]


def test_padding_after_a_gzip_member_is_ignored() -> None:
    assert len(rows_of("a.jsonl.gz", gzip.compress(LINES) + b"\0" * 50)) == 3000


@pytest.mark.parametrize(
    ("ending", "pack", "reason"),
    [
        (".gz", gzip.compress, "the gzip stream ends early"),
        (".zst", _zst, "the Zstandard stream ends early"),
    ],
)
def test_rows_before_a_cut_are_read_and_the_rest_is_one_bad_row(
    ending: str, pack: object, reason: str
) -> None:
    assert callable(pack)
    whole = pack(LINES) if ending == ".gz" else b"".join(map(pack, [LINES[:20000], LINES[20000:]]))
    for name in (f"a.jsonl{ending}", f"a.txt{ending}", f"a.csv{ending}"):
        rows = rows_of(name, whole[:-30])
        assert [row.error for row in rows if row.error] == [reason]
        assert rows[-1].error == reason
        assert len(rows) > 500


def test_a_cut_between_two_rows_is_still_one_bad_row() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    data = compressor.compress(b'{"text": "a"}\n') + compressor.flush(
        zstandard.COMPRESSOBJ_FLUSH_BLOCK
    )
    for name in ("a.jsonl.zst", "a.txt.zst"):
        rows = rows_of(name, data)
        assert [(row.raw, row.error) for row in rows] == [
            (b'{"text": "a"}\n', ""),
            (b"", "the Zstandard stream ends early"),
        ]
    rows = rows_of("a.csv.zst", data)
    assert [row.error for row in rows] == ["the Zstandard stream ends early"]


def test_a_cut_array_is_one_bad_row() -> None:
    data = b"[" + b",".join([b'{"text": "a"}'] * 3000) + b"]"
    rows = rows_of("a.json.gz", gzip.compress(data)[:-20])
    assert [row.error for row in rows if row.error] == ["the gzip stream ends early"]


def test_a_wrong_checksum_is_one_bad_row_at_the_end() -> None:
    data = bytearray(gzip.compress(LINES))
    data[-8] ^= 1
    errors = [row.error for row in rows_of("a.jsonl.gz", bytes(data)) if row.error]
    assert errors == ["the gzip stream is damaged"]
    array = bytearray(gzip.compress(b'[{"a": 1}]\n'))
    array[-8] ^= 1
    rows = rows_of("a.json.gz", bytes(array))
    assert [row.error for row in rows] == ["", "the gzip stream is damaged"]


def test_damaged_zstandard_data_is_one_bad_row() -> None:
    data = bytearray(_zst(LINES))
    data[-1] ^= 1
    errors = [row.error for row in rows_of("a.jsonl.zst", bytes(data)) if row.error]
    assert errors == ["the Zstandard stream is damaged"]


@pytest.mark.parametrize("start", [0, 100, streams.ZSTD_PIECE, 3 * streams.ZSTD_PIECE + 7])
def test_all_that_lies_before_damage_in_a_later_frame_is_given(tmp_path: Path, start: int) -> None:
    path = tmp_path / "a.zst"
    # Bytes that don't compress, so that the second frame is many pieces long, in blocks of 128 KB.
    first = random.Random(1).randbytes(start)
    second = random.Random(2).randbytes(3 << 17)
    before = _zst(first) if start else b""
    frame = bytearray(_zst(second))
    frame[9 + 2 * (3 + (1 << 17))] |= 6  # the header of its third block names no known kind
    path.write_bytes(before + bytes(frame))
    data, fault = _pieces(path, "zstd")
    assert fault == "the Zstandard stream is damaged"
    assert data == (first + second)[: len(data)]
    assert len(data) >= start + (2 << 17)


@pytest.mark.parametrize(("compression", "size"), [("gzip", 1 << 22), ("zstd", 1 << 22)])
def test_a_stream_that_grows_out_of_proportion_is_refused(
    compression: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BOMB_BYTES", 1 << 20)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(bytes(size)) if compression == "gzip" else _zst(bytes(size)))
    stream = Stream(str(path), compression)
    with pytest.raises(InputError, match="grows more than 200 times"):
        list(stream)
    stream.close()


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.jsonl", gzip.compress(b"x", mtime=0), "gzip data"),
        ("a.csv", b"PAR1xxxx", "a Parquet file"),
        ("a.txt", b"\xff\xfea\0", "UTF-16 text"),
        ("a.jsonl", b"PK\x03\x04", "a zip archive"),
        ("a.jsonl.gz", gzip.compress(b"PAR1", mtime=0), "a Parquet file"),
        ("a.parquet", gzip.compress(b"x", mtime=0), "gzip data"),
        ("a.parquet", b"text", "no Parquet data"),
    ],
)
def test_a_wrong_ending_is_told_by_the_first_bytes(name: str, data: bytes, found: str) -> None:
    with pytest.raises(InputError, match=f"holds {found}, expected"):
        rows_of(name, data)


@pytest.mark.parametrize(("name", "kind"), [("a.jsonl.gz", "gzip"), ("a.txt.zst", "Zstandard")])
def test_an_ending_that_names_no_compression_of_the_file_is_an_error(name: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"isn't {kind} data"):
        rows_of(name, b"plain text")


def test_a_file_that_isnt_there_is_one_line(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.parquet"):
        with pytest.raises(InputError, match=r"can't read .*: No such file or directory"):
            open_reader(str(tmp_path / name))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.parquet"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=r"can't read .*: Is a directory"):
            open_reader(str(tmp_path / name))


class _Unreadable(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(_Unreadable()))
    with pytest.raises(InputError, match=r"can't read -: Input/output error"):
        list(open_reader("-").rows())


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    seen: list[bytes] = []
    reader = open_reader("-", watch=seen.append)
    assert len(list(reader.rows())) == 3000
    assert reader.share is None
    reader.close()
    assert not sys.stdin.closed
    assert b"".join(seen) == LINES


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "a.jsonl.gz"])
def test_the_share_read_grows_from_nothing_to_all(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data = b"[]" if ".json" in name and "l" not in name else LINES
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    reader = open_reader(str(path))
    before = reader.share
    list(reader.rows())
    assert before is not None
    assert before <= 1.0
    assert reader.share == 1.0
    reader.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x/A.JSONL", FileFormat("jsonl")),
        ("a.ndjson.gz", FileFormat("jsonl", "gzip")),
        ("a.json.gz", FileFormat("json", "gzip")),
        ("a.b.csv.zst", FileFormat("csv", "zstd")),
        ("a.parquet", FileFormat("parquet")),
        ("-", FileFormat("jsonl")),
    ],
)
def test_the_ending_names_the_format(name: str, expected: FileFormat) -> None:
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["a", "a.tsv", "a.gz", "a.parquet.gz", "jsonl", "a.jsonl.bz2"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="can't tell the format"):
        format_of(name)


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_what_is_packed_is_read_back_and_depends_on_content_alone(
    compression: str, tmp_path: Path
) -> None:
    files = []
    for name in ("first", "second"):
        file = io.BytesIO()
        packing = packed(file, compression)
        packing.write(LINES)
        if compression:
            packing.close()
        files.append(file.getvalue())
        (tmp_path / name).write_bytes(file.getvalue())
    assert files[0] == files[1]
    assert _pieces(tmp_path / "first", compression) == (LINES, "")
