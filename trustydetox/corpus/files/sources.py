"""A file of a run: what identifies it, and a copy where undoing needs one."""

from __future__ import annotations

import hashlib
import shutil
import stat
from pathlib import Path
from typing import IO, Any

from trustydetox.errors import ConflictError, InputError

CHUNK = 1 << 20


class Source:
    """A file to read, or `-` for standard input, whose bytes `see` is shown.

    keeps_bytes: whether `copy_into` may be called; the bytes of standard input are held until it
        is, or until `forget` is.
    """

    def __init__(self, name: str, *, keeps_bytes: bool) -> None:
        self.name = name
        self._size = 0
        self._hash = hashlib.sha256()
        self._early: list[bytes] | None = [] if keeps_bytes else None
        self._copy: IO[bytes] | None = None
        self._state: tuple[int, int] | None = None
        if name == "-":
            return
        self._state = self._stat()
        try:
            with Path(name).open("rb") as file:
                while piece := file.read(CHUNK):
                    self._size += len(piece)
                    self._hash.update(piece)
        except OSError as error:
            raise InputError(f"can't read {name}: {error.strerror}") from error

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Size and sha256; those of standard input once it has been read."""
        return {"bytes": self._size, "sha256": self._hash.hexdigest()}

    def copy_into(self, file: IO[bytes]) -> None:
        """Put the bytes of the input into `file`, those of standard input as they come."""
        if self.name == "-":
            file.writelines(self._early or ())
            self._early, self._copy = None, file
            return
        with Path(self.name).open("rb") as source:
            shutil.copyfileobj(source, file, CHUNK)

    def forget(self) -> None:
        """Let go of the bytes that are held: `copy_into` won't be called any more."""
        self._early = None

    def require_unchanged(self) -> None:
        """Raise ConflictError where somebody wrote to the file since it was opened."""
        if self._state is not None and self._stat() != self._state:
            raise ConflictError(f"{self.name} was changed while it was read: run again")

    def see(self, piece: bytes) -> None:
        """The next bytes of standard input."""
        self._size += len(piece)
        self._hash.update(piece)
        if self._copy is not None:
            self._copy.write(piece)
        elif self._early is not None:
            self._early.append(piece)

    def _stat(self) -> tuple[int, int]:
        try:
            found = Path(self.name).stat()
        except OSError as error:
            raise InputError(f"can't read {self.name}: {error.strerror}") from error
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{self.name} is a folder, expected a file")
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{self.name} is no regular file: pipe it into standard input, -")
        return found.st_size, found.st_mtime_ns
