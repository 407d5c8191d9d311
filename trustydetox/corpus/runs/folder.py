"""The run folder: what a run did, what it set aside, and what undoing it needs.

It holds original texts, so its mode is 0700. It is built beside its place under a hidden name and
renamed when all of it is on disk; `manifest.json` is what makes a folder a finished run. A run that
ends early leaves the hidden folder with its finished shards, and the same run goes on from them.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from trustydetox.corpus.runs.outputs import create, open_locked, sync, sync_folder, write_whole
from trustydetox.corpus.runs.shards import SHARDS, Shards
from trustydetox.errors import ConfigError, ConflictError, InputError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
ENDING = ".detox"
RECORDS = "records.jsonl"
QUARANTINE = "quarantine.jsonl"
REVIEW = "review.jsonl"
LEDGER = "ledger"
CHANGES = f"{LEDGER}/changes.jsonl"
COPY = f"{LEDGER}/input"
PLAN = f"{LEDGER}/plan.json"
ENTRIES = f"{LEDGER}/shards.jsonl"

DECIDING = (
    "recipe",
    "settings",
    "models",
    "threshold",
    "fallback",
    "fields",
    "roles",
    "thresholds",
    "input",
    "output",
)
"""Keys of a manifest in which two runs of one folder must agree."""

DECIDING_HALFWAY = (*DECIDING, "limits", "versions")
"""Those of a plan in which a run must agree with the unfinished one that it goes on with."""

GROWING = ("input", "output")
"""Those of which a finished run says more than its plan did."""

START_OVER = "--fresh (fresh=True in Python) starts over"
START_OVER_WHOLE = "--fresh without --shard-index (fresh=True without share) starts over"
ELSEWHERE = "--run (run= in Python) puts this run elsewhere"

PACKAGES = ("trustydetox", "torch", "transformers", "captum", "pyarrow", "numpy")


def run_folder(destination: str) -> Path:
    """Where a run that writes `destination` is kept unless told otherwise."""
    return Path(f"{destination}{ENDING}")


def read_manifest(run: Path) -> dict[str, Any]:
    """The manifest of a finished run."""
    try:
        manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is no finished run folder: no {MANIFEST} can be read") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{run} was made by another version: expected schema {SCHEMA_VERSION}")
    return manifest


def is_run_folder(folder: Path) -> bool:
    """Whether a folder is that of a run, of whatever version, finished or not."""
    is_named_so = folder.name.removesuffix(".part").endswith(ENDING)
    if is_named_so and (folder / LEDGER).is_dir():
        return True
    return any(_has_head(folder / name) for name in (MANIFEST, PLAN))


def _has_head(path: Path) -> bool:
    """Whether a file begins as a manifest and a plan do."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.keys() >= {"schema_version", "versions"}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about the result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def finished_run(place: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of a run in `place` that has done, with these versions, what `plan` says.

    None where there is none, or where its output was changed or a file of its folder lost since.
    """
    try:
        manifest = read_manifest(place)
    except InputError:
        return None
    is_another = _difference(DECIDING_HALFWAY, manifest, {**_head(), **plan})
    if is_another or not plan["input"] or part_folder(place).exists():
        return None
    if not all((place / name).is_file() for name in manifest["files"]):
        return None
    try:
        if any(digest_of(path) != said["sha256"] for path, said in outputs_of(place, manifest)):
            return None
    except OSError:
        return None
    # Left by a run that was killed just after it was done.
    for leftover in (place / SHARDS, _old_folder(place)):
        shutil.rmtree(leftover, ignore_errors=True)
    return manifest


def outputs_of(run: Path, manifest: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """The files that a run wrote, with what its manifest says of each."""
    said = manifest["output"]
    place = run.parent / said["path"]
    if "files" not in said:
        return [(place, said)]
    return [(place / name, one) for name, one in said["files"].items()]


def digest_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class RunFolder:
    """A run folder in the making; leaving the `with` block without `finish` leaves its shards.

    plan: the deciding part of the manifest, as far as it is known before the run, and `limits`.
    fresh: replace a finished or unfinished run whatever its plan was.
    keeps: whether finished shards are kept, for which the input must be known in the plan.
    shards: where they are kept; None where they aren't.
    """

    def __init__(
        self, path: Path, plan: Mapping[str, Any], *, fresh: bool = False, keeps: bool = False
    ) -> None:
        self.path = path
        self.shards: Shards | None = None
        self._part = part_folder(path)
        self._old = _old_folder(path)
        self._plan = {**_head(), **plan, "fresh": fresh}
        self._is_finished = False
        self._files: list[IO[bytes]] = []
        if not path.parent.is_dir():
            raise ConfigError(f"can't make the run folder {path}: {path.parent} isn't there")
        if not self._part.exists():
            self._require_replaceable(None, fresh=fresh)
        self._part.mkdir(mode=0o700, exist_ok=True)
        self._part.chmod(0o700)
        self._lock = open_locked(self._part, os.O_RDONLY, path)
        try:
            unfinished = _unfinished(self._part)
            self._require_replaceable(unfinished, fresh=fresh)
            self._begin(keeps=keeps, is_new=fresh or unfinished is None)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            # A full disk may refuse the last bytes once more.
            with suppress(OSError):
                file.close()
        if not self._is_finished:
            if self.shards is not None and self.shards.close():
                self._clear(all_but=[PLAN, SHARDS])
            else:
                shutil.rmtree(self._part, ignore_errors=True)
        os.close(self._lock)

    def open(self, name: str) -> IO[bytes]:
        """A new file of the run."""
        path = self._part / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file = create(path)
        self._files.append(file)
        return file

    def settle(self, file: IO[bytes]) -> None:
        """Let go of a file that has all that it will hold: of very many, few can be open."""
        sync(file)
        file.close()

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and bring all files to the disk.

        What people decided about the run before comes along, unless this one has a file of it.
        """
        before = self.path / REVIEW
        if before.is_file() and not (self._part / REVIEW).exists():
            self.open(REVIEW).write(before.read_bytes())
        if self.shards is not None:
            self.open(ENTRIES).write(self.shards.listed())
        files = sorted(str(Path(file.name).relative_to(self._part)) for file in self._files)
        content = {**_head(), **manifest, "files": files}
        self.open(MANIFEST).write(json.dumps(content, indent=2).encode() + b"\n")
        for file in self._files:
            if not file.closed:
                sync(file)
                file.close()
        sync_folder(self._part / LEDGER)
        sync_folder(self._part)

    def finish(self) -> None:
        """Put the sealed folder in its place, instead of an older run."""
        if self.path.exists():
            self.path.rename(self._old)
        self._part.rename(self.path)
        self._is_finished = True
        sync_folder(self.path.parent)
        shutil.rmtree(self._old, ignore_errors=True)
        shutil.rmtree(self.path / SHARDS, ignore_errors=True)

    def _begin(self, *, keeps: bool, is_new: bool) -> None:
        self._clear(all_but=[] if is_new else [PLAN, SHARDS])
        (self._part / LEDGER).mkdir(mode=0o700, exist_ok=True)
        if keeps:
            if is_new:
                content = json.dumps(self._plan, indent=2).encode() + b"\n"
                write_whole(self._part / PLAN, content)
            self.shards = Shards(self._part / SHARDS, self._plan)

    def _clear(self, all_but: Sequence[str]) -> None:
        kept = [self._part / LEDGER, *(self._part / name for name in all_but)] if all_but else []
        for folder in (self._part, self._part / LEDGER):
            for path in list(folder.iterdir()) if folder.is_dir() else []:
                if path not in kept:
                    _remove(path)

    def _require_replaceable(self, unfinished: dict[str, Any] | None, *, fresh: bool) -> None:
        """Refuse to put this run in the place of another, or to go on with another's shards."""
        for folder in (self.path, self._old):
            if folder.exists() and not folder.is_dir():
                raise ConfigError(f"can't make the run folder {folder}: a file has that name")
        if self._old.is_dir():
            # Left by a run that was killed between two renames.
            read_manifest(self._old)
            if self.path.exists():
                shutil.rmtree(self._old)
            else:
                self._old.rename(self.path)
        if unfinished is not None and not fresh:
            _require_same_plan(self.path, unfinished, self._plan, START_OVER)
        is_fresh = fresh or (unfinished is not None and unfinished["fresh"])
        _require_no_other(self.path, {} if is_fresh else self._plan, START_OVER)


