"""Rows whose texts are whole columns: which columns those are, and what may be done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.roles import Action, Passage
from trustydetox.rows.jsonvalues import kind_of_value

ROLES = {
    "text": "text",
    "prompt": "user",
    "completion": "assistant",
    "chosen": "assistant",
    "rejected": "assistant",
}
"""The text columns that TRL knows, and whose words they hold."""

SCORED = frozenset({"prompt", "rejected"})
"""Only scored unless named: mending what a preference rejects would destroy the preference."""


@dataclass(frozen=True)
class Columns:
    """The RowFormat of named text columns; a passage's path is its column's name."""

    actions: Mapping[str, Action]

    def __post_init__(self) -> None:
        if not self.actions:
            raise ConfigError("expected at least one column, got none")

    def read(self, row: Mapping[str, Any], /) -> list[Passage]:
        """One passage per column; InputError where it is missing or no string."""
        passages: list[Passage] = []
        for name, action in self.actions.items():
            text = row.get(name)
            if not isinstance(text, str):
                if name not in row:
                    raise InputError(f"no column {name!r}")
                raise InputError(f"expected a string in {name!r}, got {kind_of_value(text)}")
            passages.append(Passage(name, ROLES.get(name, "text"), text, action))
        return passages

    def write(
        self, row: Mapping[str, Any], texts: Sequence[str | None], /
    ) -> dict[str, Any] | None:
        """The row with the columns' texts replaced, in its own order of columns."""
        if None in texts:
            return None
        return {**row, **dict(zip(self.actions, texts, strict=True))}


def choose_columns(
    fields: Sequence[str],
    known: Mapping[str, bool] | None,
    rows: Sequence[Mapping[str, Any]],
) -> Columns | None:
    """The columns to clean: the named ones, else TRL's, else the only one that holds text.

    known: the file's columns and whether each holds text, where the file says so.
    rows: the first readable rows.
    Raises InputError where no row can have the columns; None where `rows` is empty and so
    nothing is known yet.
    """
    if known is None and not rows:
        return None
    holds_text = dict(known or {})
    if known is None:
        for row in rows:
            for name, value in row.items():
                holds_text[name] = holds_text.get(name, False) or isinstance(value, str)
    if fields:
        return _named(fields, holds_text)
    chosen = [name for name in ROLES if holds_text.get(name)]
    if not chosen:
        chosen = [name for name, is_text in holds_text.items() if is_text]
        if len(chosen) > 1:
            # A CSV file has no types: a column of numbers is text to its reader.
            chosen = [name for name in chosen if not _is_numeric(name, rows)]
    if len(chosen) == 1 or any(name in ROLES for name in chosen):
        scored = {name for name in chosen if name in SCORED}
        # A file of nothing but prompts is a file of texts.
        if len(scored) == len(chosen):
            scored = set()
        return Columns({name: Action.SCORE if name in scored else Action.EDIT for name in chosen})
    if not rows:
        return None
    listed = ", ".join(map(repr, holds_text)) or "none"
    raise InputError(
        f"which column holds the text? expected one of {', '.join(ROLES)} or a single text "
        f"column; columns: {listed}; name it with --field"
    )


def _named(fields: Sequence[str], holds_text: Mapping[str, bool]) -> Columns:
    for name in fields:
        if name not in holds_text:
            near = did_you_mean(name, holds_text)
            listed = ", ".join(map(repr, holds_text)) or "none"
            raise InputError(f"no column is called {name!r}{near} (columns: {listed})")
        if not holds_text[name]:
            raise InputError(f"column {name!r} holds no text")
    return Columns(dict.fromkeys(fields, Action.EDIT))


def _is_numeric(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row.get(name) for row in rows]
    return any(values) and all(_is_number(value) for value in values if value)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
