"""Undoing a run: the input again, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

from trustydetox.corpus.files.changes import CHUNK, undone
from trustydetox.corpus.runs.folder import CHANGES, read_manifest
from trustydetox.corpus.runs.outputs import Output, plain_errors
from trustydetox.errors import ConfigError, ConflictError, InputError


def revert_file(run: str | os.PathLike[str], destination: str | os.PathLike[str]) -> None:
    """The input of a run, byte for byte, in `destination`; dropped and bad rows included.

    Plain text in the format it came in is put together from the run's output and the changes in
    the run folder. Where bytes can't be had again in that way (Parquet, .gz, .zst, another format,
    standard output) the run folder holds a copy of the input.

    ConflictError where the output was changed since, or what is restored isn't the input.
    """
    folder, destination = Path(run), os.fspath(destination)
    manifest = read_manifest(folder)
    output = folder.parent / manifest["output"]["path"]
    if destination != "-":
        place = Path(destination).resolve()
        if place == output.resolve() or folder.resolve() in place.parents:
            raise ConfigError(f"{destination} belongs to the run: name another file to restore to")
    with plain_errors(destination):
        _require_same(output, manifest)
        with Output(destination, "") as restored:
            try:
                for piece in _pieces(folder, output, manifest):
                    restored.write(piece)
            except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
                raise ConflictError(f"the ledger of {folder} is damaged") from error
            found = restored.finish()
            if found["sha256"] != manifest["input"]["sha256"]:
                raise ConflictError(
                    f"what {folder} restores isn't the input of the run: its ledger was changed"
                )
            restored.commit()


def _require_same(output: Path, manifest: dict[str, Any]) -> None:
    """Refuse an output that isn't the one that the run wrote."""
    if manifest["output"]["path"] == "-":
        return
    if not output.exists():
        if manifest["undo"] != CHANGES:
            return
        raise InputError(f"{output} is needed to undo the run, and isn't there")
    with output.open("rb") as file:
        if file_digest(file, "sha256").hexdigest() != manifest["output"]["sha256"]:
            raise ConflictError(f"{output} was changed since the run")


def _pieces(folder: Path, output: Path, manifest: dict[str, Any]) -> Iterator[bytes]:
    undo = folder / manifest["undo"]
    if manifest["undo"] == CHANGES:
        with output.open("rb") as cleaned, undo.open("rb") as changes:
            yield from undone(cleaned, changes)
        return
    with undo.open("rb") as copy:
        while chunk := copy.read(CHUNK):
            yield chunk
