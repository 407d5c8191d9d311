"""What a converted model consists of, file by file: what is pushed, and what a bucket must hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trustydetox.errors import InputError

NAME = "MANIFEST.json"
FORMATS = ("hf", "caikit", "modelcar")


@dataclass(frozen=True, order=True, slots=True)
class File:
    """One file: its path below the folder, with `/` between; bytes; SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A format and its files, by path; the manifest's own is not among them."""

    format: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with any byte of any file."""
        return hashlib.sha256(self.to_json()).hexdigest()[:12]

    def to_json(self) -> bytes:
        """What stands in the file: the same bytes for the same content."""
        files = {file.path: {"bytes": file.size, "sha256": file.sha256} for file in self.files}
        return (json.dumps({"format": self.format, "files": files}, indent=1) + "\n").encode()


def manifest_of(folder: Path, form: str) -> Manifest:
    """Every file below the folder, hashed."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return Manifest(form, tuple(sorted(file_of(folder, path) for path in paths)))


def file_of(folder: Path, path: Path) -> File:
    """The file, hashed."""
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return File(path.relative_to(folder).as_posix(), path.stat().st_size, sha256)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a converted model whose files are all there and unchanged; hashes them all.

    InputError names the first file that isn't.
    """
    try:
        content = (folder / NAME).read_bytes()
    except OSError as error:
        raise InputError(
            f"{folder} holds no {NAME}: expected a folder that `trustydetox convert` wrote"
        ) from error
    manifest = parse_manifest(content, str(folder / NAME))
    for file in manifest.files:
        if not (folder / file.path).is_file():
            raise InputError(f"{folder / file.path} is missing: convert the model again")
        if file_of(folder, folder / file.path) != file:
            raise InputError(f"{folder / file.path} has changed since: convert the model again")
    return manifest


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest in these bytes; `where` they came from is named in errors."""
    try:
        read: Mapping[str, Any] = json.loads(content)
        form = read["format"]
        files = tuple(
            File(path, entry["bytes"], entry["sha256"]) for path, entry in read["files"].items()
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{where} is no manifest of a converted model") from error
    for file in files:
        if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
            raise InputError(f"{where} names {file.path!r}, which lies outside of its folder")
    if form not in FORMATS:
        raise InputError(f"{where}: expected a format of {', '.join(FORMATS)}, got {form!r}")
    return Manifest(form, files)
