"""From rows to the passages inside them, a window at a time; bad rows stay among the good ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from trustydetox.corpus.windows import WINDOW_ROWS, windows
from trustydetox.errors import InputError, did_you_mean
from trustydetox.roles import Action, Passage
from trustydetox.rows import Columns, Reader, Row, choose_columns, late_column
from trustydetox.rows.columns import ROLES

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
    heard: told the role of every text, of those that are left alone too.
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
        heard: Counter[str] | None = None,
    ) -> None:
        self._reader = reader
        self._fields = fields
        self._roles = roles
        self._thresholds = thresholds
        self.heard = Counter[str]() if heard is None else heard
        # Else the columns are those of the first rows, and others may come.
        self._is_sure = bool(fields) or reader.columns is not None
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
        return found_in(row, self.columns, self.heard, is_sure=self._is_sure)


def found_in(row: Row, columns: Columns, heard: Counter[str], *, is_sure: bool) -> Found:
    """A row that can be read, and its passages.

    heard: counts the role of every text, of those that are left alone too.
    is_sure: whether no other column may hold text that was to be read.
    """
    late = "" if is_sure else late_column(row.values, columns)
    if late:
        reason = (
            f"column {late!r} held no text in the first rows, by which the columns to clean are "
            "chosen: put a row that has it first, or clean rows with it in a file of their own"
        )
        return Found(row, (), reason)
    try:
        texts = columns.texts(row.values)
    except InputError as error:
        return Found(row, (), str(error))
    heard.update(one.role for one in texts)
    return Found(row, [one for one in texts if one.action is not Action.KEEP])


def surprises(roles: Mapping[str, Action], heard: Mapping[str, int]) -> list[str]:
    """What to say of roles beyond those that every format knows, a line each.

    roles: what was to become of whose words.
    heard: how many texts of each role there were.
    """
    missing = [
        f"no text had the role {role!r}{did_you_mean(role, ROLES)}"
        for role in roles
        if role not in ROLES and role not in heard
    ]
    return missing + unread_roles(roles, heard)


def unread_roles(roles: Mapping[str, Action], heard: Mapping[str, int]) -> list[str]:
    """The last of these lines, which can be said before the end; none where all was read."""
    unread = {role: texts for role, texts in heard.items() if role not in {*ROLES, *roles}}
    if not unread:
        return []
    names = sorted(unread, key=lambda role: (-unread[role], role))
    # What isn't a single word may be a text that came into the wrong key.
    shown = [repr(role) for role in names if role.isidentifier()][:3]
    listed = ", ".join([*shown, "…"] if len(shown) < len(names) else shown)
    return [
        f"texts of roles that nothing is known of, left unread: {sum(unread.values()):,} "
        f"({listed}); say what becomes of them with --roles (roles= in Python)"
    ]
