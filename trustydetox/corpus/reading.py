"""From rows to the passages inside them, a window at a time; bad rows stay among the good ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from trustydetox.corpus.windows import WINDOW_ROWS, windows
from trustydetox.errors import InputError
from trustydetox.roles import Action, Passage
from trustydetox.rows import Columns, Reader, Row, choose_columns

NO_ROLES: Mapping[str, Action] = {}
NO_THRESHOLDS: Mapping[str, float] = {}


class Found(NamedTuple):
    """A row and its passages; a bad row has none and a reason."""

    row: Row
    passages: Sequence[Passage]
    reason: str = ""


class PassageReader:
    """Windows of rows with their passages, read once.

    Looks at the first window at once, so that a file without the fields is an InputError before
    anything is made of it.

    fields: as in `choose_columns`.
    roles, thresholds: what becomes of whose words and from which toxicity on, where not what
        `Columns` says.
    is_whole: whether the values of all columns are needed, not those of the chosen ones alone.
    window_rows: at most so many rows at a time.
    columns: what was chosen; None as long as no readable row has come.
    """

    def __init__(
        self,
        reader: Reader,
        fields: Sequence[str],
        roles: Mapping[str, Action],
        thresholds: Mapping[str, float] = NO_THRESHOLDS,
        *,
        is_whole: bool = False,
        window_rows: int = WINDOW_ROWS,
    ) -> None:
        self._reader = reader
        self._fields = fields
        self._roles = roles
        self._thresholds = thresholds
        self.columns: Columns | None = self._chosen([])
        wanted = None
        if self.columns is not None and not is_whole:
            wanted = self.columns.needed
        rows = windows(reader.rows(wanted), most_rows=window_rows)
        first = next(rows, [])
        self._choose(first)
        self._windows = chain([first], rows)

    def __iter__(self) -> Iterator[list[Found]]:
        for window in self._windows:
            self._choose(window)
            yield [self._found(row) for row in window]

    def _choose(self, window: Sequence[Row]) -> None:
        if self.columns is None:
            good = [row.values for row in window if not row.error]
            self.columns = self._chosen(good)

    def _chosen(self, rows: Sequence[Mapping[str, Any]]) -> Columns | None:
        columns = choose_columns(self._fields, self._reader.columns, rows)
        if columns is None:
            return None
        return replace(columns, roles=self._roles, thresholds=self._thresholds)

    def _found(self, row: Row) -> Found:
        if row.error or self.columns is None:
            return Found(row, (), row.error)
        try:
            return Found(row, self.columns.read(row.values))
        except InputError as error:
            return Found(row, (), str(error))
