"""Cleaning a file: rows in, the same rows out with their toxic spans mended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from trustydetox.corpus.batching import try_all
from trustydetox.corpus.counts import Counts
from trustydetox.corpus.ledger import Changes
from trustydetox.corpus.outputs import Output, plain_errors
from trustydetox.corpus.quarantine import Quarantine
from trustydetox.corpus.reading import Found, PassageReader
from trustydetox.corpus.recordlines import record_line
from trustydetox.corpus.runs import CHANGES, COPY, QUARANTINE, RECORDS, RunFolder, run_folder
from trustydetox.corpus.sources import Source
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import (
    ConfigError,
    ContractError,
    InputError,
)
from trustydetox.records import Record, Toxicity, Verdict
from trustydetox.roles import Action, Passage
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

NO_ROLES: Mapping[str, Action] = {}

SCORE_ONLY = "score-only"
"""Why a toxic text that is only scored is unresolved."""


def clean_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    detoxifier: Detoxifier,
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
) -> Counts:
    """What became of the rows of `source`, which are now in `destination`, in order.

    A row that can't be read, or that the format of `destination` can't hold, goes to the
    quarantine; a row with a dropped text is dropped. Memory doesn't grow with the file.

    source, destination: file names whose endings name formats; `-` is standard input or output.
    fields: the columns to clean; without them TRL's, of which `prompt` and `rejected` are only
        scored, else the only one that holds text or conversations.
    roles: what may be done to whose words in a conversation. Without them what the assistant says
        is edited, what the user says is scored, all else is left alone.
    run: the run folder, `DESTINATION.detox` unless given; standard output needs one.
    fresh: replace a finished run in that folder, whatever its settings.
    dry_run: do all but write.
    settings: goes into the manifest (`recipe` and `models` at its top); a finished run with
        others is a ConflictError.
    observe: told every record that is written, as (row, field, record).
    progress: told (rows done, share of the input read or None) after each window.
    documents: told the counts at the end, gives more files of the run folder as name -> text.

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
        passages = PassageReader(given.reader, fields, roles, is_whole=origin.table != target.table)
        folder: RunFolder | None = None
        plan: dict[str, Any] = {}
        if not dry_run:
            place = Path(run) if run is not None else run_folder(destination)
            plan = _plan(given, destination, place, detoxifier, settings or {})
            plan |= {"fields": list(fields), "roles": dict(roles)}
            folder = stack.enter_context(RunFolder(place, plan, fresh=fresh))
            if is_copy:
                given.copy_into(folder.open(COPY + _ending(source)))
        output = stack.enter_context(Output(None if dry_run else destination, target.compression))
        work = _Work(
            detoxifier,
            output,
            build_writer(origin, target, given.reader, output.sink),
            folder,
            observe,
            Changes(folder.open(CHANGES)) if folder is not None and not is_copy else None,
        )
        for window in passages:
            work.clean(window, passages.columns)
            if progress is not None:
                progress(work.tally["read"], given.reader.share)
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


class _Work:
    """The rows of one run on their way from window to output."""

    def __init__(
        self,
        detoxifier: Detoxifier,
        output: Output,
        writer: Writer,
        folder: RunFolder | None,
        observe: Observe | None,
        changes: Changes | None,
    ) -> None:
        self.tally: Counter[str] = Counter()
        self.changes = changes
        self._detoxifier = detoxifier
        self._output = output
        self._writer = writer
        self._observe = observe
        self._records: IO[bytes] | None = None
        self._quarantine: Quarantine | None = None
        if folder is not None:
            self._records = folder.open(RECORDS)
            self._quarantine = Quarantine(folder.open(QUARANTINE))

    def clean(self, window: Sequence[Found], columns: Columns | None) -> None:
        """Write what becomes of a window of rows."""
        results = iter(self._results([passage for found in window for passage in found.passages]))
        emitted: list[bytes] = []
        lines: list[str] = []
        for found in window:
            records = [next(results) for _ in found.passages]
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

    def _results(self, passages: Sequence[Passage]) -> list[Record | str]:
        """A record, or a reason to set the row aside, for each passage."""
        edited = [one.text for one in passages if one.action is Action.EDIT]
        scored = [one.text for one in passages if one.action is not Action.EDIT]
        mended = iter(try_all(edited, self._mend))
        scores = iter(try_all(scored, self._detoxifier.score))
        return [
            next(mended) if one.action is Action.EDIT else self._scored(one.text, next(scores))
            for one in passages
        ]

    def _mend(self, texts: Sequence[str]) -> list[Record]:
        return list(self._detoxifier.run(texts, batch_size=len(texts)))

    def _scored(self, text: str, score: Toxicity | str) -> Record | str:
        if isinstance(score, str):
            return score
        if score.overall < self._detoxifier.threshold:
            return Record(text, Verdict.CLEAN, text, score)
        return Record(text, Verdict.UNRESOLVED, text, score, reason=SCORE_ONLY)


def _plan(
    source: Source,
    destination: str,
    place: Path,
    detoxifier: Detoxifier,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What is known of the manifest before the run."""
    known_apart = {"recipe", "models"}
    return {
        "recipe": settings.get("recipe"),
        "threshold": detoxifier.threshold,
        "fallback": detoxifier.fallback,
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
