"""Cleaning a file: rows in, the same rows out with their toxic spans mended."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from trustydetox.corpus.engines.engine import Engine, InProcess
from trustydetox.corpus.engines.results import Task, read_result
from trustydetox.corpus.files.changes import Changes
from trustydetox.corpus.files.sources import Source
from trustydetox.corpus.reading import NO_ROLES, Found, PassageReader
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import (
    CHANGES,
    COPY,
    QUARANTINE,
    RECORDS,
    RunFolder,
    finished_run,
    run_folder,
)
from trustydetox.corpus.runs.outputs import Output, plain_errors
from trustydetox.corpus.runs.quarantine import Quarantine
from trustydetox.corpus.runs.recordlines import record_line
from trustydetox.corpus.runs.shards import SHARD_BYTES, SHARD_ROWS, Shards
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, ConflictError, ContractError, InputError
from trustydetox.records import Record
from trustydetox.roles import Action
from trustydetox.rows import (
    MAX_ROW_BYTES,
    Columns,
    Row,
    Writer,
    build_writer,
    format_of,
)

Observe = Callable[[int, str, Record], object]
Progress = Callable[[int, float | None], object]
Documents = Callable[[Counts], Mapping[str, str]]


def clean_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    detoxifier: Detoxifier | Engine,
    fields: Sequence[str] = (),
    roles: Mapping[str, Action] = NO_ROLES,
    run: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    dry_run: bool = False,
    settings: Mapping[str, Any] | None = None,
    observe: Observe | None = None,
    progress: Progress | None = None,
    documents: Documents | None = None,
    max_row_bytes: int = MAX_ROW_BYTES,
    shard_rows: int = SHARD_ROWS,
) -> Counts:
    """What became of the rows of `source`, which are now in `destination`, in order.

    A row that can't be read, or that the format of `destination` can't hold, goes to the
    quarantine; a row with a dropped text is dropped. Memory doesn't grow with the file.

    A run that ends early, however it ends, keeps its finished shards unless it reads standard
    input; the same call goes on after them, and where all was done before it does nothing.

    source, destination: file names whose endings name formats; `-` is standard input or output.
    detoxifier: the pipeline, for this process to run, or an engine that runs it elsewhere.
    fields: the columns to clean; without them TRL's, of which `prompt` and `rejected` are only
        scored, else the only one that holds text or conversations.
    roles: what may be done to whose words in a conversation. Without them what the assistant says
        is edited, what the user says is scored, all else is left alone.
    run: the run folder, `DESTINATION.detox` unless given; standard output needs one.
    fresh: start over, and replace a run in that folder whatever its settings.
    dry_run: do all but write.
    settings: goes into the manifest (`recipe` and `models` at its top); a run with others in
        that folder is a ConflictError.
    observe: told every record that is written, as (row, field, record).
    progress: told (rows done, share of the input read or None) after each window.
    documents: told the counts at the end, gives more files of the run folder as name -> text.
    shard_rows: rows after which a shard ends, if it isn't large enough before.

    Nothing appears under `destination` unless all of it was written; standard output excepted.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    origin, target = format_of(source), format_of(destination)
    _require_apart(source, destination, None if run is None else os.fspath(run))
    if destination == "-" and run is None and not dry_run:
        raise ConfigError("standard output needs a run folder: name one with --run")
    is_copy = destination == "-" or not (
        origin.is_text and target.is_text and origin.table == target.table
    )
    with plain_errors(destination), ExitStack() as stack:
        given = Source(source, max_row_bytes=max_row_bytes, keeps_bytes=is_copy and not dry_run)
        stack.callback(given.reader.close)
        passages = PassageReader(
            given.reader,
            fields,
            roles,
            is_whole=origin.table != target.table,
            window_rows=min(WINDOW_ROWS, shard_rows),
        )
        folder: RunFolder | None = None
        plan: dict[str, Any] = {}
        engine = InProcess(detoxifier) if isinstance(detoxifier, Detoxifier) else detoxifier
        if not dry_run:
            place = Path(run) if run is not None else run_folder(destination)
            plan = _plan(given, destination, place, engine, settings or {})
            plan |= {"fields": list(fields), "roles": dict(roles)}
            plan["limits"] = {
                "row_bytes": max_row_bytes,
                "shard_rows": shard_rows,
                "shard_bytes": SHARD_BYTES,
            }
            done = None if fresh else finished_run(place, plan)
            if done is not None:
                return Counts(**done["counts"])
            folder = RunFolder(place, plan, fresh=fresh, keeps=source != "-")
            stack.enter_context(folder)
            if is_copy:
                given.copy_into(folder.open(COPY + _ending(source)))
        output = stack.enter_context(Output(None if dry_run else destination, target.compression))
        work = _Work(
            output,
            build_writer(origin, target, given.reader, output.sink),
            folder,
            observe,
            Changes(folder.open(CHANGES)) if folder is not None and not is_copy else None,
        )
        shards = None if folder is None else folder.shards
        books = None if shards is None else _Books(shards, given, work.tally)
        for piece, lines in _answered(_cut(passages, shards, shard_rows), engine):
            work.clean(piece.rows, passages.columns, lines)
            if books is not None:
                books.note(piece, lines)
            if progress is not None:
                progress(work.tally["read"], given.reader.share)
        if books is not None:
            books.end()
        work.end(given.reader.tail)
        counts = Counts(**work.tally)
        if folder is None:
            return counts
        given.require_unchanged()
        if work.changes is not None and work.changes.seen != given.fingerprint["bytes"]:
            raise ContractError(f"the reader of {source} lost bytes: the run can't be undone")
        plan["columns"] = {} if passages.columns is None else dict(passages.columns.actions)
        plan["input"] = {"path": source, **given.fingerprint}
        plan["output"] |= output.finish()
        plan["counts"] = asdict(counts)
        plan["undo"] = COPY + _ending(source) if is_copy else CHANGES
        for name, content in (documents(counts) if documents is not None else {}).items():
            folder.open(name).write(content.encode())
        folder.seal(plan)
        output.commit()
        folder.finish()
    return counts


