"""Rows that can't be read or can't be written, set aside whole, with the reason."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from itertools import chain
from typing import IO

from trustydetox.rows import Row
from trustydetox.rows.parquet import cells_as_json


class Quarantine:
    """Writes `quarantine.jsonl`: `{"row", "offset", "reason", "raw"}`.

    Of several files it starts with `"file"`, and of one that can't be read at all row, offset and
    raw are null.

    offset: byte offset of the row in the file, unpacked; null for Parquet.
    raw: the row's bytes in base64; for Parquet its values as JSON, and nothing where not even
        they can be read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add_file(self, file: str, reason: str) -> None:
        """Set a whole file aside; the ledger keeps its bytes."""
        line = {"file": file, "row": None, "offset": None, "reason": reason, "raw": None}
        self._file.write(json.dumps(line).encode() + b"\n")

    def add(self, row: Row, reason: str, rest: Iterable[bytes] = (), file: str = "") -> None:
        """Set a row aside; `rest` is what follows `row.raw`, and is never held as a whole."""
        where = {"file": file} if file else {}
        head = json.dumps({**where, "row": row.number, "offset": row.offset, "reason": reason})
        self._file.write(head[:-1].encode() + b', "raw": "')
        left = row.raw if row.cells is None else cells_as_json(row.cells)
        for piece in chain([b""], rest):
            left += piece
            # Base64 joins only at multiples of three bytes.
            whole = len(left) - len(left) % 3
            self._file.write(b64encode(left[:whole]))
            left = left[whole:]
        self._file.write(b64encode(left) + b'"}\n')
