"""The rows of a `datasets.Dataset`: their texts out of its Arrow table, and a cleaned table."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from trustydetox.corpus.datasets.mending import Edits
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.rows import Row
from trustydetox.rows.columns import LABEL
from trustydetox.rows.parquet import why_unreadable
from trustydetox.rows.pointers import parts_of, replaced


def text_columns(features: Mapping[str, Any]) -> dict[str, bool | None]:
    """Column -> whether it holds texts or conversations; None where only the rows can tell."""
    return {name: _holds_text(feature) for name, feature in features.items()}


def _holds_text(feature: Any) -> bool | None:
    from datasets import Json, LargeList, List, Value

    if isinstance(feature, Value):
        return feature.dtype in {"string", "large_string", "string_view"}
    if isinstance(feature, Json):
        return None
    if isinstance(feature, List | LargeList):
        item = feature.feature
        if isinstance(item, dict):
            return {"role", "content"} <= item.keys() or {"from", "value"} <= item.keys()
        return None if isinstance(item, Json) else False
    return False


def undecoded(feature: Any) -> Any:
    """A feature, or a mapping of some, that gives of pictures and sounds what the table holds.

    In a message they may be broken or not there, and would lose by being encoded anew.
    """
    from datasets import Audio, Image, LargeList, List, Pdf, Video

    if isinstance(feature, Mapping):
        return {name: undecoded(one) for name, one in feature.items()}
    if isinstance(feature, List | LargeList):
        return replace(feature, feature=undecoded(feature.feature))
    if isinstance(feature, Audio | Image | Pdf | Video):
        return replace(feature, decode=False)
    return feature


class DatasetReader:
    """The texts of a dataset, as the reader of a file gives them; other columns aren't decoded."""

    tail = b""

    def __init__(self, dataset: Any) -> None:
        from datasets import Features

        self._dataset = dataset.with_format(None)
        self._dataset._info.features = Features(undecoded(dataset.features))
        self._texts = text_columns(dataset.features)
        self._read = 0

    @property
    def columns(self) -> Mapping[str, bool] | None:
        """Every column and whether it holds text, where the features say so of all."""
        known = {name: is_text for name, is_text in self._texts.items() if is_text is not None}
        return known if len(known) == len(self._texts) else None

    @property
    def share(self) -> float | None:
        """How many of the rows have been read."""
        return self._read / max(1, len(self._dataset))

    def close(self) -> None:
        """Nothing to let go of."""

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """Rows with the values of the `wanted` columns, without it those that may hold text."""
        if wanted is None:
            wanted = [name for name, is_text in self._texts.items() if is_text is not False]
            wanted.append(LABEL)
        names = [name for name in self._texts if name in wanted]
        source = self._dataset.select_columns(names)
        count = len(self._dataset)
        for start in range(0, count, WINDOW_ROWS):
            numbers = range(start, min(start + WINDOW_ROWS, count))
            for number, (values, error) in zip(numbers, _values(source, numbers), strict=True):
                yield Row(number, None, b"", b"", values, error)
            self._read = numbers.stop


def _values(source: Any, numbers: range) -> Iterator[tuple[dict[str, Any], str]]:
    """The values of some rows, or none and why Python can't hold them."""
    import pyarrow as pa

    unreadable = (ValueError, OverflowError, pa.ArrowException)
    try:
        batch = source[numbers.start : numbers.stop] if source.column_names else {}
    except unreadable:
        for number in numbers:
            try:
                yield source[number], ""
            except unreadable as error:
                yield {}, why_unreadable(error)
        return
    for at in range(len(numbers)):
        yield {name: cells[at] for name, cells in batch.items()}, ""


class CleanedTable:
    """Writes a cleaned dataset as the Arrow file that `Dataset.from_file` opens.

    What nobody edited is copied as it lies in the table of `dataset`.

    original: a binary file that gets the rows as they came, as Parquet; or None.
    """

    def __init__(self, dataset: Any, fingerprint: str, path: Path, original: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._dataset = dataset.with_format("arrow")
        self._features = dataset.features
        schema = dataset.features.arrow_schema
        described = json.loads(schema.metadata[b"huggingface"])
        # `Dataset.from_file` takes its fingerprint from here.
        described["fingerprint"] = fingerprint
        self._schema: Any = schema.with_metadata({"huggingface": json.dumps(described)})
        self._sink: Any = pa.OSFile(str(path), "wb")
        self._writer: Any = pa.ipc.new_stream(self._sink, self._schema)
        self._original: Any = None
        if original is not None:
            self._original = pq.ParquetWriter(original, schema)

    def add(self, rows: Sequence[Row], edits: Sequence[Edits | None]) -> None:
        """The next rows of the dataset, all but those whose edits are None."""
        import pyarrow as pa

        start = rows[0].number
        table = self._dataset[start : start + len(rows)].cast(self._schema)
        if self._original is not None:
            self._original.write_table(table)
        values: dict[str, dict[int, Any]] = {}
        for at, (row, changes) in enumerate(zip(rows, edits, strict=True)):
            for path, text in (changes or {}).items():
                name, *inside = parts_of(path)
                cells = values.setdefault(name, {})
                cells[at] = replaced(cells.get(at, row.values[name]), inside, text)
        for name, cells in values.items():
            column = self._edited(table.column(name), name, cells)
            index = table.schema.get_field_index(name)
            table = table.set_column(index, table.schema.field(index), column)
        kept = groupby(range(len(rows)), key=lambda at: edits[at] is not None)
        runs = [list(run) for is_kept, run in kept if is_kept]
        # Slices, because `take` doesn't know every type.
        pieces = [table.slice(run[0], len(run)) for run in runs]
        if pieces:
            self._writer.write_table(pa.concat_tables(pieces).combine_chunks())

    def __enter__(self) -> CleanedTable:
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self._writer, self._sink, self._original):
            if file is not None:
                file.close()

    def _edited(self, column: Any, name: str, cells: Mapping[int, Any]) -> Any:
        """The column with some cells replaced."""
        import pyarrow as pa
        from datasets import Dataset, Features

        features = Features({name: self._features[name]})
        encoded = Dataset.from_dict({name: list(cells.values())}, features=features)
        fresh = encoded.data.column(name).cast(column.type).combine_chunks()
        pieces: list[Any] = []
        done = 0
        for index, at in enumerate(cells):
            pieces += [*column.slice(done, at - done).chunks, fresh.slice(index, 1)]
            done = at + 1
        pieces += column.slice(done).chunks
        return pa.chunked_array(pieces, column.type)
