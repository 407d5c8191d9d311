"""The files that a run writes: one after the other, and all in their places at the end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from trustydetox.corpus.files.changes import Changes
from trustydetox.corpus.files.inputs import Member
from trustydetox.corpus.files.opening import Opened
from trustydetox.corpus.files.settling import Journal, Settling
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import CHANGES, COPY, RunFolder
from trustydetox.corpus.runs.outputs import Output, open_locked
from trustydetox.errors import ConfigError, ContractError
from trustydetox.rows import build_writer, format_of, is_table


class Outputs:
    """Writes what becomes of the files of a run; a context that leaves nothing unless committed.

    folder: the run folder; without it nothing is written anywhere.
    let_go: told each file that is done.
    card: the name of the file that `write_card` will write at the end; `""`: none.
    members: what there is to say of each file that is done, for the manifest.
    """

    def __init__(
        self,
        folder: RunFolder | None,
        journal: Journal,
        let_go: Callable[[Opened], object],
        card: str = "",
    ) -> None:
        self.members: list[dict[str, Any]] = []
        self._folder = folder
        self._journal = journal
        self._let_go = let_go
        self._card = card
        self._card_before = ""
        self._stack = ExitStack()
        self._outputs: list[Output] = []
        self._file: Opened | None = None
        self._settling: Settling | None = None
        self._changes: Changes | None = None
        self._undo = ""
        self._kept: IO[bytes] | None = None
        self._before: Counter[str] = Counter()

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def claim(self, top: Path, members: Sequence[Member]) -> None:
        """Make the folder for several files, and keep other runs out of it.

        ConfigError where it holds a file that the run won't write: nobody could tell them apart.
        """
        folders = {top, *(Path(member.destination).parent for member in members)}
        missing = {one for folder in folders for one in (folder, *folder.parents)}
        for folder in sorted(one for one in missing if not one.exists()):
            folder.mkdir()
            self._stack.callback(_remove_empty, folder)
        self._stack.callback(os.close, open_locked(top, os.O_RDONLY, top))
        known = {top / self._card, *(Path(member.destination) for member in members)}
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.name.startswith(".") and path not in known:
                raise ConfigError(
                    f"{top} holds {path.relative_to(top)}, which this run doesn't write: "
                    "choose a folder of its own"
                )

    def of(self, file: Opened) -> Settling | None:
        """Where the rows of a file go, None where it has none; the file before is then done."""
        if file is not self._file:
            self.end()
            self._begin(file)
        return self._settling

    def end(self) -> None:
        """The last file has no more rows."""
        file, self._file = self._file, None
        if file is None:
            return
        if self._settling is not None and file.reader is not None:
            self._settling.end(file.reader.tail)
        if self._folder is not None:
            self.members.append(self._said(file))
            if file.member.name and self._kept is not None:
                self._folder.settle(self._kept)
        self._settling = self._changes = self._kept = None
        self._let_go(file)

    def write_card(self, top: Path, make: Callable[[str], str]) -> None:
        """Write the card of the folder, given that of the input or `""`."""
        output = self._stack.enter_context(Output(str(top / self._card), "", is_alone=False))
        self._outputs.append(output)
        output.write(make(self._card_before).encode())
        output.finish()

    def commit(self) -> None:
        """Put all files in their places."""
        for output in self._outputs:
            output.commit()

    def _begin(self, file: Opened) -> None:
        member = file.member
        self._file = file
        self._before = self._journal.tally.copy()
        self._undo = self._undo_of(file)
        if file.fault:
            self._journal.set_file_aside(file)
        if self._folder is not None and self._undo:
            self._kept = self._folder.open(self._undo)
            if _is_undone_by_changes(file):
                self._changes = Changes(self._kept)
            else:
                file.source.copy_into(self._kept)
        if self._changes is not None or self._folder is None:
            file.source.forget()
        if self._is_card(member):
            self._card_before = Path(member.source).read_text("utf-8", "replace")
        if file.fault or self._is_card(member):
            return
        target = format_of(member.destination) if member.has_rows else None
        output = Output(
            None if self._folder is None else member.destination,
            "" if target is None else target.compression,
            is_alone=not member.name,
        )
        self._outputs.append(self._stack.enter_context(output))
        if target is None or file.reader is None:
            file.source.copy_into(output.sink)
            return
        writer = build_writer(format_of(member.source), target, file.reader, output.sink)
        self._settling = Settling(file, self._journal, output, writer, self._changes)

    def _undo_of(self, file: Opened) -> str:
        """The file of the run folder that undoing needs; `""` where the output is the input."""
        member = file.member
        if not member.has_rows and not self._is_card(member):
            return ""
        name = CHANGES if _is_undone_by_changes(file) else COPY + _ending(member.source)
        if not member.name:
            return name
        path = Path(name)
        return str(path.with_name(f"{len(self.members):06}-{path.name}"))

    def _is_card(self, member: Member) -> bool:
        return bool(self._card) and member.name == self._card

    def _said(self, file: Opened) -> dict[str, Any]:
        """What the manifest says of a file that is done."""
        seen = None if self._changes is None else self._changes.seen
        if seen not in (None, file.source.fingerprint["bytes"]):
            raise ContractError(
                f"the reader of {file.source.name} lost bytes: the run can't be undone"
            )
        columns = None if file.passages is None else file.passages.columns
        said: dict[str, Any] = {
            "name": file.member.name,
            "input": file.source.fingerprint,
            "undo": self._undo,
            "columns": {} if columns is None else dict(columns.actions),
            "counts": asdict(Counts(**(self._journal.tally - self._before))),
        }
        if file.fault:
            return said | {"output": None, "fault": file.fault}
        if self._is_card(file.member):
            # People write on in it, and no run depends on what they write.
            return said | {"output": None}
        return said | {"output": self._outputs[-1].finish()}


def _is_undone_by_changes(file: Opened) -> bool:
    """Whether the bytes of the input can be had from those of the output."""
    if file.fault or not file.member.has_rows or file.member.destination == "-":
        return False
    origin, target = format_of(file.member.source), format_of(file.member.destination)
    return origin.is_text and target.is_text and origin.table == target.table


def _ending(source: str) -> str:
    """The ending of a copy of the input."""
    if source == "-":
        return ".jsonl"
    if not is_table(source):
        return Path(source).suffix
    return "".join(Path(source).suffixes[-2 if format_of(source).compression else -1 :])


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
