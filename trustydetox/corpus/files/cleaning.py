"""Cleaning a file or a folder of them: rows in, the same rows out with their toxic spans mended."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trustydetox.corpus.engines.engine import Engine, InProcess
from trustydetox.corpus.files.inputs import members_of
from trustydetox.corpus.files.leaving import Outputs
from trustydetox.corpus.files.opening import Inputs
from trustydetox.corpus.files.pieces import WHOLE, Books, Share, answered, cut
from trustydetox.corpus.files.settling import Journal, Observe
from trustydetox.corpus.pacing import Pace, Progress
from trustydetox.corpus.reading import NO_ROLES, NO_THRESHOLDS, surprises
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import RunFolder, SharedRun, finished_run, run_folder
from trustydetox.corpus.runs.outputs import plain_errors
from trustydetox.corpus.runs.shards import SHARD_BYTES, SHARD_ROWS
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError
from trustydetox.report import CARD
from trustydetox.roles import Action
from trustydetox.rows import MAX_ROW_BYTES

Documents = Callable[[Counts], Mapping[str, str]]
Card = Callable[[str, Counts, Mapping[str, Mapping[str, int]]], str]


def clean_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    detoxifier: Detoxifier | Engine,
    fields: Sequence[str] = (),
    roles: Mapping[str, Action] = NO_ROLES,
    thresholds: Mapping[str, float] = NO_THRESHOLDS,
    run: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    dry_run: bool = False,
    settings: Mapping[str, Any] | None = None,
    observe: Observe | None = None,
    progress: Progress | None = None,
    documents: Documents | None = None,
    card: Card | None = None,
    say: Callable[[str], object] = warnings.warn,
    max_row_bytes: int = MAX_ROW_BYTES,
    shard_rows: int = SHARD_ROWS,
    share: Share = WHOLE,
) -> Counts:
    """What became of the rows of `source`, which are now in `destination`, in order.

    A row that can't be read, or that the format of `destination` can't hold, goes to the
    quarantine; a row with a dropped text is dropped. Memory doesn't grow with the file.

    A run that ends early, however it ends, keeps its finished shards unless it reads standard
    input; the same call goes on after them, and where all was done before it does nothing.

    source, destination: file names whose endings name formats; `-` is standard input or output.
        Or a folder, or a pattern such as `raw/**/*.jsonl`, and a folder for files of the same
        names: one of them that can't be read at all goes to the quarantine and counts as a row.
    detoxifier: the pipeline, for this process to run, or an engine that runs it elsewhere.
    fields: the columns to clean; without them TRL's, of which `prompt` and `rejected` are only
        scored, else the only one that holds text or conversations.
    roles: what becomes of whose toxic words, in conversations and in columns of one text. Without
        them what the assistant says is rewritten, what the user says is flagged, and in
        conversations all else is kept unread.
    thresholds: from which toxicity on whose words are toxic, where not from the pipeline's.
    run: the run folder, `DESTINATION.detox` unless given; standard output needs one.
    fresh: start over, and replace a run in that folder whatever its settings.
    dry_run: do all but write.
    settings: goes into the manifest (`recipe` and `models` at its top); a run with others in
        that folder is a ConflictError.
    observe: told every record that is written, as (row, field, record, name of the file among
        several or `""`).
    progress: told (rows done, share of the input done or None) now and then.
    documents: told the counts at the end, gives more files of the run folder as name -> text.
    card: of several files, gives the README.md of the output, from that of the input (or `""`),
        the counts, and those of each file by its name.
    say: told at the end what may surprise: roles that no text had, or that nothing is known of.
    shard_rows: rows after which a shard ends, if it isn't large enough before.
    share: of the run's shards those to do, where several processes do some each on one file
        system. They write no output, and each gives the counts of its own rows; the same call
        without it finds them done and puts the output together. Standard input, `fresh` and
        `dry_run` have none.

    Nothing appears under `destination` unless all of it was written; standard output excepted.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    if share.of > 1:
        _require_shareable(source, fresh=fresh, dry_run=dry_run)
    members = members_of(source, destination)
    _require_apart(source, destination, None if run is None else os.fspath(run))
    if destination == "-" and run is None and not dry_run:
        raise ConfigError(
            "standard output needs a run folder: name one with --run (run= in Python)"
        )
    with plain_errors(destination), ExitStack() as stack:
        inputs = stack.enter_context(
            Inputs(
                members,
                fields,
                roles,
                thresholds,
                max_row_bytes=max_row_bytes,
                window_rows=min(WINDOW_ROWS, shard_rows),
                keeps_bytes=not dry_run,
            )
        )
        folder: RunFolder | None = None
        plan: dict[str, Any] = {}
        engine = InProcess(detoxifier) if isinstance(detoxifier, Detoxifier) else detoxifier
        if not dry_run:
            place = Path(run) if run is not None else run_folder(destination)
            plan = _plan(inputs, destination, place, engine, settings or {})
            plan |= {"fields": list(fields), "roles": dict(roles), "thresholds": dict(thresholds)}
            plan["limits"] = {
                "row_bytes": max_row_bytes,
                "shard_rows": shard_rows,
                "shard_bytes": SHARD_BYTES,
            }
            done = None if fresh else finished_run(place, plan)
            if done is not None:
                return Counts(**done["counts"])
            if share.of > 1:
                return _shared(inputs, SharedRun(place, plan), engine, share, shard_rows, progress)
            folder = RunFolder(place, plan, fresh=fresh, keeps=source != "-")
            stack.enter_context(folder)
        journal = Journal(folder, observe)
        has_card = folder is not None and card is not None and inputs.are_many
        outputs = stack.enter_context(
            Outputs(folder, journal, inputs.let_go, CARD if has_card else "")
        )
        if folder is not None and inputs.are_many:
            outputs.claim(Path(destination), members)
        shards = None if folder is None else folder.shards
        books = None if shards is None else Books(shards, journal.tally)
        for piece, lines in answered(cut(inputs, shards, shard_rows), engine, Pace(progress)):
            settling = outputs.of(piece.file)
            if settling is not None:
                settling.settle(piece.rows, lines)
            if books is not None:
                books.note(piece, lines)
        if books is not None:
            books.end()
        outputs.end()
        inputs.require_readable()
        counts = Counts(**journal.tally)
        for line in surprises(roles, inputs.heard):
            say(line)
        if folder is None:
            return counts
        inputs.require_unchanged()
        plan["counts"] = asdict(counts)
        plan |= _said(source, plan["output"], outputs.members, are_many=inputs.are_many)
        for name, content in (documents(counts) if documents is not None else {}).items():
            folder.open(name).write(content.encode())
        if card is not None and inputs.are_many:
            each = {one["name"]: one["counts"] for one in outputs.members if one["columns"]}
            outputs.write_card(Path(destination), lambda before: card(before, counts, each))
        folder.seal(plan)
        outputs.commit()
        folder.finish()
    return counts


