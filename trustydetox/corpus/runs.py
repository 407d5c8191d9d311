"""The run folder: what a run did, what it set aside, and what undoing it needs.

It holds original texts, so its mode is 0700. It is built beside its place under a hidden name and
renamed when all of it is on disk; `manifest.json` is what makes a folder a finished run.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from trustydetox.corpus.outputs import sync_folder
from trustydetox.errors import ConfigError, ConflictError, InputError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
RECORDS = "records.jsonl"
QUARANTINE = "quarantine.jsonl"
LEDGER = "ledger"
CHANGES = f"{LEDGER}/changes.jsonl"
COPY = f"{LEDGER}/input"

DECIDING = (
    "recipe",
    "settings",
    "models",
    "threshold",
    "fallback",
    "fields",
    "roles",
    "input",
    "output",
)
"""Keys of a manifest in which two runs of one folder must agree."""

PACKAGES = ("trustydetox", "torch", "transformers", "captum", "pyarrow", "numpy")


def run_folder(destination: str) -> Path:
    """Where a run that writes `destination` is kept unless told otherwise."""
    return Path(f"{destination}.detox")


def read_manifest(run: Path) -> dict[str, Any]:
    """The manifest of a finished run."""
    try:
        manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is no finished run folder: no {MANIFEST} can be read") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{run} was made by another version: expected schema {SCHEMA_VERSION}")
    return manifest


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about the result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class RunFolder:
    """A run folder in the making; leaving the `with` block without `finish` leaves no trace.

    plan: the deciding part of the manifest, as far as it is known before the run.
    fresh: replace a finished run whatever its plan was.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._old = path.with_name(f".{path.name}.old")
        self._files: list[IO[bytes]] = []
        if not path.parent.is_dir():
            raise ConfigError(f"can't make the run folder {path}: {path.parent} isn't there")
        self._require_replaceable(plan, fresh=fresh)
        self._part.mkdir(mode=0o700, exist_ok=True)
        self._part.chmod(0o700)
        self._lock = self._locked()
        for leftover in self._part.iterdir():
            _remove(leftover)
        (self._part / LEDGER).mkdir(mode=0o700)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()
        shutil.rmtree(self._part, ignore_errors=True)
        os.close(self._lock)

    def open(self, name: str) -> IO[bytes]:
        """A new file of the run."""
        handle = os.open(self._part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = os.fdopen(handle, "wb")
        self._files.append(file)
        return file

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and bring all files to the disk."""
        with self.open(MANIFEST) as file:
            content = {"schema_version": SCHEMA_VERSION, "versions": versions(), **manifest}
            file.write(json.dumps(content, indent=2).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        for file in self._files:
            if not file.closed:
                file.flush()
                os.fsync(file.fileno())
                file.close()
        sync_folder(self._part / LEDGER)
        sync_folder(self._part)

    def finish(self) -> None:
        """Put the sealed folder in its place, instead of an older run."""
        if self.path.exists():
            self.path.rename(self._old)
        self._part.rename(self.path)
        sync_folder(self.path.parent)
        shutil.rmtree(self._old, ignore_errors=True)

    def _require_replaceable(self, plan: Mapping[str, Any], *, fresh: bool) -> None:
        for folder in (self.path, self._old):
            if folder.exists() and not folder.is_dir():
                raise ConfigError(f"can't make the run folder {folder}: a file has that name")
        if self._old.is_dir():
            # Left by a run that was killed between two renames.
            read_manifest(self._old)
            shutil.rmtree(self._old)
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        try:
            found = read_manifest(self.path)
        except InputError as error:
            raise ConflictError(
                f"{self.path} holds something else than a finished run: choose another --run"
            ) from error
        if fresh:
            return
        wanted = json.loads(json.dumps(dict(plan)))
        for key in DECIDING:
            if key in wanted and not _agrees(found.get(key), wanted[key]):
                raise ConflictError(
                    f"{self.path} holds a run with another {_named(key, found, wanted)}: "
                    f"--fresh replaces it, --run puts this one elsewhere"
                )

    def _locked(self) -> int:
        """A lock on the folder in the making, let go by the system if this process dies."""
        handle = os.open(self._part, os.O_RDONLY)
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            # No such lock on this system: two runs on one output are then the user's to avoid.
            pass
        except OSError as error:
            os.close(handle)
            raise ConflictError(f"another run is writing {self.path} just now") from error
        return handle


def _agrees(found: Any, wanted: Any) -> bool:
    """Equality, of objects only in the keys that are wanted."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return all(found.get(key) == value for key, value in wanted.items())
    return bool(found == wanted)


def _named(key: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first difference, with both sides where they are short."""
    was, now = found.get(key), wanted[key]
    if isinstance(was, dict) and isinstance(now, dict):
        inner = next(name for name, value in now.items() if was.get(name) != value)
        key, was, now = f"{key}: {inner}", was.get(inner), now[inner]
    said = f"{key} ({was!r}, now {now!r})"
    return said if len(said) <= 120 else key


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
