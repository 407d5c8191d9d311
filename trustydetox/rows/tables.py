"""A row of a file, and the two roles around it: a reader that finds rows, a writer that keeps them.

The bytes of a text file are cut without a gap: `lead + raw` of every row in order, then the
reader's `tail`, are the file. That is what lets a writer copy what nobody edited.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    """One row, or what stands where a row should be.

    number: 0-based, bad rows included.
    offset: of `raw` in the file (decompressed); None in Parquet, which has no lines.
    lead: bytes between the row before and this one: a byte order mark, a CSV header, blank
        lines, the separators of a JSON array.
    raw: the row itself with its line ending; empty in Parquet.
    error: why the row can't be read; `values` is then empty.
    rest: what follows `raw` in a row over the size limit; read it before the next row, or lose it.
    cells: Parquet only, see `trustydetox.rows.parquet`.
    """

    number: int
    offset: int | None
    lead: bytes
    raw: bytes
    values: Mapping[str, Any]
    error: str = ""
    rest: Iterator[bytes] | None = None
    cells: Any = None


class Reader(Protocol):
    """The rows of one file, read once."""

    @property
    def columns(self) -> Mapping[str, bool] | None:
        """Every column, and whether it holds text; None where only the rows can tell."""
        ...

    @property
    def tail(self) -> bytes:
        """Bytes after the last row; known once the rows have been read."""
        ...

    @property
    def share(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None where the size is unknown."""
        ...

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """Rows in order, bad ones too; `wanted`: the columns to load, where that saves work."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Writer(Protocol):
    """Rows in, bytes out, in order."""

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The bytes of a row that stays, `edits` (path -> new text) made.

        `values` are the row's after the edits. Raises InputError where the format can't hold
        them unchanged in value and type.
        """
        ...

    def omit(self, row: Row) -> bytes:
        """What stays of a row that goes."""
        ...

    def close(self, tail: bytes) -> bytes:
        """The bytes that end the file; `tail` is the reader's."""
        ...


class CopyingWriter:
    """Same format in and out, rows ended by a line break: copies what isn't edited.

    edit: the raw bytes of a row with some of its columns replaced, all else as it was.
    """

    def __init__(self, edit: Callable[[Row, Mapping[str, str]], bytes]) -> None:
        self._edit = edit

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The row's lead and its raw bytes, the edited columns re-encoded."""
        return row.lead + (self._edit(row, edits) if edits else row.raw)

    def omit(self, row: Row) -> bytes:
        """The row's lead: a header or a byte order mark outlives the row after it."""
        return row.lead

    def close(self, tail: bytes) -> bytes:
        """The tail as it was."""
        return tail
