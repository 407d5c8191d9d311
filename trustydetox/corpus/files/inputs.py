"""What a run is given to read: a file, standard input, or all files of a folder or a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from trustydetox.corpus.runs.folder import is_run_folder
from trustydetox.errors import ConfigError, InputError
from trustydetox.report import CARD
from trustydetox.rows import format_of, is_table

SAVED = ("state.json", "dataset_dict.json")
"""Files by which a folder is known that `save_to_disk` wrote."""

UNREAD = frozenset(
    ".tsv .tab .psv .jsonlines .json5 .pq .parq .arrow .feather .orc .avro .xls .xlsx .ods .npy "
    ".npz .pkl .pickle .h5 .hdf5 .db .sqlite .sqlite3 .duckdb .msgpack .tfrecord .zip .tar .tgz "
    ".rar .7z .gz .zst .bz2 .xz .lz4 .br .snappy".split()
)
"""Endings of data and of archives that no reader is for, so that nobody takes a copy for clean."""


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

    What holds no rows by its ending, such as a README.md, is copied, see `copied_of`.
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


def copied_of(source: str) -> list[str]:
    """The names of the files that are copied unread, all but a dataset's card."""
    files = files_of(source) if is_many(source) else ()
    return [name for name in files if name != CARD and not is_table(name)]


def files_of(source: str) -> Mapping[str, Path]:
    """The files that a folder or a pattern stands for, by name, in the names' order.

    Of a folder those that are hidden are left out, and links to folders aren't followed. A
    pattern takes `*`, `?`, `[…]` and `**`, and must name files with rows alone. What lies in a
    run folder is never among them; other data that can't be read is a ConfigError.
    """
    base, pattern = _split(source)
    place = base.resolve()
    if any(map(is_run_folder, (place, *place.parents))):
        raise ConfigError(
            f"{source} lies in a run folder, which holds original texts: name the data instead"
        )
    below = base.glob(pattern) if pattern else _in(base)
    found = sorted(_outside_runs(base, filter(Path.is_file, below)))
    if not found and pattern:
        raise ConfigError(f"no file is called {source}")
    strangers = [one for one in found if not is_table(one.name)]
    if len(strangers) == len(found):
        raise InputError(f"{source} holds no file of rows: expected .jsonl, .parquet, …")
    if strangers and pattern:
        raise ConfigError(f"{source} names {strangers[0]}, which holds no rows by its ending")
    for one in strangers:
        if one.suffix.lower() in UNREAD:
            raise ConfigError(
                f"{one} can't be read, as its ending is {one.suffix}, and would be copied as it "
                "is: convert it, say to .jsonl or .parquet, move it out of the folder, or name "
                "the other files with a pattern such as 'raw/**/*.jsonl'"
            )
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


def _outside_runs(base: Path, files: Iterable[Path]) -> list[Path]:
    """Those that lie in no run folder below `base`."""
    found = list(files)
    folders = {folder for one in found for folder in one.parents if base in folder.parents}
    runs = {folder for folder in folders if is_run_folder(folder)}
    return [one for one in found if runs.isdisjoint(one.parents)]


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _visible(path)
        elif path.is_file():
            yield path
