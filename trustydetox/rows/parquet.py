"""Parquet, a slice of a row group at a time.

In the same format only edited columns are rebuilt; schema, metadata, compression and the borders
of row groups are kept, except that a group is cut where it grows beyond `GROUP_BYTES`, so that
memory stays bounded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from trustydetox.errors import InputError
from trustydetox.rows.pointers import parts_of, replaced
from trustydetox.rows.streams import kind_of
from trustydetox.rows.tables import Row

SLICE_ROWS = 2048
GROUP_BYTES = 8 << 20


class Cells(NamedTuple):
    """Where a row's values are: a place in a slice of a row group."""

    batch: Any
    position: int
    group: int


def cells_as_json(cells: Cells) -> bytes:
    """All values of a row, for the eye; JSON strings stand for what JSON has no type for."""
    columns = zip(cells.batch.schema.names, cells.batch.columns, strict=True)
    found = {name: _value(column[cells.position]) for name, column in columns}
    return json.dumps(found, default=str).encode()


class ParquetReader:
    """Rows of a .parquet file; a row group that can't be read on is one bad row."""

    tail = b""

    def __init__(self, name: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with Path(name).open("rb") as file:
                head = file.read(8)
            if not head.startswith(b"PAR1"):
                found = kind_of(head) or "no Parquet data"
                raise InputError(f"{name} holds {found}, expected a Parquet file: rename it")
            self.file: Any = pq.ParquetFile(name, pre_buffer=False, buffer_size=1 << 20)
        except InputError:
            raise
        except pa.ArrowException as error:
            raise InputError(f"{name} is a damaged Parquet file: its footer can't be read") from (
                error
            )
        except OSError as error:
            raise InputError(f"can't read {name}: {error.strerror or 'damaged file'}") from error
        self.schema: Any = self.file.schema_arrow
        names: list[str] = self.schema.names
        for column in names:
            if names.count(column) > 1:
                raise InputError(f"{name} has two columns named {column[:80]!r}")
        self.columns: Mapping[str, bool] = {
            field.name: is_of_texts(field.type) for field in self.schema
        }
        self._read = 0

    @property
    def share(self) -> float | None:
        """How many of the rows have been read."""
        return min(1.0, self._read / max(1, int(self.file.metadata.num_rows)))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def rows(self, wanted: Collection[str] | None = None) -> Iterator[Row]:
        """Rows with the values of the `wanted` columns."""
        import pyarrow as pa

        index = 0
        for group in range(self.file.num_row_groups):
            count = self.file.metadata.row_group(group).num_rows
            slices = self.file.iter_batches(SLICE_ROWS, row_groups=[group], use_threads=False)
            done = 0
            while done < count:
                try:
                    batch = next(slices)
                except (pa.ArrowException, OSError, StopIteration):
                    reason = f"row group {group} can't be read beyond {done} of {count} rows"
                    yield Row(index + done, None, b"", b"", {}, reason)
                    break
                yield from self._rows(batch, group, index + done, wanted)
                done += batch.num_rows
                self._read = index + done
            index += count

    def _rows(
        self, batch: Any, group: int, first: int, wanted: Collection[str] | None
    ) -> Iterator[Row]:
        names = [name for name in batch.schema.names if wanted is None or name in wanted]
        columns = [_values(batch.column(name)) for name in names]
        for position in range(batch.num_rows):
            values = {name: column[position] for name, column in zip(names, columns, strict=True)}
            error = ""
            for name, value in values.items():
                if isinstance(value, _Unreadable):
                    error = f"{value.reason} in column {name!r}"
            cells = Cells(batch, position, group)
            yield Row(first + position, None, b"", b"", {} if error else values, error, None, cells)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a cell that has no value in Python."""

    reason: str

    def __str__(self) -> str:
        return f"({self.reason})"


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        values = [_value(cell) for cell in column]
    return values


def _value(cell: Any) -> Any:
    import pyarrow as pa

    try:
        return cell.as_py()
    except (ValueError, OverflowError, pa.ArrowException) as error:
        return _Unreadable(why_unreadable(error))


def why_unreadable(error: Exception) -> str:
    """What a cell of Arrow holds that Python couldn't make a value of; never the value."""
    if isinstance(error, UnicodeDecodeError):
        return "invalid UTF-8"
    # A date beyond the year 9999, a struct that has a name twice.
    return "a value that Python has no type for"


def is_of_texts(kind: Any) -> bool:
    """Whether an Arrow type is that of texts or of conversations."""
    return _is_text(kind) or _is_conversation(kind)


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_conversation(kind: Any) -> bool:
    import pyarrow.types as types

    if not (types.is_list(kind) or types.is_large_list(kind)):
        return False
    item = kind.value_type
    if not types.is_struct(item):
        return False
    keys = {item.field(at).name for at in range(item.num_fields)}
    return {"role", "content"} <= keys or {"from", "value"} <= keys


class _Groups:
    """Slices in, row groups out."""

    def __init__(self, sink: IO[bytes], schema: Any, compression: Any = "snappy") -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer: Any = pq.ParquetWriter(sink, schema, compression=compression)
        self._slices: list[Any] = []
        self._bytes = 0

    def add(self, batch: Any) -> None:
        """One more slice of the current group."""
        if batch.num_rows:
            self._slices.append(batch)
            self._bytes += batch.nbytes
        if self._bytes > GROUP_BYTES:
            self.cut()

    def cut(self) -> None:
        """End the current group."""
        import pyarrow as pa

        if self._slices:
            table = pa.Table.from_batches(self._slices, self._schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._slices, self._bytes = [], 0

    def close(self) -> None:
        """Write the last group and the footer."""
        self.cut()
        self._writer.close()


class ParquetCopier:
    """Parquet to Parquet."""

    def __init__(self, reader: ParquetReader, sink: IO[bytes]) -> None:
        self._groups = _Groups(sink, reader.schema, _compression(reader.file.metadata))
        self._cells: Cells | None = None
        self._kept: list[int] = []
        self._edits: dict[str, dict[int, list[tuple[list[str], str]]]] = {}

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """Nothing yet: the slice is written when its last row has come."""
        cells = row.cells
        if self._cells is None or self._cells.batch is not cells.batch:
            self._end_slice()
            if self._cells is not None and self._cells.group != cells.group:
                self._groups.cut()
            self._cells = cells
        for path, text in edits.items():
            name, *inside = parts_of(path)
            rows = self._edits.setdefault(name, {})
            rows.setdefault(len(self._kept), []).append((inside, text))
        self._kept.append(cells.position)
        return b""

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """Nothing; the footer goes into the sink."""
        self._end_slice()
        self._groups.close()
        return b""

    def _end_slice(self) -> None:
        import pyarrow as pa

        if self._cells is None:
            return
        batch = self._cells.batch
        if len(self._kept) < batch.num_rows:
            # Slices, because `take` doesn't know every type.
            runs = [batch.slice(start, length) for start, length in _runs(self._kept)]
            (batch,) = pa.Table.from_batches(runs).combine_chunks().to_batches()
        for name, rows in self._edits.items():
            at = batch.schema.get_field_index(name)
            column = batch.column(at).to_pylist()
            for position, edits in rows.items():
                for inside, text in edits:
                    column[position] = replaced(column[position], inside, text)
            batch = batch.set_column(
                at, batch.schema.field(at), pa.array(column, batch.schema.field(at).type)
            )
        self._groups.add(batch)
        self._kept, self._edits = [], {}


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Start and length of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        start, length = runs[-1] if runs else (-1, 0)
        if position == start + length:
            runs[-1] = (start, length + 1)
        else:
            runs.append((position, 1))
    return runs


def _compression(metadata: Any) -> Any:
    """Codec of each leaf column in the first row group, as pyarrow's writer takes it."""
    if not metadata.num_row_groups:
        return "snappy"
    group = metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    return {
        column.path_in_schema: column.compression.replace("UNCOMPRESSED", "NONE")
        for column in columns
    }


class ParquetWriter:
    """Rows of another format as Parquet.

    Types come from the first 2,048 rows (a column of nulls alone becomes strings); a later row
    with a value of another type, or with other columns, can't be held.

    columns: known beforehand, all of them text; None takes those of the first row.
    """

    def __init__(self, sink: IO[bytes], columns: Sequence[str] | None) -> None:
        self._sink = sink
        self._shapes: dict[str, Shape] | None = None
        if columns is not None:
            self._shapes = dict.fromkeys(columns, "string")
        self._rows: list[Mapping[str, Any]] = []
        self._groups: _Groups | None = None
        self._schema: Any = None

    def keep(self, row: Row, values: Mapping[str, Any], edits: Mapping[str, str]) -> bytes:
        """Nothing yet: rows are written in slices."""
        shapes = dict.fromkeys(values, None) if self._shapes is None else self._shapes
        if values.keys() != shapes.keys():
            raise InputError(f"{len(values)} columns that aren't those of the first row")
        self._shapes = {name: widen(shape, values[name], name) for name, shape in shapes.items()}
        self._rows.append(values)
        if len(self._rows) >= SLICE_ROWS:
            self._end_slice()
        return b""

    def omit(self, row: Row) -> bytes:
        """Nothing."""
        return b""

    def close(self, tail: bytes) -> bytes:
        """Nothing; the footer goes into the sink."""
        self._end_slice().close()
        return b""

    def _end_slice(self) -> _Groups:
        import pyarrow as pa

        if self._groups is None:
            self._shapes = {name: _settled(shape) for name, shape in (self._shapes or {}).items()}
            fields = [(name, _arrow_type(shape)) for name, shape in self._shapes.items()]
            self._schema = pa.schema(fields)
            self._groups = _Groups(self._sink, self._schema)
        if self._rows:
            self._groups.add(pa.RecordBatch.from_pylist(self._rows, self._schema))
        self._rows = []
        return self._groups


Shape = str | list[Any] | dict[str, Any] | None
"""A type as seen so far: a name, `[items]`, `{member: …}`, or None where only nulls were seen."""

_NAMES = {str: "string", bool: "bool", float: "double", int: "int64"}


def widen(shape: Shape, value: Any, name: str) -> Shape:
    """The shape that holds what `shape` holds and `value`, types kept apart; else InputError."""
    if value is None:
        return shape
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise InputError(f"Parquet can't hold an integer beyond 64 bits (column {name!r})")
    found: Shape
    if type(value) is list:
        items = shape[0] if isinstance(shape, list) else None
        for item in value:
            items = widen(items, item, name)
        found = [items]
    elif type(value) is dict:
        members = shape if isinstance(shape, dict) else dict.fromkeys(value)
        if not value or members.keys() != value.keys():
            raise InputError(f"an object with other members than before (column {name!r})")
        found = {key: widen(members[key], value[key], name) for key in members}
    elif type(value) in _NAMES:
        found = _NAMES[type(value)]
    else:
        raise InputError(f"Parquet isn't given a {type(value).__name__} (column {name!r})")
    if shape is not None and type(found) is not type(shape):
        raise InputError(f"another type than before (column {name!r})")
    if isinstance(found, str) and shape is not None and found != shape:
        raise InputError(f"{found}, before it was {shape} (column {name!r})")
    return found


def _settled(shape: Shape) -> Shape:
    """`shape` with strings where only nulls were seen."""
    if shape is None:
        return "string"
    if isinstance(shape, list):
        return [_settled(shape[0])]
    if isinstance(shape, dict):
        return {key: _settled(member) for key, member in shape.items()}
    return shape


def _arrow_type(shape: Shape) -> Any:
    import pyarrow as pa

    if isinstance(shape, list):
        return pa.list_(_arrow_type(shape[0]))
    if isinstance(shape, dict):
        return pa.struct([(key, _arrow_type(member)) for key, member in shape.items()])
    return pa.type_for_alias(shape)