class SharedRun:
    """A run folder in the making to which several processes add shards; a context.

    None of them writes the output: a run that finds all shards there does, see `RunFolder`. Until
    then that run, and any with another plan, is a ConflictError, as is a run in `path` that the
    one with all shards couldn't replace.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        if not path.parent.is_dir():
            raise ConfigError(f"can't make the run folder {path}: {path.parent} isn't there")
        _require_no_other(path, plan, START_OVER_WHOLE)
        part = part_folder(path)
        (part / LEDGER).mkdir(mode=0o700, parents=True, exist_ok=True)
        part.chmod(0o700)
        content = {**_head(), **plan, "fresh": False}
        self._lock = open_locked(part, os.O_RDONLY, path, is_shared=True)
        try:
            with _alone(part / LEDGER):
                if not (part / PLAN).exists():
                    write_whole(part / PLAN, json.dumps(content, indent=2).encode() + b"\n")
            found = json.loads((part / PLAN).read_bytes())
            _require_same_plan(path, found, content, START_OVER_WHOLE)
            self.shards = Shards(part / SHARDS, content, is_shared=True)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> SharedRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.shards.let_go()
        os.close(self._lock)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is here."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _require_same_plan(
    path: Path, found: Mapping[str, Any], plan: Mapping[str, Any], way_out: str
) -> None:
    """Refuse to go on with the shards of another run."""
    said = _difference(DECIDING_HALFWAY, found, plan)
    if said:
        raise ConflictError(
            f"{path} was begun by a run with another {said}: {way_out}, {ELSEWHERE}"
        )


def _require_no_other(path: Path, plan: Mapping[str, Any], way_out: str) -> None:
    """Refuse to replace what is no finished run, or one that did otherwise than `plan` says."""
    if not path.is_dir() or not any(path.iterdir()):
        return
    try:
        found = read_manifest(path)
    except InputError as error:
        raise ConflictError(
            f"{path} holds something else than a finished run: {ELSEWHERE}"
        ) from error
    said = _difference(DECIDING, found, plan)
    if said:
        raise ConflictError(f"{path} holds a run with another {said}: {way_out}, {ELSEWHERE}")


def part_folder(path: Path) -> Path:
    """Where a run folder is as long as the run isn't finished."""
    return path.with_name(f".{path.name}.part")