class _Piece(NamedTuple):
    """A window of rows and its place in the run's shards.

    is_last: whether it is as much as the shard takes.
    stored: the results of the whole shard, where they are known from before.
    """

    rows: Sequence[Found]
    shard: int
    is_last: bool
    stored: IO[bytes] | None

    @property
    def tasks(self) -> list[Task]:
        """What there is to do, in order."""
        return [
            Task(passage.text, passage.action is Action.EDIT)
            for found in self.rows
            for passage in found.passages
        ]


def _cut(
    windows: Iterable[Sequence[Found]], shards: Shards | None, shard_rows: int
) -> Iterator[_Piece]:
    """Windows as pieces of shards; where the borders are depends on the input alone."""
    number = rows = size = 0
    stored: IO[bytes] | None = None
    for window in filter(None, windows):
        if rows == 0 and shards is not None:
            stored = shards.stored(number)
        rows += len(window)
        size += sum(len(found.row.lead) + len(found.row.raw) for found in window)
        is_last = rows >= shard_rows or size >= SHARD_BYTES
        yield _Piece(window, number, is_last, stored)
        if is_last:
            number, rows, size = number + 1, 0, 0


def _answered(pieces: Iterator[_Piece], engine: Engine) -> Iterator[tuple[_Piece, list[bytes]]]:
    """Each piece with its results, one line per task; as many are under way as the engine takes."""
    waiting: deque[_Piece] = deque()
    while True:
        # The rest of a long row is read from the file, and must be before any other row is.
        while len(waiting) < engine.ahead and not (waiting and waiting[-1].rows[-1].row.rest):
            piece = next(pieces, None)
            if piece is None:
                break
            if piece.stored is None:
                engine.submit(piece.tasks)
            waiting.append(piece)
        if not waiting:
            return
        piece = waiting.popleft()
        if piece.stored is None:
            lines = engine.take().splitlines(keepends=True)
        else:
            lines = list(islice(piece.stored, len(piece.tasks)))
        yield piece, lines


class _Books:
    """Ends each shard when all of its rows are settled, and checks what was known of it before."""

    def __init__(self, shards: Shards, given: Source, tally: Counter[str]) -> None:
        self._shards = shards
        self._given = given
        self._tally = tally
        self._before: Counter[str] = Counter()
        self._open: _Piece | None = None

    def note(self, piece: _Piece, lines: Iterable[bytes]) -> None:
        """A piece is settled."""
        self._open = piece
        if piece.stored is None:
            self._shards.add(piece.shard, b"".join(lines))
        if piece.is_last:
            self.end()

    def end(self) -> None:
        """The shard has no more rows."""
        piece = self._open
        if piece is None:
            return
        counts = Counts(**(self._tally - self._before))
        first = self._before["read"]
        known = {"rows": [first, first + counts.read], "counts": asdict(counts)}
        if piece.stored is None:
            # What was read is what was hashed, or else the results are of nobody knows what.
            self._given.require_unchanged()
            self._shards.end(piece.shard, known)
        else:
            piece.stored.close()
            entry = self._shards.entry(piece.shard)
            if any(entry.get(key) != value for key, value in known.items()):
                raise ConflictError(
                    f"shard {piece.shard} of the run doesn't fit the input: --fresh starts over"
                )
        self._before = self._tally.copy()
        self._open = None


