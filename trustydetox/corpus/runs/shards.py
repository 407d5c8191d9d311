"""The shards of a run: what the pipeline made of a stretch of rows, on disk as soon as it is known.

A shard is so many windows of rows in a row, cut by a rule that knows the input alone; its results
are a file, and an entry beside it says of which rows and run they are and what they hash to. An
entry is written last, so that results with an entry that fits are whole. A run that goes on reads
its input anew and takes the results of such shards from here instead of asking the models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from trustydetox.corpus.runs.outputs import create, sync, sync_folder, write_whole

SHARDS = "ledger/shards"
SHARD_BYTES = 32 << 20
SHARD_ROWS = 1 << 11
"""A shard ends with the window that makes it as large as either of these.

Rows, because what a kill costs is the models' time: so many long comments, all toxic, take a core
half an hour, and a run that fast models feed syncs a file a second at most.
"""


class Shards:
    """Finished shards in a folder, and the one in the making.

    plan: what a result depends on; entries of another plan count for nothing.
    is_shared: whether other processes may have shards in the making in the same folder.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, is_shared: bool = False) -> None:
        self._folder = folder
        self._models = plan["models"]
        known = json.dumps({**plan, "fresh": False}, sort_keys=True).encode()
        self._config = hashlib.sha256(known).hexdigest()
        self._entries: dict[int, dict[str, Any]] = {}
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in () if is_shared else folder.glob(".*"):
            leftover.unlink()

    def stored(self, number: int) -> BufferedReader | None:
        """The results of a finished shard, where they and their entry are as they were written."""
        results, entry = self._paths(number)
        try:
            found = json.loads(entry.read_bytes())
            file = results.open("rb")
        except (OSError, ValueError):
            return None
        if not is_intact(file, found, self._config):
            file.close()
            return None
        file.seek(0)
        self._entries[number] = found
        return file

    def entry(self, number: int) -> dict[str, Any]:
        """What is known of a finished shard."""
        return self._entries[number]

    def add(self, number: int, lines: bytes) -> None:
        """More results of the shard in the making."""
        if self._file is None:
            self._file = create(self._part(number))
            self._hash = hashlib.sha256()
        self._file.write(lines)
        self._hash.update(lines)

    def end(self, number: int, known: Mapping[str, Any]) -> None:
        """Finish the shard in the making: results into place, then its entry."""
        assert self._file is not None  # a shard has at least one window
        with self._file:
            sync(self._file)
        self._file = None
        results, entry = self._paths(number)
        self._part(number).replace(results)
        self._entries[number] = {
            "shard": number,
            **known,
            "config": self._config,
            "models": self._models,
            "results": self._hash.hexdigest(),
        }
        write_whole(entry, json.dumps(self._entries[number]).encode() + b"\n")
        sync_folder(self._folder)

    def listed(self) -> bytes:
        """The entries in order, one a line."""
        entries = (self._entries[number] for number in sorted(self._entries))
        return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)

    def let_go(self) -> None:
        """Drop the shard in the making."""
        if self._file is not None:
            # A full disk may refuse the last bytes once more.
            with suppress(OSError):
                self._file.close()
            Path(self._file.name).unlink(missing_ok=True)

    def close(self) -> bool:
        """Drop the shard in the making; whether any shard is finished."""
        self.let_go()
        return any(self._folder.glob("*.json"))

    def _paths(self, number: int) -> tuple[Path, Path]:
        return self._folder / f"{number:06}.jsonl", self._folder / f"{number:06}.json"

    def _part(self, number: int) -> Path:
        return self._folder / f".{number:06}.part"


def is_intact(results: BufferedReader, entry: Any, config: str) -> bool:
    """Whether results are those that their entry speaks of, made under this configuration."""
    return (
        isinstance(entry, dict)
        and entry.get("config") == config
        and entry.get("results") == hashlib.file_digest(results, "sha256").hexdigest()
    )
