"""Rows in windows of bounded size: what is read ahead, and scored together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trustydetox.rows import Row

WINDOW_ROWS = 2048
WINDOW_BYTES = 8 << 20


def windows(
    rows: Iterable[Row], *, most_rows: int = WINDOW_ROWS, most_bytes: int = WINDOW_BYTES
) -> Iterator[list[Row]]:
    """Lists of rows in order; a row with a `rest` is the last of its list, so it can be read."""
    window: list[Row] = []
    size = 0
    for row in rows:
        window.append(row)
        size += len(row.lead) + len(row.raw)
        if len(window) >= most_rows or size >= most_bytes or row.rest is not None:
            yield window
            window = []
            size = 0
    if window:
        yield window