def _old_folder(path: Path) -> Path:
    """Where the run before is for a moment, when a run is finished."""
    return path.with_name(f".{path.name}.old")


def _head() -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "versions": versions()}


def is_begun(path: Path) -> bool:
    """Whether a run in that folder ended early and left something to go on with."""
    try:
        return _unfinished(part_folder(path)) is not None
    except OSError:
        # A name that is too long, a folder that can't be read: nothing was begun there.
        return False


def _unfinished(part: Path) -> dict[str, Any] | None:
    """The plan of a run that was ended after its first shard."""
    if not any((part / SHARDS).glob("*.json")):
        return None
    try:
        plan = json.loads((part / PLAN).read_bytes())
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None


def _difference(keys: Sequence[str], found: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """The first of `keys` in which what was found isn't what is planned, with both sides."""
    wanted = json.loads(json.dumps(dict(plan)))
    each = (_named(key, found.get(key), wanted[key]) for key in keys if key in wanted)
    return next(filter(None, each), "")


def _named(key: str, was: Any, now: Any) -> str:
    """The first difference, with both sides where they are short; `""` where there is none."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = now if key in GROWING else {**now, **was}
        inner = next((name for name in names if was.get(name) != now.get(name)), None)
        if inner is None:
            return ""
        key, was, now = f"{key}: {inner}", was.get(inner), now.get(inner)
    if was == now:
        return ""
    said = f"{key} ({was!r}, now {now!r})"
    return said if len(said) <= 120 else key


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
