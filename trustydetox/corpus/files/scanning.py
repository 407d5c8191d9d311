"""Scanning a file: how toxic each text is and which words make it so; nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trustydetox.corpus.engines.batching import try_all
from trustydetox.corpus.files.cleaning import Progress
from trustydetox.corpus.reading import NO_ROLES, PassageReader
from trustydetox.corpus.runs.recordlines import found_object
from trustydetox.detoxifier import Detoxifier
from trustydetox.roles import Action
from trustydetox.rows import MAX_ROW_BYTES, Reader, open_reader


def scan_file(
    source: str | os.PathLike[str],
    *,
    detoxifier: Detoxifier,
    fields: Sequence[str] = (),
    roles: Mapping[str, Action] = NO_ROLES,
    max_row_bytes: int = MAX_ROW_BYTES,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """One object per text, in order: `row`, `field`, `toxicity`, `toxic`, `by_label`, `spans`.

    A bad row gives one object of `row` and `error`. Raises InputError at once where the file
    can't be read or lacks the fields. What `clean_file` only scores is scanned too, what it
    leaves alone is not.

    progress: told (rows done, share of the input read or None) after each window.
    """
    reader = open_reader(os.fspath(source), max_row_bytes=max_row_bytes)
    try:
        passages = PassageReader(reader, fields, roles)
    except BaseException:
        reader.close()
        raise
    return _scanned(reader, passages, detoxifier, progress)


def _scanned(
    reader: Reader, windows: PassageReader, detoxifier: Detoxifier, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    try:
        for window in windows:
            texts = [passage.text for row in window for passage in row.passages]
            results = iter(try_all(texts, detoxifier.find))
            for row, passages, reason in window:
                found = [next(results) for _ in passages]
                reason = reason or next((one for one in found if isinstance(one, str)), "")
                if reason:
                    yield {"row": row.number, "error": reason}
                    continue
                for passage, one in zip(passages, found, strict=True):
                    if not isinstance(one, str):
                        yield found_object(row.number, passage.path, one, detoxifier.threshold)
            if progress is not None and window:
                progress(window[-1].row.number + 1, reader.share)
    finally:
        reader.close()
