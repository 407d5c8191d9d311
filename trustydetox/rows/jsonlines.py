"""JSON lines: one object per line, blank lines between them allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trustydetox.errors import InputError
from trustydetox.rows.jsonvalues import parse_row, replace_values, without_line_breaks
from trustydetox.rows.lines import LineReader
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import CopyingWriter, Row

AsJson = Callable[[Row, Mapping[str, Any], Mapping[str, str]], bytes]
"""A row as a JSON object, from its values after the edits or from its raw bytes and the edits."""


def read_json_lines(stream: Stream, name: str, limit: int) -> LineReader:
    """Rows of a .jsonl file."""

    def refuse(raw: bytes) -> None:
        if raw.lstrip().startswith(b"["):
            raise InputError(
                f"{name} begins with '[', expected one JSON object per line: "
                f"name a JSON array .json"
            )

    return LineReader(stream, limit, parse_row, skips_blank=True, refuse=refuse)


def edit_json(row: Row, edits: Mapping[str, str]) -> bytes:
    """A JSON row's bytes with the values at some paths replaced."""
    return replace_values(row.raw, edits)


def copy_json_lines() -> CopyingWriter:
    """JSON lines to JSON lines."""
    return CopyingWriter(edit_json)


class JsonLinesWriter:
    """Rows of another format as JSON lines."""

    def __init__(self, as_json: AsJson) -> None:
        self._as_json = as_json

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The row on one line."""
        return without_line_breaks(self._as_json(row, values, edits)) + b"\n"

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """Nothing."""
        return b""
