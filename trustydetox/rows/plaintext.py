"""Plain text: every line is a row with one column, `text`; an empty line is an empty text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trustydetox.errors import InputError
from trustydetox.rows.lines import LineReader
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import CopyingWriter, Row

COLUMN = "text"


def read_plain_text(stream: Stream, limit: int) -> LineReader:
    """Rows of a .txt file."""
    return LineReader(stream, limit, parse_line, columns={COLUMN: True})


def _ending(raw: bytes) -> bytes:
    if raw.endswith(b"\r\n"):
        return b"\r\n"
    return b"\n" if raw.endswith(b"\n") else b""


def parse_line(raw: bytes) -> dict[str, str]:
    """The line's text without its ending; InputError where it isn't UTF-8 text."""
    try:
        text = raw.removesuffix(_ending(raw)).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"invalid UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise InputError(f"a raw NUL at character {text.index(chr(0))}")
    return {COLUMN: text}


def _encode(text: str) -> bytes:
    # A final `\r` would become half of the line ending.
    if "\n" in text or text.endswith("\r"):
        raise InputError("a line of text can't hold a line break")
    return text.encode()


def copy_plain_text() -> CopyingWriter:
    """Plain text to plain text."""
    return CopyingWriter(lambda row, edits: _encode(edits[COLUMN]) + _ending(row.raw))


class PlainTextWriter:
    """Rows of another format as lines; they must have the column `text` and no other."""

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The text on one line."""
        if list(values) != [COLUMN] or not isinstance(values[COLUMN], str):
            raise InputError(f"plain text holds one column, {COLUMN!r}, of strings")
        return _encode(values[COLUMN]) + b"\n"

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """Nothing."""
        return b""
