"""A `datasets.IterableDataset` that is cleaned while it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trustydetox.corpus.choosing import Chosen
from trustydetox.corpus.datasets.arrowrows import text_columns
from trustydetox.corpus.datasets.mending import (
    Account,
    Outcome,
    judge,
    settle,
    warn_of_bad_rows,
    warn_of_roles,
)
from trustydetox.corpus.reading import Found, found_in, unread_roles
from trustydetox.errors import InputError
from trustydetox.records import Record
from trustydetox.roles import Action, Passage
from trustydetox.rows import Columns, Row, choose_columns
from trustydetox.rows.pointers import parts_of, replaced

BATCH_ROWS = 256
"""Rows read ahead and scored together."""

HEAD_ROWS = 100
"""Rows looked at, once, where a stream doesn't say what its columns hold."""


@dataclass
class Stream:
    """Cleans batches as they come; counts those of the pass that was begun last.

    is_sure: whether no other column may hold text that was to be read.
    heard: how many texts of each role there were.
    """

    chosen: Chosen
    columns: Columns
    is_sure: bool
    account: Account
    heard: Counter[str] = field(default_factory=Counter)
    head: tuple[Sequence[Passage], Sequence[Record | str]] = ((), ())

    def __call__(self, batch: Mapping[str, list[Any]], numbers: Sequence[int]) -> dict[str, Any]:
        """The batch with its texts mended and without the rows that go."""
        if numbers[0] == 0:
            self.account = Account(self.chosen.recipe)
            self.heard.clear()
        rows = [
            Row(number, None, b"", b"", {name: cells[at] for name, cells in batch.items()})
            for at, number in enumerate(numbers)
        ]
        was_good = not self.account.quarantined
        was_read = not unread_roles(self.columns.roles, self.heard)
        window = [found_in(row, self.columns, self.heard, is_sure=self.is_sure) for row in rows]
        edits = settle(window, self._results(window), self.account)
        if was_good:
            warn_of_bad_rows(self.account.quarantined)
        if was_read:
            warn_of_roles(unread_roles(self.columns.roles, self.heard))
        kept: list[Mapping[str, Any]] = []
        for row, changes in zip(rows, edits, strict=True):
            if changes is not None:
                values: Any = row.values
                for path, text in changes.items():
                    values = replaced(values, parts_of(path), text)
                kept.append(values)
        return {name: [values[name] for values in kept] for name in batch}

    @property
    def outcome(self) -> Outcome:
        """Of the rows that have come so far."""
        return self.account.outcome

    def _results(self, window: Sequence[Found]) -> Sequence[Record | str]:
        passages = [one for found in window for one in found.passages]
        if passages == self.head[0]:
            return self.head[1]
        results = judge(passages, self.chosen.detoxifier)
        if window[0].row.number == 0:
            # TRL's trainers look at the first row four times before they train.
            self.head = (passages, results)
        return results


def stream_of(
    dataset: Any,
    chosen: Chosen,
    fields: Sequence[str],
    roles: Mapping[str, Action],
    thresholds: Mapping[str, float],
) -> tuple[Any, Stream]:
    """The dataset that cleans as it is read, and what counts its rows.

    `IterableDataset.map` is lazy and runs in the process that reads, so it does here what
    `Dataset.map` must not: its state is that of the rows, so a stream goes on where it stopped.
    """
    kind = None if dataset._formatting is None else dataset._formatting.format_type
    dataset = dataset.with_format(None)
    known = _known(dataset)
    columns = _columns(dataset, fields, known)
    stream = Stream(
        chosen,
        replace(columns, roles=roles, thresholds=thresholds),
        bool(fields) or known is not None,
        Account(chosen.recipe),
    )
    cleaned = dataset.map(
        stream,
        with_indices=True,
        batched=True,
        batch_size=BATCH_ROWS,
        features=dataset.features,
    )
    return cleaned.with_format(kind), stream


def _known(dataset: Any) -> dict[str, bool] | None:
    """The columns of a stream and whether each holds text; None where only its rows can tell."""
    texts = text_columns(dataset.features or {})
    if dataset.features is None or None in texts.values():
        return None
    return {name: bool(is_text) for name, is_text in texts.items()}


def _columns(dataset: Any, fields: Sequence[str], known: Mapping[str, bool] | None) -> Columns:
    columns = choose_columns(fields, known, [])
    if columns is None:
        columns = choose_columns(fields, known, list(dataset.take(HEAD_ROWS)))
    if columns is None:
        raise InputError("the stream holds no row")
    return columns
