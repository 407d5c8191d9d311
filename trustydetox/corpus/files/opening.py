"""The files of a run, opened one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trustydetox.corpus.files.inputs import Member
from trustydetox.corpus.files.sources import Source
from trustydetox.corpus.reading import PassageReader
from trustydetox.errors import InputError
from trustydetox.roles import Action
from trustydetox.rows import Reader, format_of, open_reader


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of a run that is being read.

    share: of the run's bytes that lie in the files before it, and in it.
    fault: why it can't be read at all; like a file that is only copied, it has no reader then.
    """

    member: Member
    source: Source
    share: tuple[float, float]
    reader: Reader | None = None
    passages: PassageReader | None = None
    fault: str = ""

    @property
    def progress(self) -> float | None:
        """How much of the run's input has been read, in [0, 1]; None where nobody knows."""
        share = 0.0 if self.reader is None else self.reader.share
        return None if share is None else self.share[0] + share * self.share[1]


class Inputs:
    """Reads the members of a run in order; a context, at whose end all are closed.

    All are hashed at once, and the first is opened, so that a file without the fields is an
    InputError before anything is made of it. One of several that can't be read has a fault.

    keeps_bytes: as in `Source`, for standard input.
    heard: as in `PassageReader`, of the files that were read so far.
    """

    def __init__(
        self,
        members: Sequence[Member],
        fields: Sequence[str],
        roles: Mapping[str, Action],
        thresholds: Mapping[str, float],
        *,
        max_row_bytes: int,
        window_rows: int,
        keeps_bytes: bool,
    ) -> None:
        self._members = members
        self._fields = fields
        self._roles = roles
        self._thresholds = thresholds
        self._max_row_bytes = max_row_bytes
        self._window_rows = window_rows
        self._sources = [Source(one.source, keeps_bytes=keeps_bytes) for one in members]
        self.heard = Counter[str]()
        self._open: list[Reader] = []
        self._faults: list[str] = []
        self._readable = 0
        self._first = self._opened(0, 0.0)

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *error: object) -> None:
        for reader in self._open:
            reader.close()

    def __iter__(self) -> Iterator[Opened]:
        yield self._first
        before = self._first.share[1]
        for at in range(1, len(self._members)):
            opened = self._opened(at, before)
            before += opened.share[1]
            yield opened

    @property
    def are_many(self) -> bool:
        """Whether a folder or a pattern was given."""
        return bool(self._members[0].name)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What identifies the input: size and sha256, of several files each by its name.

        Nothing is known of standard input.
        """
        if self._members[0].source == "-":
            return {}
        if not self.are_many:
            return self._sources[0].fingerprint
        each = zip(self._members, self._sources, strict=True)
        return {"files": {member.name: source.fingerprint for member, source in each}}

    def require_unchanged(self) -> None:
        """Raise ConflictError where somebody wrote to a file since it was hashed."""
        for source in self._sources:
            source.require_unchanged()

    def let_go(self, file: Opened) -> None:
        """Close a file that is done with: of very many, few can be open."""
        if file.reader is not None:
            file.reader.close()
            self._open.remove(file.reader)

    def require_readable(self) -> None:
        """Raise InputError where not one file could be read."""
        if self._faults and not self._readable:
            raise InputError(self._faults[0])

    def _opened(self, at: int, before: float) -> Opened:
        member, source = self._members[at], self._sources[at]
        total = sum(one.fingerprint["bytes"] for one in self._sources) if self.are_many else 0
        share = (before, source.fingerprint["bytes"] / total if total else 1.0)
        if not member.has_rows:
            return Opened(member, source, share)
        reader: Reader | None = None
        try:
            reader = open_reader(
                member.source,
                max_row_bytes=self._max_row_bytes,
                watch=source.see if member.source == "-" else None,
            )
            self._open.append(reader)
            tables = {format_of(name).table for name in (member.source, member.destination)}
            passages = PassageReader(
                reader,
                self._fields,
                self._roles,
                self._thresholds,
                is_whole=len(tables) > 1,
                window_rows=self._window_rows,
                heard=self.heard,
            )
        except InputError as error:
            if reader is not None:
                reader.close()
                self._open.remove(reader)
            if not self.are_many:
                raise
            self._faults.append(str(error))
            return Opened(member, source, share, fault=str(error))
        self._readable += 1
        return Opened(member, source, share, reader, passages)
