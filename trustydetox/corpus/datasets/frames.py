"""The rows of a pandas data frame: their texts, and the frame with some of them replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from trustydetox.corpus.datasets.mending import Edits
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.errors import InputError
from trustydetox.rows import Row
from trustydetox.rows.columns import holds_text
from trustydetox.rows.pointers import parts_of, replaced


class FrameReader:
    """The texts of a frame, as the reader of a file gives them; rows are numbered from 0."""

    tail = b""

    def __init__(self, frame: Any) -> None:
        if not frame.columns.is_unique:
            raise InputError("two columns of the data frame have the same name")
        self._frame = frame
        self._read = 0
        head = frame.head(WINDOW_ROWS)
        self.columns: Mapping[str, bool] | None = {
            name: any(holds_text(_plain(cell)) for cell in head[name])
            for name in frame.columns
            # A category can't hold a new text, and numbers needn't be looked at.
            if isinstance(name, str) and str(frame[name].dtype) in {"object", "str", "string"}
        }

    @property
    def share(self) -> float | None:
        """How many of the rows have been read."""
        return self._read / max(1, len(self._frame))

    def close(self) -> None:
        """Nothing to let go of."""

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """Rows with the values of the `wanted` columns."""
        names = [
            name
            for name in self._frame.columns
            if (name in wanted if wanted is not None else name in (self.columns or ()))
        ]
        for start in range(0, len(self._frame), WINDOW_ROWS):
            window = self._frame.iloc[start : start + WINDOW_ROWS]
            cells = {name: window[name].tolist() for name in names}
            for at in range(len(window)):
                values = {name: _plain(column[at]) for name, column in cells.items()}
                yield Row(start + at, None, b"", b"", values)
            self._read = start + len(window)


def with_edits(frame: Any, edits: Sequence[Edits | None]) -> Any:
    """The frame with its texts replaced and without the rows whose edits are None.

    Index labels, types and all other columns are as they were.
    """
    import pandas as pd

    cells: dict[str, list[Any]] = {}
    for at, changes in enumerate(edits):
        for path, text in (changes or {}).items():
            name, *inside = parts_of(path)
            column = cells.setdefault(name, frame[name].tolist())
            column[at] = _like(column[at], replaced(column[at], inside, text))
    columns = {
        name: pd.Series(column, index=frame.index, dtype=frame[name].dtype)
        for name, column in cells.items()
    }
    kept = [at for at, changes in enumerate(edits) if changes is not None]
    return frame.assign(**columns).iloc[kept]


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: lists for arrays, None for what is missing."""
    import numpy as np
    import pandas as pd

    if isinstance(cell, np.ndarray | list | tuple):
        return [_plain(one) for one in cell]
    if isinstance(cell, dict):
        return {key: _plain(one) for key, one in cell.items()}
    return None if cell is pd.NA or cell != cell else cell


def _like(cell: Any, value: Any) -> Any:
    """`value` in the container that `cell` has: Parquet's lists come as arrays."""
    import numpy as np

    if not isinstance(cell, np.ndarray):
        return value
    array = np.empty(len(value), dtype=object)
    array[:] = value
    return array
