"""How to get the input back from the output: a list of byte ranges to put back.

Works where both are plain text of the same format. A change is
`{"at": offset in the output, "length": bytes there, "raw": base64 of what was in the input}`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import IO

CHUNK = 1 << 20


class Changes:
    """Writes the changes of a run as they are made.

    seen: bytes of the input so far.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.seen = 0
        self._file = file
        self._at = 0

    def note(self, original: bytes, emitted: bytes) -> None:
        """The next bytes of the input became the next bytes of the output."""
        if original != emitted:
            raw = b64encode(original).decode()
            change = {"at": self._at, "length": len(emitted), "raw": raw}
            self._file.write(json.dumps(change).encode() + b"\n")
        self._at += len(emitted)
        self.seen += len(original)


def undone(output: IO[bytes], changes: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of the input, from those of the output and the lines that `Changes` wrote."""
    at = 0
    for line in changes:
        change = json.loads(line)
        yield from _copied(output, change["at"] - at)
        output.seek(change["length"], 1)
        at = change["at"] + change["length"]
        yield b64decode(change["raw"])
    while chunk := output.read(CHUNK):
        yield chunk


def _copied(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = file.read(min(size, CHUNK))
        size -= len(chunk) or size
        yield chunk