class _Work:
    """The rows of one run on their way from window to output."""

    def __init__(
        self,
        output: Output,
        writer: Writer,
        folder: RunFolder | None,
        observe: Observe | None,
        changes: Changes | None,
    ) -> None:
        self.tally: Counter[str] = Counter()
        self.changes = changes
        self._output = output
        self._writer = writer
        self._observe = observe
        self._records: IO[bytes] | None = None
        self._quarantine: Quarantine | None = None
        if folder is not None:
            self._records = folder.open(RECORDS)
            self._quarantine = Quarantine(folder.open(QUARANTINE))

    def clean(
        self, window: Sequence[Found], columns: Columns | None, results: Sequence[bytes]
    ) -> None:
        """Write what becomes of a window of rows, given a line of results per passage."""
        emitted: list[bytes] = []
        lines: list[str] = []
        texts = [passage.text for found in window for passage in found.passages]
        known = (read_result(*pair) for pair in zip(results, texts, strict=True))
        for found in window:
            records = [next(known) for _ in found.passages]
            emitted.append(self._settle(found, columns, records, lines))
        self._output.write(b"".join(emitted))
        if self._records is not None:
            self._records.write("".join(lines).encode("ascii"))

    def end(self, tail: bytes) -> None:
        """Write what ends the file."""
        emitted = self._writer.close(tail)
        self._output.write(emitted)
        if self.changes is not None:
            self.changes.note(tail, emitted)

    def _settle(
        self,
        found: Found,
        columns: Columns | None,
        records: Sequence[Record | str],
        lines: list[str],
    ) -> bytes:
        """The bytes that a row leaves in the output; its records go into `lines`."""
        row, passages, reason = found
        self.tally["read"] += 1
        good = [record for record in records if not isinstance(record, str)]
        if not reason and len(good) < len(records):
            reason = next(record for record in records if isinstance(record, str))
        if reason or columns is None:
            return self._set_aside(row, reason)
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
            if edits:
                self.tally["edited"] += 1
        self.tally[fate] += 1
        for passage, record in zip(passages, good, strict=True):
            self.tally["texts"] += 1
            self.tally[record.verdict.value] += 1
            lines.append(record_line(row.number, passage.path, record) + "\n")
            if self._observe is not None:
                self._observe(row.number, passage.path, record)
        if self.changes is not None:
            self.changes.note(row.lead + row.raw, emitted)
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
        self.tally["quarantined"] += 1
        emitted = self._writer.omit(row)
        if self.changes is not None:
            self.changes.note(row.lead + row.raw, emitted)
        rest = self._noted(row.rest or ())
        if self._quarantine is not None:
            self._quarantine.add(row, reason, rest)
        return emitted

    def _noted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.changes is not None:
                self.changes.note(piece, b"")
            yield piece


def _plan(
    source: Source,
    destination: str,
    place: Path,
    engine: Engine,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What is known of the manifest before the run."""
    known_apart = {"recipe", "models"}
    return {
        "recipe": settings.get("recipe"),
        "threshold": engine.threshold,
        "fallback": engine.fallback,
        "settings": {key: value for key, value in settings.items() if key not in known_apart},
        "models": dict(settings.get("models", {})),
        "input": {} if source.name == "-" else source.fingerprint,
        "output": {
            "path": "-" if destination == "-" else os.path.relpath(destination, place.parent)
        },
    }


def _require_apart(source: str, destination: str, run: str | None) -> None:
    """Refuse an output that would overwrite the input, or a folder that would swallow either."""
    places = {"input": source, "output": destination}
    paths = {name: Path(place).resolve() for name, place in places.items() if place != "-"}
    if len(paths) == 2 and paths["input"] == paths["output"]:
        raise ConfigError(f"output and input are the same file: {destination}")
    if run is None:
        return
    folder = Path(run).resolve()
    for name, path in paths.items():
        if folder == path or folder in path.parents:
            raise ConfigError(f"the run folder {run} can't be or hold the {name} file {path.name}")


def _ending(source: str) -> str:
    """The ending of a copy of the input."""
    if source == "-":
        return ".jsonl"
    return "".join(Path(source).suffixes[-2 if format_of(source).compression else -1 :])
