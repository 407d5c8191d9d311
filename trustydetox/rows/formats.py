"""File names to readers and writers: the one table of formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

from trustydetox.errors import ConfigError, InputError
from trustydetox.rows.csv import CsvReader, CsvWriter, copy_csv
from trustydetox.rows.jsonarray import JsonArrayCopier, JsonArrayReader, JsonArrayWriter
from trustydetox.rows.jsonlines import (
    AsJson,
    JsonLinesWriter,
    copy_json_lines,
    edit_json,
    read_json_lines,
)
from trustydetox.rows.jsonvalues import encode_row
from trustydetox.rows.parquet import ParquetCopier, ParquetReader, ParquetWriter
from trustydetox.rows.plaintext import PlainTextWriter, copy_plain_text, read_plain_text
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import Reader, Row, Writer

MAX_ROW_BYTES = 16 << 20
TABLES = {
    ".jsonl": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "txt",
    ".ndjson": "jsonl",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file holds rows: `table` (jsonl, json, csv, parquet, txt) and `compression`."""

    table: str
    compression: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the file's bytes are those of its rows."""
        return self.table != "parquet" and not self.compression


def format_of(name: str) -> FileFormat:
    """The format that a file's ending names; `-` is JSON lines."""
    if name == "-":
        return FileFormat("jsonl")
    path = PurePath(name.lower())
    compression = COMPRESSIONS.get(path.suffix, "")
    if compression:
        path = path.with_suffix("")
    table = TABLES.get(path.suffix)
    if table is None or (compression and table == "parquet"):
        raise ConfigError(
            f"can't tell the format of {name} by its ending: expected {', '.join(TABLES)}, "
            f"all but .parquet also with {' or '.join(COMPRESSIONS)}"
        )
    return FileFormat(table, compression)


def is_table(name: str) -> bool:
    """Whether a name's ending names a format."""
    try:
        format_of(name)
    except ConfigError:
        return False
    return True


def open_reader(
    name: str,
    *,
    max_row_bytes: int = MAX_ROW_BYTES,
    watch: Callable[[bytes], object] | None = None,
) -> Reader:
    """A reader for a file by its ending, `-` for JSON lines from standard input.

    max_row_bytes: a longer row is a bad row; Parquet has no such limit.
    watch: is shown the bytes of the file as they are read, Parquet excepted.
    """
    file_format = format_of(name)
    if file_format.table == "parquet":
        return ParquetReader(name)
    stream = Stream(name, file_format.compression, watch)
    try:
        if file_format.table == "jsonl":
            return read_json_lines(stream, name, max_row_bytes)
        if file_format.table == "json":
            return JsonArrayReader(stream, name, max_row_bytes)
        if file_format.table == "csv":
            return CsvReader(stream, name, max_row_bytes)
        return read_plain_text(stream, max_row_bytes)
    except InputError:
        stream.close()
        raise


def build_writer(source: FileFormat, target: FileFormat, reader: Reader, sink: IO[bytes]) -> Writer:
    """A writer for rows of `reader`, which copies where both tables are the same.

    Only Parquet writes into `sink` itself; the bytes of every other format are returned.
    """
    columns = None if reader.columns is None else list(reader.columns)
    if isinstance(reader, ParquetReader):
        if target.table == "parquet":
            return ParquetCopier(reader, sink)
    elif target.table == "parquet":
        return ParquetWriter(sink, columns)
    if isinstance(reader, CsvReader) and target.table == "csv":
        return copy_csv(reader)
    if target.table == "csv":
        return CsvWriter(columns)
    if target.table == "txt":
        return copy_plain_text() if source.table == "txt" else PlainTextWriter()
    if target.table == "jsonl":
        return copy_json_lines() if source.table == "jsonl" else JsonLinesWriter(_as_json(source))
    return JsonArrayCopier() if source.table == "json" else JsonArrayWriter(_as_json(source))


def _as_json(source: FileFormat) -> AsJson:
    return _from_json if source.table in ("jsonl", "json") else _from_values


def _from_json(row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
    return (edit_json(row, edits) if edits else row.raw).strip()


def _from_values(row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
    return encode_row(values)
