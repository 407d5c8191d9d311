"""CSV: a header, then records of as many fields; quoting, line endings and delimiter are kept.

A quote opens a quoted field only at the field's beginning, and a doubled quote inside it is one
quote (RFC 4180, and what Python's reader does). What other readers mend in their own ways, text
after a closing quote or another number of fields, makes the record bad.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from trustydetox.errors import InputError
from trustydetox.rows.lines import BOM, Line, split_lines, too_long
from trustydetox.rows.pointers import pointer_of
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import CopyingWriter, Row

DELIMITERS = (",", ";", "\t")

_QUOTED = re.compile(r'"((?:[^"]++|"")*+)"')
_QUOTED_BYTES = re.compile(_QUOTED.pattern.encode())
_LONE_CR = re.compile(rb"\r(?!\n)")
_INSIDE = re.compile(rb'(?:[^"]++|"")*+')


class CsvReader:
    """Rows of a .csv file; the delimiter is the first of `, ; tab` that its header holds."""

    def __init__(self, stream: Stream, name: str, limit: int) -> None:
        self.tail = b""
        self.delimiter = DELIMITERS[0]
        self._stream = stream
        self._limit = limit
        self._lines = split_lines(stream, limit)
        self._head = self._read_header(name)

    def _read_header(self, name: str) -> bytes:
        self._names: list[str] = []
        self.columns: Mapping[str, bool] = {}
        head = b""
        for _, raw, rest in self._records(b","):
            head += raw
            if head == raw:
                raw = raw.removeprefix(BOM)
            if raw.isspace() or not raw:
                continue
            if _LONE_CR.search(_QUOTED_BYTES.sub(b"", raw)):
                # The whole file may be one line, which would be a header without rows.
                raise InputError(
                    f"{name}: the header has a carriage return (CR) without a line feed (LF), "
                    f"expected lines that end in LF or CR LF: convert the line ends"
                )
            if rest is not None:
                raise InputError(f"{name}: the header is {too_long(self._limit)}")
            try:
                header = raw.decode()
                outside = _QUOTED.sub("", header)
                self.delimiter = next((d for d in DELIMITERS if d in outside), DELIMITERS[0])
                self._names = [value for value, _, _ in cut_fields(header, self.delimiter)]
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{name}: invalid UTF-8 in the header, at byte {error.start}"
                ) from error
            except InputError as error:
                raise InputError(f"{name}: the header has {error}") from error
            break
        for column in self._names:
            if self._names.count(column) > 1:
                raise InputError(f"{name}: the header names {column[:80]!r} twice")
        self.columns = dict.fromkeys(self._names, True)
        return head

    @property
    def share(self) -> float | None:
        """How much of the file has been read."""
        return self._stream.share

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """One row per record; blank lines are skipped and kept where they are."""
        index = 0
        lead = self._head
        end = len(lead)
        is_cut = False
        for offset, raw, rest in self._records(self.delimiter.encode()):
            end = offset + len(raw)
            if raw.isspace() and b"\t" not in raw and b" " not in raw:
                lead += raw
                continue
            values: Mapping[str, Any] = {}
            error = ""
            if self._stream.fault and not raw.endswith(b"\n"):
                error, is_cut = self._stream.fault, True
            elif rest is not None or len(raw) > self._limit:
                error = too_long(self._limit)
            else:
                try:
                    values = self._parse(raw)
                except InputError as reason:
                    error = str(reason)
            yield Row(index, offset, lead, raw, values, error, rest)
            index += 1
            lead = b""
        if self._stream.fault and not is_cut:
            yield Row(index, end, lead, b"", {}, self._stream.fault)
            lead = b""
        self.tail = lead

    def _parse(self, raw: bytes) -> dict[str, str]:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"invalid UTF-8 at byte {error.start}") from error
        if "\0" in text:
            raise InputError(f"a raw NUL at character {text.index(chr(0))}")
        if '"' in text:
            values = [value for value, _, _ in cut_fields(text, self.delimiter)]
        else:
            values = _body(text).split(self.delimiter)
        if len(values) != len(self._names):
            raise InputError(f"{len(values)} fields, the header names {len(self._names)}")
        return dict(zip(self._names, values, strict=True))

    def _records(self, delimiter: bytes) -> Iterator[Line]:
        """Lines, joined while a quoted field is open."""
        for line in self._lines:
            if line.rest is None and not _is_open_after(line.raw, delimiter, False):
                yield line
                continue
            held = [line.raw]
            size = len(line.raw)
            rest = line.rest
            if rest is not None:
                rest = self._rest_of_line(line.raw, rest, delimiter, False)
            while rest is None and (more := next(self._lines, None)) is not None:
                held.append(more.raw)
                size += len(more.raw)
                if more.rest is not None:
                    rest = self._rest_of_line(more.raw, more.rest, delimiter, True)
                elif not _is_open_after(more.raw, delimiter, True):
                    break
                elif size > self._limit:
                    rest = self._rest_of_record(delimiter)
            record = Line(line.offset, b"".join(held), rest)
            held.clear()
            yield record
            for _ in rest or ():
                pass

    def _rest_of_record(self, delimiter: bytes) -> Iterator[bytes]:
        """The lines up to the one that closes the open field."""
        for line in self._lines:
            yield line.raw
            if line.rest is not None:
                yield from self._rest_of_line(line.raw, line.rest, delimiter, True)
                return
            if not _is_open_after(line.raw, delimiter, True):
                return

    def _rest_of_line(
        self, raw: bytes, rest: Iterator[bytes], delimiter: bytes, is_open: bool
    ) -> Iterator[bytes]:
        """The rest of a long line that began with `raw`, and of its record."""
        left = raw
        while True:
            # Quotes at the end may be one half of a doubled quote.
            end = len(left.rstrip(b'"'))
            is_open = _is_open_after(left[:end], delimiter, is_open)
            piece = next(rest, b"")
            left = left[end:] + piece
            if not piece:
                break
            yield piece
        if _is_open_after(left, delimiter, is_open):
            yield from self._rest_of_record(delimiter)

    def edit(self, row: Row, edits: Mapping[str, str]) -> bytes:
        """The record with some fields replaced, each quoted as it was or as it must be."""
        text = row.raw.decode()
        fields = cut_fields(text, self.delimiter)
        for name, (_, start, end) in reversed(list(zip(self._names, fields, strict=True))):
            if (path := pointer_of(name)) in edits:
                quoted = text.startswith('"', start)
                value = encode_field(edits[path], self.delimiter, quoted=quoted)
                text = text[:start] + value + text[end:]
        if not _body(text):
            # A blank line would be no record at all.
            text = '""' + text
        return text.encode()


def _is_open_after(raw: bytes, delimiter: bytes, is_open: bool) -> bool:
    """Whether a quoted field is open at the end of a line, given whether one was before it."""
    if b'"' not in raw:
        return is_open
    at = 0
    while True:
        if not is_open:
            if raw[at : at + 1] != b'"':
                at = raw.find(delimiter, at) + 1
                if not at:
                    return False
                continue
            at += 1
        inside = _INSIDE.match(raw, at)
        assert inside is not None  # it matches the empty string
        if inside.end() == len(raw):
            return True
        is_open = False
        at = raw.find(delimiter, inside.end() + 1) + 1
        if not at:
            return False


def _body(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def cut_fields(text: str, delimiter: str) -> list[tuple[str, int, int]]:
    """Value, start and end of each field of a record; quotes belong to start and end."""
    body = _body(text)
    fields: list[tuple[str, int, int]] = []
    at = 0
    while True:
        start = at
        if body.startswith('"', at):
            quoted = _QUOTED.match(body, at)
            if quoted is None:
                raise InputError("a quote that is never closed")
            at = quoted.end()
            value = quoted[1].replace('""', '"')
        else:
            at = body.find(delimiter, at)
            at = len(body) if at < 0 else at
            value = body[start:at]
        fields.append((value, start, at))
        if at == len(body):
            return fields
        if body[at] != delimiter:
            raise InputError(f"text after a closing quote, in field {len(fields)}")
        at += 1


def encode_field(value: str, delimiter: str, *, quoted: bool = False) -> str:
    """A field's text, quoted where asked for or needed."""
    if quoted or any(sign in value for sign in (delimiter, '"', "\n", "\r")):
        return '"' + value.replace('"', '""') + '"'
    return value


def copy_csv(reader: CsvReader) -> CopyingWriter:
    """CSV to CSV."""
    return CopyingWriter(reader.edit)


class CsvWriter:
    r"""Rows of another format as CSV with commas and `\n`; it holds strings and nothing else.

    columns: None takes those of the first row; every row must have the same.
    """

    def __init__(self, columns: Sequence[str] | None) -> None:
        self._columns = columns
        self._has_header = False

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The record, before the first one the header."""
        for name, value in values.items():
            if not isinstance(value, str):
                raise InputError(f"CSV holds strings, column {name!r} is {type(value).__name__}")
        columns = list(values) if self._columns is None else self._columns
        if values.keys() != set(columns):
            raise InputError(f"{len(values)} columns that aren't those of the header")
        record = self._header(columns) + self._record([values[name] for name in columns])
        self._columns = columns
        self._has_header = True
        return record

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """The header, where no row came to bring it."""
        return self._header(self._columns or [])

    def _header(self, columns: Sequence[str]) -> bytes:
        return b"" if self._has_header or not columns else self._record(columns)

    def _record(self, values: Sequence[str]) -> bytes:
        record = ",".join(encode_field(value, ",") for value in values)
        return f"{record or chr(34) * 2}\n".encode()
