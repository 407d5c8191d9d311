"""Lines of a byte stream, each with its ending, in bounded memory; and rows that are lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from trustydetox.errors import InputError
from trustydetox.rows.streams import Stream
from trustydetox.rows.tables import Row

BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line with its ending; only the last of a file may lack one.

    rest: the remainder of a line longer than the limit, of which `raw` is the beginning; read
        it before the next line, or lose it.
    """

    offset: int
    raw: bytes
    rest: Iterator[bytes] | None = None


def split_lines(pieces: Iterable[bytes], limit: int) -> Iterator[Line]:
    r"""Lines ended by `\n` and nothing else: a lone `\r`, U+0085 or U+2028 is text."""
    source = iter(pieces)
    offset = size = 0
    held: list[bytes] = []  # pieces of an unfinished line, `size` bytes
    pending = b""
    while piece := pending or next(source, b""):
        pending = b""
        start = 0
        while (end := piece.find(b"\n", start) + 1) > 0:
            raw = piece[start:end]
            if held:
                raw = b"".join((*held, raw))
                held, size = [], 0
            yield Line(offset, raw)
            offset += len(raw)
            start = end
        if start < len(piece):
            held.append(piece[start:])
            size += len(piece) - start
        if size > limit:
            rest = _Rest(source)
            yield Line(offset, b"".join(held), rest)
            for _ in rest:
                pass
            offset += size + rest.size
            held, size, pending = [], 0, rest.after
    if held:
        yield Line(offset, b"".join(held))


def too_long(limit: int) -> str:
    """The reason of a row over the limit."""
    return f"longer than {limit:,} bytes"


class LineReader:
    """Rows of a file that has one per line.

    parse: the values of a line, or InputError with the reason.
    columns: as in `Reader`.
    skips_blank: whether a blank line is no row; it then stays where it is.
    refuse: raises InputError where the first row shows that the whole file is something else.
    """

    def __init__(
        self,
        stream: Stream,
        limit: int,
        parse: Callable[[bytes], Mapping[str, Any]],
        *,
        columns: Mapping[str, bool] | None = None,
        skips_blank: bool = False,
        refuse: Callable[[bytes], None] | None = None,
    ) -> None:
        self.columns = columns
        self.tail = b""
        self._stream = stream
        self._limit = limit
        self._parse = parse
        self._skips_blank = skips_blank
        self._refuse = refuse

    @property
    def share(self) -> float | None:
        """How much of the file has been read."""
        return self._stream.share

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """One row per line; a cut stream ends with one bad row that holds what is left."""
        index = end = 0
        lead = b""
        is_cut = False
        for offset, raw, rest in split_lines(self._stream, self._limit):
            if offset == 0 and raw.startswith(BOM):
                lead, raw, offset = BOM, raw[len(BOM) :], len(BOM)
            end = offset + len(raw)
            if not raw or (self._skips_blank and raw.isspace() and rest is None):
                lead += raw
                continue
            if index == 0 and self._refuse is not None:
                self._refuse(raw)
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


class _Rest(Iterator[bytes]):
    """Pieces up to the end of the line; `after` is what the last piece held beyond it."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self.size = 0
        self.after = b""
        self._source = source
        self._ended = False

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        piece = next(self._source, b"")
        end = piece.find(b"\n") + 1
        self._ended = end > 0 or not piece
        if end:
            piece, self.after = piece[:end], piece[end:]
        if not piece:
            raise StopIteration
        self.size += len(piece)
        return piece
