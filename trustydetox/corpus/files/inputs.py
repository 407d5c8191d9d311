"""What a run is given to read: a file, standard input, or all files of a folder or a pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from trustydetox.errors import ConfigError, InputError
from trustydetox.rows import format_of, is_table

SAVED = ("state.json", "dataset_dict.json")
"""Files by which a folder is known that `save_to_disk` wrote."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a run.

    name: its path under the folder that was given, `/` between its parts; `""` where a file was.
    source, destination: where it is and where it goes.
    has_rows: whether it is cleaned; else it is copied.
    """

    name: str
    source: str
    destination: str
    has_rows: bool = True


def is_many(source: str) -> bool:
    """Whether a name stands for several files: a folder's, or a pattern that isn't a file's."""
    return source != "-" and (
        Path(source).is_dir() or (has_magic(source) and not Path(source).exists())
    )


def members_of(source: str, destination: str) -> Sequence[Member]:
    """The files to clean, in the order of their names, and where each of them goes.

    What holds no rows by its ending, such as a README.md, is copied.
    """
    if not is_many(source):
        for name in (source, destination):
            format_of(name)
        return [Member("", source, destination)]
    if destination == "-" or is_table(destination):
        raise ConfigError(
            f"{source} is several files: expected a folder for them, got {destination}"
        )
    files = files_of(source)
    one, other = Path(destination).resolve(), _split(source)[0].resolve()
    if one == other or one in other.parents or other in one.parents:
        raise ConfigError(f"the output {destination} and the input {source} lie in one another")
    return [
        Member(name, str(path), str(Path(destination, name)), is_table(name))
        for name, path in files.items()
    ]


def files_of(source: str) -> Mapping[str, Path]:
    """The files that a folder or a pattern stands for, by name, in the names' order.

    Of a folder those that are hidden are left out, and links to folders aren't followed. A
    pattern takes `*`, `?`, `[…]` and `**`, and must name files with rows alone.
    """
    base, pattern = _split(source)
    found = sorted(one for one in base.glob(pattern) if one.is_file()) if pattern else _in(base)
    if not found and pattern:
        raise ConfigError(f"no file is called {source}")
    strangers = [one for one in found if not is_table(one.name)]
    if len(strangers) == len(found):
        raise InputError(f"{source} holds no file of rows: expected .jsonl, .parquet, …")
    if strangers and pattern:
        raise ConfigError(f"{source} names {strangers[0]}, which holds no rows by its ending")
    return dict(sorted((one.relative_to(base).as_posix(), one) for one in found))


def _split(source: str) -> tuple[Path, str]:
    """A folder and the pattern below it, `""` where the folder itself was named."""
    path = Path(source)
    if path.is_dir():
        return path, ""
    at = next(at for at, part in enumerate(path.parts) if has_magic(part))
    return Path(*path.parts[:at]), "/".join(path.parts[at:])


def _in(folder: Path) -> list[Path]:
    for mark in SAVED:
        if (folder / mark).is_file():
            raise ConfigError(
                f"{folder} was written by save_to_disk: load_from_disk it and give it to "
                "trustydetox.clean_dataset"
            )
    return list(_visible(folder))


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _visible(path)
        elif path.is_file():
            yield path
