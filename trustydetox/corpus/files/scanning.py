"""Scanning a file: how toxic each text is and which words make it so; nothing is changed."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trustydetox.corpus.engines.batching import try_all
from trustydetox.corpus.engines.engine import JOB_TASKS
from trustydetox.corpus.files.inputs import files_of, is_many
from trustydetox.corpus.pacing import Pace, Progress
from trustydetox.corpus.reading import NO_ROLES, PassageReader, surprises
from trustydetox.corpus.runs.recordlines import found_object
from trustydetox.detoxifier import Detoxifier, Found
from trustydetox.errors import InputError
from trustydetox.roles import Action
from trustydetox.rows import MAX_ROW_BYTES, Reader, is_table, open_reader


def scan_file(
    source: str | os.PathLike[str],
    *,
    detoxifier: Detoxifier,
    fields: Sequence[str] = (),
    roles: Mapping[str, Action] = NO_ROLES,
    max_row_bytes: int = MAX_ROW_BYTES,
    progress: Progress | None = None,
    say: Callable[[str], object] = warnings.warn,
) -> Iterator[dict[str, Any]]:
    """One object per text, in order: `row`, `field`, `toxicity`, `toxic`, `by_label`, `spans`.

    A bad row gives one object of `row` and `error`. Raises InputError at once where the file
    can't be read or lacks the fields. What `clean_file` only scores is scanned too, what it
    leaves alone is not. Of several files each object starts with `file`, and one that can't be
    read gives an `error`.

    progress: told (rows done, share of the input done or None) now and then.
    say: told at the end what may surprise: roles that no text had, or that nothing is known of.
    """
    heard = Counter[str]()
    source = os.fspath(source)

    def opened(path: str) -> tuple[Reader, PassageReader]:
        reader = open_reader(path, max_row_bytes=max_row_bytes)
        try:
            return reader, PassageReader(reader, fields, roles, heard=heard)
        except BaseException:
            reader.close()
            raise

    if not is_many(source):
        found = _scanned(*opened(source), detoxifier, progress)
    else:
        found = _scanned_each(files_of(source), opened, detoxifier, progress)
    return _ended(found, roles, heard, say)


def _ended(
    found: Iterator[dict[str, Any]],
    roles: Mapping[str, Action],
    heard: Mapping[str, int],
    say: Callable[[str], object],
) -> Iterator[dict[str, Any]]:
    """What was found, and behind the last what there is to say of roles."""
    yield from found
    for line in surprises(roles, heard):
        say(line)


def _scanned_each(
    files: Mapping[str, Path],
    opened: Callable[[str], tuple[Reader, PassageReader]],
    detoxifier: Detoxifier,
    progress: Progress | None,
) -> Iterator[dict[str, Any]]:
    before = 0

    def said(rows: int, share: float | None) -> None:
        if progress is not None:
            progress(before + rows, None)

    for name, path in files.items():
        if not is_table(name):
            continue
        try:
            pair = opened(str(path))
        except InputError as error:
            yield {"file": name, "row": None, "error": str(error)}
            continue
        row = -1
        for found in _scanned(*pair, detoxifier, said):
            row = found["row"]
            yield {"file": name, **found}
        before += row + 1


def _scanned(
    reader: Reader, windows: PassageReader, detoxifier: Detoxifier, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    pace = Pace(progress)
    try:
        for window in windows:
            texts = [passage.text for row in window for passage in row.passages]
            pace.begin(len(window), sum(map(len, texts)), reader.share)
            results = _results(texts, detoxifier, pace)
            for row, passages, reason in window:
                found = [next(results) for _ in passages]
                reason = reason or next((one for one in found if isinstance(one, str)), "")
                if reason:
                    yield {"row": row.number, "error": reason}
                    continue
                for passage, one in zip(passages, found, strict=True):
                    if not isinstance(one, str):
                        yield found_object(row.number, passage.path, one)
            pace.end()
    finally:
        reader.close()


def _results(texts: Sequence[str], detoxifier: Detoxifier, pace: Pace) -> Iterator[Found | str]:
    for start in range(0, len(texts), JOB_TASKS):
        part = texts[start : start + JOB_TASKS]
        results = try_all(part, detoxifier.find)
        pace.done(sum(map(len, part)))
        yield from results
