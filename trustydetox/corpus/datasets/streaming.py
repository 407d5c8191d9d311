"""A `datasets.IterableDataset` that is cleaned while it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trustydetox.corpus.choosing import Chosen
from trustydetox.corpus.datasets.arrowrows import text_columns
from trustydetox.corpus.datasets.mending import Account, Outcome, judge, settle, warn_of_bad_rows
from trustydetox.corpus.reading import Found
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
    """Cleans batches as they come; counts those of the pass that was begun last."""

    chosen: Chosen
    columns: Columns
    account: Account
    head: tuple[Sequence[Passage], Sequence[Record | str]] = ((), ())

    def __call__(self, batch: Mapping[str, list[Any]], numbers: Sequence[int]) -> dict[str, Any]:
        """The batch with its texts mended and without the rows that go."""
        if numbers[0] == 0:
            self.account = Account(self.chosen.recipe)
        rows = [
            Row(number, None, b"", b"", {name: cells[at] for name, cells in batch.items()})
            for at, number in enumerate(numbers)
        ]
        was_good = not self.account.quarantined
        window = [self._found(row) for row in rows]
        edits = settle(window, self._results(window), self.account)
        if was_good:
            warn_of_bad_rows(self.account.quarantined)
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

    def _found(self, row: Row) -> Found:
        try:
            return Found(row, self.columns.read(row.values))
        except InputError as error:
            return Found(row, (), str(error))


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
    columns = _columns(dataset, fields)
    stream = Stream(
        chosen,
        replace(columns, roles=roles, thresholds=thresholds),
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


def _columns(dataset: Any, fields: Sequence[str]) -> Columns:
    known = None
    if dataset.features is not None:
        texts = text_columns(dataset.features)
        if None not in texts.values():
            known = {name: bool(is_text) for name, is_text in texts.items()}
    columns = choose_columns(fields, known, [])
    if columns is None:
        columns = choose_columns(fields, known, list(dataset.take(HEAD_ROWS)))
    if columns is None:
        raise InputError("the stream holds no row")
    return columns