def _shared(
    inputs: Inputs,
    run: SharedRun,
    engine: Engine,
    share: Share,
    shard_rows: int,
    progress: Progress | None,
) -> Counts:
    """Do a share of a run's shards; the counts of its rows."""
    journal = Journal(None, None)
    with run, Outputs(None, journal, inputs.let_go) as outputs:
        books = Books(run.shards, journal.tally)
        pieces = cut(inputs, run.shards, shard_rows, share)
        for piece, lines in answered(pieces, engine, Pace(progress)):
            settling = outputs.of(piece.file)
            if settling is not None and piece.is_ours:
                settling.settle(piece.rows, lines)
            books.note(piece, lines)
        books.end()
        inputs.require_readable()
    return Counts(**(journal.tally - books.skipped))


def _plan(
    inputs: Inputs,
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
        "input": inputs.fingerprint,
        "output": {
            "path": "-" if destination == "-" else os.path.relpath(destination, place.parent)
        },
    }


def _said(
    source: str, output: Mapping[str, Any], members: Sequence[dict[str, Any]], *, are_many: bool
) -> dict[str, Any]:
    """What the manifest says of a run's files; of several, with one entry in `members` each."""
    if not are_many:
        (one,) = members
        return {
            "columns": one["columns"],
            "input": {"path": source, **one["input"]},
            "output": {**output, **one["output"]},
            "undo": one["undo"],
        }
    files: dict[str, dict[str, Any]] = {
        side: {one["name"]: one.pop(side) for one in members} for side in ("input", "output")
    }
    return {
        "input": {"path": source, "files": files["input"]},
        "output": {
            **output,
            "files": {name: said for name, said in files["output"].items() if said is not None},
        },
        "members": list(members),
    }


def _require_shareable(source: str, *, fresh: bool, dry_run: bool) -> None:
    """Refuse a share of what several processes can't do together."""
    if source == "-":
        raise ConfigError(
            "standard input can't be shared among jobs (--shard-index): write it to a file first"
        )
    if fresh:
        raise ConfigError(
            "jobs that share a run (--shard-index) can't each start it over: use --fresh without "
            "--shard-index, or --run (run= in Python) to put this run elsewhere"
        )
    if dry_run:
        raise ConfigError("--dry-run does no shards: leave --shard-index and --num-shards out")


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
