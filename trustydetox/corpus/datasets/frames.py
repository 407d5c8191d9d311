"""The rows of a pandas data frame: their texts, and the frame with some of them replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from trustydetox.corpus.datasets.mending import Edits
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.errors import InputError
from trustydetox.rows import Row
from trustydetox.rows.columns import SPEAKERS, holds_text
from trustydetox.rows.parquet import is_of_texts
from trustydetox.rows.pointers import parts_of, replaced


class FrameReader:
    """The texts of a frame, as the reader of a file gives them; rows are numbered from 0.

    fields: the columns that were named to be cleaned.
    """

    tail = b""

    def __init__(self, frame: Any, fields: Collection[str] = ()) -> None:
        if not frame.columns.is_unique:
            raise InputError("two columns of the data frame have the same name")
        names = [name for name in frame.columns if isinstance(name, str)]
        if not names and len(frame.columns):
            raise InputError(
                "expected a data frame whose columns are named by strings, got "
                f"{type(frame.columns[0]).__name__}: name them, frame.columns = [...]"
            )
        self._frame = frame
        self._read = 0
        self.columns: Mapping[str, bool] | None = {name: _holds_text(frame[name]) for name in names}
        known = SPEAKERS if any(self.columns.values()) else names
        _refuse_categories(frame, fields or known)

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
            if (name in wanted if wanted is not None else (self.columns or {}).get(name))
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
            if name not in cells:
                cells[name] = frame[name].tolist()
            cell = cells[name][at]
            cells[name][at] = _like(cell, replaced(cell, inside, text))
    cleaned = frame.copy()
    for name, column in cells.items():
        cleaned[name] = pd.Series(column, index=frame.index, dtype=frame[name].dtype)
    return cleaned.iloc[[at for at, changes in enumerate(edits) if changes is not None]]


def _holds_text(column: Any) -> bool:
    """Whether a column holds texts or conversations that can be replaced."""
    import pandas as pd

    if isinstance(column.dtype, pd.ArrowDtype):
        return is_of_texts(column.dtype.pyarrow_dtype)
    # Numbers needn't be looked at.
    is_open = str(column.dtype) in {"object", "str", "string"}
    return is_open and any(holds_text(_plain(cell)) for cell in column)


def _refuse_categories(frame: Any, names: Collection[str]) -> None:
    """Raise InputError where one of some columns, if there, can't take a new text."""
    import pandas as pd

    for name in names:
        if name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype):
            raise InputError(
                f"column {name!r} holds categories, which can't take a new text: make them text "
                f"first, frame[{name!r}].astype(object)"
            )


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: lists for arrays, None for what is missing."""
    import numpy as np
    import pandas as pd

    if isinstance(cell, np.ndarray | list | tuple):
        return [_plain(one) for one in cell]
    if isinstance(cell, dict):
        return {key: _plain(one) for key, one in cell.items()}
    return None if pd.api.types.is_scalar(cell) and pd.isna(cell) else cell


def _like(cell: Any, value: Any) -> Any:
    """`value` in the container that `cell` has: Parquet's lists come as arrays."""
    import numpy as np

    if not isinstance(cell, np.ndarray):
        return value
    array = np.empty(len(value), dtype=object)
    array[:] = value
    return array
