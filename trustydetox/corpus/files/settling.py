"""What becomes of each row of a file: its bytes in the output, its records, its count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from trustydetox.corpus.engines.results import read_result
from trustydetox.corpus.files.changes import Changes
from trustydetox.corpus.files.opening import Opened
from trustydetox.corpus.reading import Found
from trustydetox.corpus.runs.folder import QUARANTINE, RECORDS, RunFolder
from trustydetox.corpus.runs.outputs import Output
from trustydetox.corpus.runs.quarantine import Quarantine
from trustydetox.corpus.runs.recordlines import record_line
from trustydetox.errors import InputError
from trustydetox.records import Record
from trustydetox.rows import Columns, Row, Writer, with_one_prompt

Observe = Callable[[int, str, Record, str], object]


class Journal:
    """The account of a run, over all of its files: counts, records, quarantine.

    observe: told every record that is written, as (row, field, record, name of the file).
    """

    def __init__(self, folder: RunFolder | None, observe: Observe | None) -> None:
        self.tally: Counter[str] = Counter()
        self._observe = observe
        self._records: IO[bytes] | None = None
        self._quarantine: Quarantine | None = None
        if folder is not None:
            self._records = folder.open(RECORDS)
            self._quarantine = Quarantine(folder.open(QUARANTINE))

    def note(self, file: str, row: Row, field: str, record: Record) -> None:
        """One text of a row that was written or dropped."""
        self.tally["texts"] += 1
        self.tally[record.verdict.value] += 1
        if self._records is not None:
            line = record_line(row.number, field, record, file)
            self._records.write(f"{line}\n".encode("ascii"))
        if self._observe is not None:
            self._observe(row.number, field, record, file)

    def set_aside(self, file: str, row: Row, reason: str, rest: Iterable[bytes] = ()) -> None:
        """A row that is left out, with all that there is of it."""
        self.tally["quarantined"] += 1
        if self._quarantine is not None:
            self._quarantine.add(row, reason, rest, file)

    def set_file_aside(self, file: Opened) -> None:
        """A file that can't be read at all; it counts as one row."""
        self.tally["read"] += 1
        self.tally["quarantined"] += 1
        if self._quarantine is not None:
            self._quarantine.add_file(file.member.name, file.fault)


class Settling:
    """The rows of one file on their way into its output.

    output: where they go; `writer` makes their bytes.
    changes: keeps what undoing needs, where the output's bytes are those of rows.
    """

    def __init__(
        self,
        file: Opened,
        journal: Journal,
        output: Output,
        writer: Writer,
        changes: Changes | None,
    ) -> None:
        self._file = file
        self._name = file.member.name
        self._journal = journal
        self._output = output
        self._writer = writer
        self._changes = changes

    def settle(self, window: Sequence[Found], results: Sequence[bytes]) -> None:
        """Write what becomes of a window of rows, given a line of results per passage."""
        assert self._file.passages is not None  # the window came from there
        columns = self._file.passages.columns
        texts = [passage.text for found in window for passage in found.passages]
        known = (read_result(*pair) for pair in zip(results, texts, strict=True))
        emitted = [
            self._settle(found, columns, [next(known) for _ in found.passages]) for found in window
        ]
        self._output.write(b"".join(emitted))

    def end(self, tail: bytes) -> None:
        """Write what ends the file."""
        emitted = self._writer.close(tail)
        self._output.write(emitted)
        if self._changes is not None:
            self._changes.note(tail, emitted)

    def _settle(
        self, found: Found, columns: Columns | None, records: Sequence[Record | str]
    ) -> bytes:
        """The bytes that a row leaves in the output."""
        row, passages, reason = found
        tally = self._journal.tally
        tally["read"] += 1
        good: Sequence[Record] = [record for record in records if not isinstance(record, str)]
        if not reason and len(good) < len(records):
            reason = next(record for record in records if isinstance(record, str))
        if reason or columns is None:
            return self._set_aside(row, reason)
        good = with_one_prompt(row.values, passages, good)
        fate = "written"
        if any(record.output is None for record in good):
            fate = "dropped"
            emitted = self._writer.omit(row)
        else:
            edits = {
                passage.path: record.output
                for passage, record in zip(passages, good, strict=True)
                if record.output is not None and record.output != passage.text
            }
            try:
                emitted = self._kept(row, columns, good, edits)
            except InputError as error:
                return self._set_aside(row, str(error))
            tally["edited"] += bool(edits)
        tally[fate] += 1
        for passage, record in zip(passages, good, strict=True):
            self._journal.note(self._name, row, passage.path, record)
        if self._changes is not None:
            self._changes.note(row.lead + row.raw, emitted)
        return emitted

    def _kept(
        self, row: Row, columns: Columns, records: Sequence[Record], edits: Mapping[str, str]
    ) -> bytes:
        values: Mapping[str, Any] | None = row.values
        if edits:
            values = columns.write(row.values, [record.output for record in records])
        assert values is not None  # no output is None
        return self._writer.keep(row, values, edits)

    def _set_aside(self, row: Row, reason: str) -> bytes:
        emitted = self._writer.omit(row)
        if self._changes is not None:
            self._changes.note(row.lead + row.raw, emitted)
        self._journal.set_aside(self._name, row, reason, self._noted(row.rest or ()))
        return emitted

    def _noted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._changes is not None:
                self._changes.note(piece, b"")
            yield piece
