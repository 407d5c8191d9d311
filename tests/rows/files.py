"""A file through a reader and a writer, by hand."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from trustydetox.errors import InputError
from trustydetox.rows import Row, build_writer, format_of, open_reader

Edits = Mapping[int, Mapping[str, str]]
NO_EDITS: Edits = {}


def rows_of(name: str, data: bytes, *, limit: int = 1 << 20) -> list[Row]:
    """The rows that a file of this name and content has, long ones joined."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        with closing(open_reader(str(path), max_row_bytes=limit)) as reader:
            return [row._replace(raw=row.raw + b"".join(row.rest or ())) for row in reader.rows()]


def errors_of(name: str, data: bytes, *, limit: int = 1 << 20) -> dict[int, str]:
    """Number and reason of the bad rows."""
    return {row.number: row.error for row in rows_of(name, data, limit=limit) if row.error}


def values_of(name: str, data: bytes) -> list[Mapping[str, Any]]:
    """The values of the good rows."""
    return [row.values for row in rows_of(name, data) if not row.error]


def rewritten(
    name: str,
    data: bytes,
    *,
    to: str = "",
    edits: Edits = NO_EDITS,
    omit: Collection[int] = (),
    limit: int = 1 << 20,
) -> bytes:
    """A file read and written again: bad rows and those of `omit` go, `edits` are made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        with closing(open_reader(str(path), max_row_bytes=limit)) as reader:
            sink = io.BytesIO()
            writer = build_writer(format_of(name), format_of(to or name), reader, sink)
            written = b""
            for row in reader.rows():
                changed = edits.get(row.number, {})
                try:
                    if row.error or row.number in omit:
                        raise InputError(row.error)
                    written += writer.keep(row, {**row.values, **changed}, changed)
                except InputError:
                    written += writer.omit(row)
            written += writer.close(reader.tail)
    return written or sink.getvalue()
