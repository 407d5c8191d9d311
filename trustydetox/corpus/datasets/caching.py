"""Cleaned datasets in the cache of `datasets`: made once, by whichever process comes first.

One folder per fingerprint. Its lock is held by the process that cleans; all others, of the same
launch or of another, wait for it and read what it wrote. That needs no word from the launcher, no
process group that may time out, and works under `torchrun`, `accelerate launch` and anything else
that starts several processes with one disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trustydetox.corpus.datasets.mending import Outcome
from trustydetox.corpus.runs.outputs import plain_errors
from trustydetox.errors import ConfigError

TABLE = "cleaned.arrow"
OUTCOME = "outcome.json"


class Entry:
    """A place in the cache; the outcome is written last, and what has one is whole."""

    def __init__(self, folder: Path) -> None:
        self._table = folder / TABLE
        self._outcome = folder / OUTCOME

    @property
    def is_whole(self) -> bool:
        """Whether a cleaned dataset is there."""
        return self._outcome.exists() and self._table.exists()

    @property
    def part(self) -> Path:
        """Where a new table is written before `put` gives it its name."""
        return self._table.with_suffix(".part")

    def put(self, outcome: Outcome) -> None:
        """Take in the table that was written to `part`."""
        with self.part.open("rb") as table:
            # Else a power cut could leave an outcome beside a table that is cut short.
            os.fsync(table.fileno())
        part = self._outcome.with_suffix(".part")
        part.write_text(outcome.to_json(), "ascii")
        self._outcome.unlink(missing_ok=True)
        self.part.replace(self._table)
        part.replace(self._outcome)

    def outcome(self) -> Outcome:
        """What was said of the rows when they were cleaned."""
        return Outcome.from_json(self._outcome.read_text("ascii"))

    def dataset(self, like: Any) -> Any:
        """The cleaned dataset, mapped into memory, with the description and format of `like`."""
        from datasets import Dataset

        cleaned = Dataset.from_file(str(self._table), info=like.info, split=like.split)
        if like.format == cleaned.format:
            return cleaned
        said = dict(like.format)
        return cleaned.with_format(**said.pop("format_kwargs"), **said)


@contextmanager
def cached(fingerprint: str) -> Iterator[Entry]:
    """The entry of a fingerprint, which no other process reads or writes meanwhile.

    Where the caching of `datasets` is disabled it is a folder that goes when the process ends.
    """
    import datasets
    from datasets.fingerprint import get_temporary_cache_files_directory

    if datasets.is_caching_enabled():
        home = Path(datasets.config.HF_DATASETS_CACHE) / "trustydetox"
    else:
        home = Path(get_temporary_cache_files_directory())
    folder = home / fingerprint
    with plain_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        # A file that can be written: network file systems lock no other.
        lock = (folder / "lock").open("w")
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except ImportError:
            # No such lock on this system: processes that start together each do the work.
            pass
        except OSError as error:
            raise ConfigError(
                f"can't lock {lock.name}: put the cache of datasets elsewhere (HF_DATASETS_CACHE)"
            ) from error
        yield Entry(folder)
