"""The bytes of an input in pieces of bounded size, decompressed; and the way back.

A compressed stream that ends early or is damaged gives all that could be read and then says so
in `fault`; it raises nothing, because the rows before the cut are good.
"""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from trustydetox.errors import InputError

PIECE = 1 << 18
"""Most bytes of one piece of a plain or gzip file."""

ZSTD_PIECE = 1 << 12
"""Compressed bytes given to zstd at a time: it can't bound what one call returns."""

ZSTD_WINDOW = 1 << 31
"""The largest window that Zstandard has; by itself it refuses what `zstd --long=28` writes."""

BOMB_BYTES = 1 << 30
BOMB_RATIO = 200
"""A stream that grew beyond both of these is refused."""

MAGIC = {
    b"\x1f\x8b": "gzip data",
    b"\x28\xb5\x2f\xfd": "Zstandard data",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"PK\x03\x04": "a zip archive",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ\x00": "xz data",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
SKIPPABLE = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
"""What a frame of Zstandard begins with that holds no data: pzstd writes one before each."""

EXPECTED = {"gzip": (b"\x1f\x8b",), "zstd": (b"\x28\xb5\x2f\xfd", *SKIPPABLE)}
KINDS = {"gzip": "gzip data", "zstd": "Zstandard data"}


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes; `""` for anything that may be UTF-8 text."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


class Stream:
    """Pieces of an input, read once.

    watch: is shown every piece as it lies in the file, before it is unpacked.
    fault: why the pieces end before the input does; `""` while all is well.
    """

    def __init__(
        self, name: str, compression: str, watch: Callable[[bytes], object] | None = None
    ) -> None:
        self.fault = ""
        self._watch = watch
        self._name = name
        self._compression = compression
        self._taken = 0
        self._file: IO[bytes]
        if name == "-":
            self._file, self._size = sys.stdin.buffer, None
        else:
            try:
                self._file = Path(name).open("rb")  # noqa: SIM115  (close() ends it)
            except OSError as error:
                raise InputError(f"can't read {name}: {error.strerror}") from error
            self._size = os.fstat(self._file.fileno()).st_size

    @property
    def share(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None for standard input."""
        return None if self._size is None else min(1.0, self._taken / max(1, self._size))

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._name != "-":
            self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._unpacked()
        head = next(pieces, b"")
        while len(head) < 8 and (more := next(pieces, b"")):
            head += more
        if found := kind_of(head):
            raise InputError(
                f"{self._name} holds {found}, expected text in UTF-8: rename or convert it"
            )
        if head:
            yield head
        yield from pieces

    def _unpacked(self) -> Iterator[bytes]:
        if not self._compression:
            return self._packed(PIECE)
        return self._unzipped() if self._compression == "gzip" else self._unzstandard()

    def _packed(self, size: int) -> Iterator[bytes]:
        expected = EXPECTED.get(self._compression, (b"",))
        while True:
            try:
                piece = self._file.read(size)
            except OSError as error:
                raise InputError(f"can't read {self._name}: {error.strerror}") from error
            if self._taken == 0 and piece and not piece.startswith(expected):
                raise InputError(
                    f"{self._name} isn't {KINDS[self._compression]}, whatever its name says: "
                    f"rename it"
                )
            if not piece:
                return
            self._taken += len(piece)
            if self._watch is not None:
                self._watch(piece)
            yield piece

    def _unzipped(self) -> Iterator[bytes]:
        decoder = zlib.decompressobj(wbits=31)
        given = 0
        for piece in self._packed(PIECE):
            while piece:
                if decoder.eof:
                    # Padding after a member is legal; anything else starts the next one.
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    decoder = zlib.decompressobj(wbits=31)
                before = decoder.copy()
                try:
                    data = decoder.decompress(piece, PIECE)
                except zlib.error:
                    yield from _salvaged(before, piece, zlib.error)
                    self.fault = "the gzip stream is damaged"
                    return
                if data:
                    given += len(data)
                    self._refuse_bomb(given)
                    yield data
                piece = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        if self._taken and not decoder.eof:
            self.fault = "the gzip stream ends early"

    def _unzstandard(self) -> Iterator[bytes]:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        decoder = decompressor.decompressobj()
        given = start = 0  # `start`: of the current frame
        for piece in self._packed(ZSTD_PIECE):
            while piece:
                if decoder.eof:
                    decoder = decompressor.decompressobj()
                    start = self._taken - len(piece)
                try:
                    data = decoder.decompress(piece)
                except zstandard.ZstdError:
                    decoder = decompressor.decompressobj()
                    self._file.seek(start)
                    for at in range(start, self._taken - len(piece), ZSTD_PIECE):
                        size = min(ZSTD_PIECE, self._taken - len(piece) - at)
                        decoder.decompress(self._file.read(size))
                    yield from _salvaged(decoder, piece, zstandard.ZstdError)
                    self.fault = "the Zstandard stream is damaged"
                    return
                if data:
                    given += len(data)
                    self._refuse_bomb(given)
                    yield data
                piece = decoder.unused_data if decoder.eof else b""
        if self._taken and not decoder.eof:
            self.fault = "the Zstandard stream ends early"

    def _refuse_bomb(self, given: int) -> None:
        if given > BOMB_BYTES and given > BOMB_RATIO * self._taken:
            raise InputError(
                f"{self._name} grows more than {BOMB_RATIO} times when unpacked: "
                f"unpack it by hand if that is right"
            )


def _salvaged(decoder: Any, piece: bytes, refusal: type[Exception]) -> Iterator[bytes]:
    """What `piece` holds before the damage in it, a byte at a time.

    A call that fails returns nothing of what it had already unpacked.
    """
    for at in range(len(piece)):
        try:
            data = decoder.decompress(piece[at : at + 1])
        except refusal:
            return
        if data:
            yield data


def packed(file: IO[bytes], compression: str) -> IO[bytes]:
    """A file that compresses into `file` and leaves it open; without compression `file` itself.

    The bytes depend on the content alone: no name and no time is stored.
    """
    if compression == "gzip":
        zipped = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        return cast("IO[bytes]", zipped)
    if compression == "zstd":
        import zstandard

        compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        return cast("IO[bytes]", compressor.stream_writer(file, closefd=False))
    return file
