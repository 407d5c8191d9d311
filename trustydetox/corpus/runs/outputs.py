"""A file that appears whole or not at all: written under another name, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from trustydetox.errors import ConfigError, ConflictError, DetoxError, ResourceError
from trustydetox.rows.streams import packed


class _Plain(io.FileIO):
    """A file whose failed writes say where it is and how much more there was to write."""

    def write(self, data: Any, /) -> int:
        try:
            return cast("int", super().write(data))
        except OSError as error:
            said = f"{error.strerror}, with {memoryview(data).nbytes:,} more bytes to write"
            raise OSError(error.errno, said, self.name) from error


def create(path: Path) -> IO[bytes]:
    """A new file of its owner's alone, in the place of any other; a failed write names it."""

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    return io.BufferedWriter(_Plain(str(path), "w", opener=opened))


def write_whole(path: Path, content: bytes) -> None:
    """A file of a run that is on disk whole or not at all; its folder is not synced."""
    part = path.with_name(f".{path.name}.part")
    with create(part) as file:
        file.write(content)
        sync(file)
    part.replace(path)


def sync(file: IO[bytes]) -> None:
    """Bring all that was written to the disk."""
    file.flush()
    os.fsync(file.fileno())


def open_locked(path: Path, flags: int, what: str | Path, *, is_shared: bool = False) -> int:
    """A handle of a file or folder that is ours until it is closed, or this process dies.

    is_shared: it is also that of others who share it.

    ConflictError where another process, about to write `what`, has it.
    """
    while True:
        handle = os.open(path, flags, 0o666)
        try:
            import fcntl

            kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise ConflictError(f"another run is writing {what} just now") from error
        except (ImportError, OSError):
            # No such lock on this system: two runs on one output are then the user's to avoid.
            return handle
        # The other run may have put it in place just before it let go of it.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(handle)):
                return handle
        os.close(handle)


class Digested:
    """A binary file that counts and hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        self.hash = hashlib.sha256()
        self.closed = False
        self.is_dropped = False
        self._file = file

    def write(self, data: Any) -> int:
        """Write bytes, unless the file was let go of."""
        # A writer of Parquet that is let go of early still writes its footer.
        if not self.is_dropped:
            self.size += len(data)
            self.hash.update(data)
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Hand on what is buffered."""
        if not self.is_dropped:
            self._file.flush()

    def writable(self) -> bool:
        """Always."""
        return True


class Output:
    """Where cleaned rows go: a file that replaces `destination` on `commit`, or a stream.

    destination: `-` is standard output, which can't be taken back; None is nowhere.
    is_alone: keep it locked until `commit`; one of very many would take a handle for as long.
    sink: what a writer of its own bytes writes into.
    """

    def __init__(self, destination: str | None, compression: str, *, is_alone: bool = True) -> None:
        self._path: Path | None = None
        self._part: Path | None = None
        if destination == "-":
            self._file: IO[bytes] = sys.stdout.buffer
        elif destination is None:
            self._file = Path(os.devnull).open("wb")  # noqa: SIM115  (closed by __exit__)
        else:
            self._path = Path(destination)
            self._part = self._path.with_name(f".{self._path.name}.part")
            if self._path.is_dir():
                raise ConfigError(f"can't write {destination}: it is a folder")
            if not os.access(self._path.parent, os.W_OK):
                known = "it can't be written to" if self._path.parent.exists() else "it isn't there"
                raise ConfigError(f"can't write {destination}: its folder: {known}")
            self._file = io.BufferedWriter(_Plain(str(self._part), "w", opener=self._opened))
        self._digested = Digested(self._file)
        self._is_packed = bool(compression)
        self._is_alone = is_alone
        self.sink = packed(cast("IO[bytes]", self._digested), compression)

    def _opened(self, part: str, flags: int) -> int:
        # Not emptied before it is known to be ours.
        handle = open_locked(Path(part), flags & ~os.O_TRUNC, str(self._path))
        os.ftruncate(handle, 0)
        return handle

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._digested.is_dropped = True
        if self._part is not None:
            self._part.unlink(missing_ok=True)
        if self._file is not sys.stdout.buffer:
            # A full disk may refuse the last bytes once more; the error that counts is on its way.
            with suppress(OSError):
                self._file.close()

    def write(self, data: bytes) -> None:
        """The next bytes, before compression."""
        self.sink.write(data)

    def finish(self) -> dict[str, Any]:
        """Size and sha256 of the file, which is now complete and on disk under another name."""
        if self._is_packed:
            self.sink.close()
        if self._part is not None:
            sync(self._file)
            if not self._is_alone:
                self._file.close()
        else:
            self._file.flush()
        return {"bytes": self._digested.size, "sha256": self._digested.hash.hexdigest()}

    def commit(self) -> None:
        """Put the file in its place."""
        if self._path is not None and self._part is not None:
            # Still locked: nobody else may take the file for one in the making.
            self._part.replace(self._path)
            self._part = None
            self._file.close()
            sync_folder(self._path.parent)


def sync_folder(path: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def plain_errors(destination: str) -> Iterator[None]:
    """Turn what the system refuses into errors that name the file."""
    try:
        yield
    except (DetoxError, BrokenPipeError):
        raise
    except MemoryError as error:
        raise ResourceError("out of memory") from error
    except OSError as error:
        place = error.filename or ("standard output" if destination == "-" else destination)
        said = f"can't write {place}: {error.strerror or error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.EIO}:
            raise ResourceError(said) from error
        raise ConfigError(said) from error
