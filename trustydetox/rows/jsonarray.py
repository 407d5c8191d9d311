"""A JSON file that is one array of objects, read an element at a time.

Elements are what stands between the commas of the outermost array; each is parsed alone, so that
one malformed element costs one row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from trustydetox.errors import InputError
from trustydetox.rows.jsonlines import AsJson, edit_json
from trustydetox.rows.jsonvalues import parse_row
from trustydetox.rows.lines import BOM, too_long
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import Row

# A whole string where its end has been read, else its opening quote.
_OUTSIDE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\],]', re.DOTALL)
_INSIDE = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


class _Element(NamedTuple):
    """What stands between two marks, white space included.

    rest: the remainder of an element over the limit; read it, then ask the cutter for the mark.
    """

    body: bytes
    rest: Iterator[bytes] | None


class _Cutter:
    """Cuts an array at its own commas, whatever its elements hold.

    mark: what ended the last element: a comma, the closing bracket, or nothing at the end.
    offset: of the next byte to be given out.
    """

    def __init__(self, pieces: Iterable[bytes], limit: int) -> None:
        self.mark = b""
        self.offset = 0
        self._source = iter(pieces)
        self._limit = limit
        self._held = b""
        self._start = 0  # of what hasn't been given out
        self._at = 0  # of what hasn't been scanned
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def opening(self) -> bytes:
        """Everything up to the first bracket, or all of a blank file; else nothing."""
        while not self._held.removeprefix(BOM).strip(_SPACE) and self._more():
            pass
        head = self._held.removeprefix(BOM).lstrip(_SPACE)
        if head and not head.startswith(b"["):
            return b""
        end = len(self._held) - len(head) + len(head[:1])
        self.offset = self._start = self._at = end
        return self._held[:end]

    def element(self) -> _Element:
        """What stands before the next mark."""
        while (at := self._find_mark()) < 0:
            if len(self._held) - self._start > self._limit:
                body = self._give(len(self._held))
                return _Element(body, self._rest())
            if not self._more():
                self.mark = b""
                return _Element(self._give(len(self._held)), None)
        return _Element(self._give_marked(at), None)

    def leftover(self) -> _Element:
        """Everything after the array."""
        while len(self._held) - self._start <= self._limit:
            if not self._more():
                return _Element(self._give(len(self._held)), None)
        return _Element(self._give(len(self._held)), self._source)

    def _rest(self) -> Iterator[bytes]:
        while True:
            self._held, self._start, self._at = next(self._source, b""), 0, 0
            at = self._find_mark()
            if at >= 0:
                yield self._give_marked(at)
                return
            if not self._held:
                self.mark = b""
                return
            yield self._give(len(self._held))

    def _more(self) -> bool:
        piece = next(self._source, b"")
        self._held = self._held[self._start :] + piece
        self._at -= self._start
        self._start = 0
        return bool(piece)

    def _give(self, end: int) -> bytes:
        given = self._held[self._start : end]
        self.offset += len(given)
        self._start = end
        return given

    def _give_marked(self, at: int) -> bytes:
        body = self._give(at)
        self.mark = self._give(at + 1)
        return body

    def _find_mark(self) -> int:
        """Where the next mark is in what is held, or -1; goes on where it stopped."""
        held = self._held
        while self._at < len(held):
            if self._escaped:
                self._escaped = False
                self._at += 1
                continue
            found = (_INSIDE if self._in_string else _OUTSIDE).search(held, self._at)
            self._at = found.end() if found else len(held)
            sign = found[0] if found else b""
            if self._in_string:
                self._escaped = sign == b"\\"
                self._in_string = sign != b'"'
            elif sign == b'"':
                self._in_string = True
            elif sign in (b"{", b"["):
                self._depth += 1
            elif self._depth:
                self._depth -= sign in (b"}", b"]")
            elif sign in (b",", b"]"):
                return self._at - 1
        return -1


class JsonArrayReader:
    """Rows of a .json file."""

    columns: Mapping[str, bool] | None = None

    def __init__(self, stream: Stream, name: str, limit: int) -> None:
        self.tail = b""
        self._stream = stream
        self._name = name
        self._limit = limit

    @property
    def share(self) -> float | None:
        """How much of the file has been read."""
        return self._stream.share

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """One row per element; a cut, or what follows the array, is one bad row."""
        cutter = _Cutter(self._stream, self._limit)
        lead = cutter.opening()
        if not lead.endswith(b"["):
            if not lead and cutter.leftover().body:
                raise InputError(
                    f"{self._name} doesn't begin with '[', expected a JSON array: "
                    f"name a file with one object per line .jsonl"
                )
            self.tail = lead
            return
        index = 0
        while True:
            start = cutter.offset
            body, rest = cutter.element()
            raw = body.strip(_SPACE)
            before = len(body) - len(body.lstrip(_SPACE))
            after = body[before + len(raw) :]
            if index == 0 and not raw and cutter.mark == b"]":
                lead += body + b"]"
                break
            if rest is not None:
                raw, after = body[before:], b""
            values, error = self._parsed(raw, rest is not None, bool(cutter.mark))
            yield Row(index, start + before, lead + body[:before], raw, values, error, rest)
            index += 1
            for _ in rest or ():
                pass
            lead = after + cutter.mark
            if cutter.mark != b",":
                break
        if lead.endswith(b"]"):
            start = cutter.offset
            body, rest = cutter.leftover()
            if body.strip(_SPACE) or self._stream.fault:
                reason = self._stream.fault or "data after the end of the array"
                yield Row(index, start, lead, body, {}, reason, rest)
                lead = b""
            else:
                lead += body
        self.tail = lead

    def _parsed(self, raw: bytes, is_long: bool, is_ended: bool) -> tuple[Mapping[str, Any], str]:
        if is_long or len(raw) > self._limit:
            return {}, too_long(self._limit)
        if not is_ended:
            return {}, self._stream.fault or "the array ends early"
        try:
            return parse_row(raw), ""
        except InputError as reason:
            return {}, str(reason)


class JsonArrayCopier:
    """JSON array to JSON array: separators and elements as they were."""

    def __init__(self) -> None:
        self._is_open = False
        self._has_rows = False

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The separator and the element."""
        lead = row.lead if self._has_rows else self.omit(row)
        self._has_rows = True
        return lead + (edit_json(row, edits) if edits else row.raw)

    def omit(self, row: Row) -> bytes:
        """Nothing; of the first row, the opening bracket."""
        if self._is_open:
            return b""
        self._is_open = True
        # Another lead holds the whole of an empty array, followed by something else.
        return row.lead if row.lead.removeprefix(BOM).strip(_SPACE) == b"[" else b"["

    def close(self, tail: bytes) -> bytes:
        """The closing bracket, even where the input has none."""
        if b"]" in tail:
            return tail
        return b"\n]\n" if self._is_open else b"[]\n"


class JsonArrayWriter:
    """Rows of another format as a JSON array, one element per line."""

    def __init__(self, as_json: AsJson) -> None:
        self._as_json = as_json
        self._has_rows = False

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """The separator and the element."""
        element = self._as_json(row, values, edits)
        lead = b",\n" if self._has_rows else b"[\n"
        self._has_rows = True
        return lead + element

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """The closing bracket."""
        return b"\n]\n" if self._has_rows else b"[]\n"
