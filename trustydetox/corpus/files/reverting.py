"""Undoing a run: the input again, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustydetox.corpus.files.changes import CHUNK, undone
from trustydetox.corpus.runs.folder import CHANGES, digest_of, read_manifest
from trustydetox.corpus.runs.outputs import Output, plain_errors
from trustydetox.errors import ConfigError, ConflictError, InputError


def revert_file(run: str | os.PathLike[str], destination: str | os.PathLike[str]) -> None:
    """The input of a run, byte for byte, in `destination`; dropped and bad rows included.

    Plain text in the format it came in is put together from the run's output and the changes in
    the run folder. Where bytes can't be had again in that way (Parquet, .gz, .zst, another format,
    standard output) the run folder holds a copy of the input. The files of a folder come back in
    a folder.

    ConflictError where the output was changed since, or what is restored isn't the input.
    """
    folder, destination = Path(run), os.fspath(destination)
    manifest = read_manifest(folder)
    require_apart(folder, manifest, destination)
    originals = originals_of(folder, manifest)
    is_many = "members" in manifest
    if is_many and destination == "-":
        raise ConfigError("the run cleaned several files: expected a folder for them, got -")
    for original in originals:
        target = str(Path(destination, original.name)) if is_many else destination
        with plain_errors(target):
            if is_many:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
            original.restore(target)


def require_apart(run: Path, manifest: Mapping[str, Any], destination: str) -> None:
    """Refuse to write over a run or what it wrote."""
    output = (run.parent / manifest["output"]["path"]).resolve()
    place = Path(destination).resolve()
    ours = {output, run.resolve()} & {place, *place.parents}
    if destination != "-" and ours:
        raise ConfigError(f"{destination} belongs to the run: name another place")


@dataclass(frozen=True, slots=True)
class Original:
    """A file that a run read, and how to get it back.

    name: its name among several, `""` of one.
    input, output: what the manifest says of both; `cleaned` is where the output is, None where
        it is nowhere to be read.
    undo: the changes or the copy in the run folder; None where the output is the input.
    """

    name: str
    run: Path
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    cleaned: Path | None
    undo: Path | None

    @property
    def file_name(self) -> str:
        """A name whose ending is that of the file."""
        if self.undo is not None and not self._is_of_changes:
            return self.undo.name
        return "input" + (Path(self.name or self.input["path"]).suffix or ".jsonl")

    def restore(self, destination: str) -> None:
        """Write it to `destination`."""
        self._require_same()
        with Output(destination, "") as restored:
            try:
                for piece in self._pieces():
                    restored.write(piece)
            except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
                raise ConflictError(f"the ledger of {self.run} is damaged") from error
            if restored.finish()["sha256"] != self.input["sha256"]:
                raise ConflictError(
                    f"what {self.run} restores isn't the input of the run: its ledger was changed"
                )
            restored.commit()

    @property
    def _is_of_changes(self) -> bool:
        return self.undo is not None and self.undo.name.endswith(Path(CHANGES).name)

    def _require_same(self) -> None:
        """Refuse an output that isn't the one that the run wrote."""
        if self.cleaned is None:
            return
        if not self.cleaned.exists():
            if self.undo is not None and not self._is_of_changes:
                return
            raise InputError(f"{self.cleaned} is needed to undo the run, and isn't there")
        if digest_of(self.cleaned) != self.output["sha256"]:
            raise ConflictError(f"{self.cleaned} was changed since the run")

    def _pieces(self) -> Iterator[bytes]:
        if self._is_of_changes and self.cleaned is not None and self.undo is not None:
            with self.cleaned.open("rb") as cleaned, self.undo.open("rb") as changes:
                yield from undone(cleaned, changes)
            return
        copy = self.undo or self.cleaned
        assert copy is not None  # what has no output has a copy
        with copy.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def originals_of(run: Path, manifest: Mapping[str, Any]) -> list[Original]:
    """The files that a run read, in order."""
    output = manifest["output"]
    place = None if output["path"] == "-" else run.parent / output["path"]
    if "members" not in manifest:
        return [Original("", run, manifest["input"], output, place, run / manifest["undo"])]
    originals: list[Original] = []
    for member in manifest["members"]:
        name, said = member["name"], output["files"].get(member["name"])
        originals.append(
            Original(
                name,
                run,
                manifest["input"]["files"][name],
                said or {},
                None if said is None or place is None else place / name,
                run / member["undo"] if member["undo"] else None,
            )
        )
    return originals
