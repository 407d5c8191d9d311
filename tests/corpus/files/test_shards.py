"""A run that ends early goes on, and nobody can tell from what it leaves."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import Replacer, detoxifier
from trustydetox.corpus import clean_file, read_manifest, revert_file, run_folder
from trustydetox.corpus.runs import shards
from trustydetox.corpus.runs.folder import part_folder
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConflictError, InputError
from trustydetox.records import Record

ROOT = Path(__file__).parents[3]
ROWS = 10
TEXTS = ("you idiot", "fine", "what a moron", "a damn stupid day")


def line(number: int) -> str:
    if number % 17 == 5:
        return "not a row\n"
    return json.dumps({"n": number, "text": f"{TEXTS[number % 4]} {number}"}) + "\n"


@pytest.fixture
def source(place: Path) -> Path:
    """85 rows, which are eight shards of ten and one of five."""
    path = place / "in.jsonl"
    path.write_text("".join(map(line, range(85))))
    return path


def cleaner() -> Detoxifier:
    """Mends one insult, so that rows are edited, dropped, quarantined and left alone."""
    return detoxifier(infiller=Replacer({"idiot": ["friend"]}))


def documents(counts: object) -> dict[str, str]:
    return {"report.json": f"{counts}"}


def run(source: Path, **changes: Any) -> None:
    given: dict[str, Any] = {"detoxifier": cleaner(), "documents": documents, "shard_rows": ROWS}
    clean_file(source, source.with_name("out.jsonl"), **{**given, **changes})


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def undisturbed(source: Path, **changes: Any) -> dict[str, bytes]:
    """What a run leaves that nobody disturbs; it is gone again."""
    run(source, **changes)
    left = tree(source.parent)
    source.with_name("out.jsonl").unlink()
    shutil.rmtree(source.with_name("out.jsonl.detox"))
    return left


def stop(after: int, error: type[BaseException] = KeyboardInterrupt) -> dict[str, Any]:
    """Something that ends a run when so many rows are settled, in the middle of the next window."""

    def told(rows: int, share: float | None) -> None:
        if rows >= after + ROWS:
            raise error

    return {"progress": told}


@dataclass(frozen=True)
class Unasked:
    """A pipeline that must not be asked for anything."""

    threshold: float = 0.5
    fallback: str = "drop"
    ahead: int = 1

    def submit(self, tasks: object, /) -> None:
        raise AssertionError("a finished shard was done again")

    def take(self) -> bytes:
        raise AssertionError


def finished(source: Path) -> dict[str, tuple[bytes, int]]:
    """The finished shards of an unfinished run: content and time of change."""
    folder = part_folder(run_folder(str(source.with_name("out.jsonl")))) / "ledger" / "shards"
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for entry in folder.glob("*.json")
        for path in (entry, entry.with_suffix(".jsonl"))
    }


def test_an_interrupted_run_goes_on_after_its_finished_shards(source: Path) -> None:
    expected = undisturbed(source)
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    left = finished(source)
    assert len(left) == 2 * 5
    assert set(tree(source.parent)) == {
        "in.jsonl",
        ".out.jsonl.detox.part/ledger/plan.json",
        *(f".out.jsonl.detox.part/ledger/shards/{name}" for name in left),
    }
    seen: list[dict[str, tuple[bytes, int]]] = []

    def look(counts: object) -> dict[str, str]:
        seen.append(finished(source))
        return documents(counts)

    run(source, documents=look)
    assert {name: state for name, state in seen[0].items() if name in left} == left
    assert len(seen[0]) == 2 * 9
    assert tree(source.parent) == expected


def test_the_ledger_lists_the_shards_in_the_order_of_their_rows(source: Path) -> None:
    ledger = undisturbed(source)["out.jsonl.detox/ledger/shards.jsonl"]
    numbers = [json.loads(entry)["shard"] for entry in ledger.splitlines()]
    assert len(numbers) > 1
    assert numbers == list(range(len(numbers)))


def test_what_is_finished_asks_no_model(source: Path) -> None:
    expected = undisturbed(source)

    def failing(counts: object) -> dict[str, str]:
        raise InputError("no page can be made")

    with pytest.raises(InputError):
        run(source, documents=failing)
    run(source, detoxifier=Unasked())
    assert tree(source.parent) == expected


def test_records_come_to_the_observer_as_in_an_undisturbed_run(source: Path) -> None:
    first: list[Record] = []
    again: list[Record] = []
    undisturbed(source, observe=lambda row, field, record, file: first.append(record))
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(60))
    run(source, observe=lambda row, field, record, file: again.append(record))
    assert again == first
    assert len(first) == 80


@pytest.mark.parametrize("target", ["out.json", "out.csv", "out.txt", "out.parquet", "out.csv.zst"])
def test_every_format_goes_on(place: Path, target: str) -> None:
    source, out = place / "in.jsonl.gz", place / target
    rows = "".join(json.dumps({"text": f"{TEXTS[n % 4]} {n}"}) + "\n" for n in range(85))
    source.write_bytes(gzip.compress(rows.encode()))
    given: dict[str, Any] = {"detoxifier": cleaner(), "shard_rows": ROWS}
    clean_file(source, out, **given)
    expected = tree(place)
    with pytest.raises(KeyboardInterrupt):
        clean_file(source, out, **given, **stop(45), fresh=True)
    # It was allowed to replace the finished run, and goes on with leave.
    clean_file(source, out, **{**given, "detoxifier": cleaner()})
    left = tree(place)
    plan = f"{target}.detox/ledger/plan.json"
    assert json.loads(left.pop(plan)) == {**json.loads(expected.pop(plan)), "fresh": True}
    assert left == expected
    revert_file(f"{out}.detox", place / "again")
    assert (place / "again").read_bytes() == source.read_bytes()


def test_parquet_goes_on(place: Path) -> None:
    texts = [f"{TEXTS[n % 4]} {n}" if n % 17 else None for n in range(85)]
    pq.write_table(pa.table({"text": texts, "n": range(85)}), place / "in.parquet")
    given: dict[str, Any] = {"detoxifier": cleaner(), "shard_rows": ROWS}
    clean_file(place / "in.parquet", place / "out.parquet", **given)
    expected = tree(place)
    shutil.rmtree(place / "out.parquet.detox")
    (place / "out.parquet").unlink()
    with pytest.raises(KeyboardInterrupt):
        clean_file(place / "in.parquet", place / "out.parquet", **given, **stop(45))
    clean_file(place / "in.parquet", place / "out.parquet", **given)
    assert tree(place) == expected


DAMAGES: dict[str, Callable[[Path], object]] = {
    "results changed": lambda path: path.with_suffix(".jsonl").write_bytes(
        path.with_suffix(".jsonl").read_bytes().replace(b"friend", b"fiend")
    ),
    "results cut": lambda path: os.truncate(path.with_suffix(".jsonl"), 100),
    "results gone": lambda path: path.with_suffix(".jsonl").unlink(),
    "entry gone": lambda path: path.unlink(),
    "entry cut": lambda path: os.truncate(path, 20),
    "entry of something else": lambda path: path.write_text("[]"),
    "entry of another configuration": lambda path: path.write_text(
        json.dumps({**json.loads(path.read_bytes()), "config": "0" * 64})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_shard_that_isnt_as_it_was_written_is_done_again(source: Path, damage: str) -> None:
    expected = undisturbed(source)
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    folder = part_folder(run_folder(str(source.with_name("out.jsonl")))) / "ledger" / "shards"
    DAMAGES[damage](folder / "000002.json")
    run(source)
    assert tree(source.parent) == expected


def test_without_verification_a_changed_shard_would_change_the_output(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(source)
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    folder = part_folder(run_folder(str(source.with_name("out.jsonl")))) / "ledger" / "shards"
    DAMAGES["results changed"](folder / "000002.json")
    monkeypatch.setattr(shards, "is_intact", lambda *given: True)
    run(source)
    assert tree(source.parent) != expected
    assert b"fiend" in source.with_name("out.jsonl").read_bytes()


def test_an_entry_that_speaks_of_other_rows_is_a_conflict(source: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    folder = part_folder(run_folder(str(source.with_name("out.jsonl")))) / "ledger" / "shards"
    entry = json.loads((folder / "000002.json").read_bytes())
    (folder / "000002.json").write_text(json.dumps({**entry, "rows": [20, 29]}))
    with pytest.raises(ConflictError, match="shard 2 of the run doesn't fit the input"):
        run(source)
    run(source, fresh=True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"detoxifier": detoxifier(threshold=0.6)}, r"threshold \(0\.5, now 0\.6\)"),
        ({"settings": {"models": {"guide": "b"}}}, r"models: guide \('a', now 'b'\)"),
        ({"fields": ["text"]}, r"fields \(\[\], now \['text'\]\)"),
        ({"shard_rows": 7}, r"limits: shard_rows \(10, now 7\)"),
    ],
)
def test_an_unfinished_run_with_other_settings_is_a_conflict_that_names_them(
    source: Path, changed: dict[str, Any], said: str
) -> None:
    settings = {"settings": {"models": {"guide": "a"}}}
    with pytest.raises(KeyboardInterrupt):
        run(source, **{**settings, **stop(45)})
    before = tree(source.parent)
    with pytest.raises(ConflictError, match=f"was begun by a run with another {said}"):
        run(source, **{**settings, **changed})
    assert tree(source.parent) == before
    run(source, **{**settings, **changed, "fresh": True})
    assert not part_folder(run_folder(str(source.with_name("out.jsonl")))).exists()


def test_an_unfinished_run_of_another_input_is_a_conflict(source: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    source.write_text(source.read_text() + line(85))
    with pytest.raises(ConflictError, match=r"another input: bytes"):
        run(source)
    run(source, fresh=True)
    assert read_manifest(run_folder(str(source.with_name("out.jsonl"))))["counts"]["read"] == 86


def test_other_versions_dont_go_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, **stop(45))
    monkeypatch.setattr("trustydetox.corpus.runs.folder.version", lambda package: "9.9")
    with pytest.raises(ConflictError, match=r"another versions: trustydetox \('.*', now '9\.9'\)"):
        run(source)


def test_an_input_that_changed_meanwhile_finishes_no_shard(source: Path) -> None:
    def meddle(rows: int, share: float | None) -> None:
        if rows > ROWS:
            source.write_text(source.read_text() + line(rows))

    with pytest.raises(ConflictError, match="was changed while it was read"):
        run(source, progress=meddle)
    assert len(finished(source)) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.corpus.files.test_shards import run, shutil

CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.truncate"}
left = 0

def count(event, arguments):
    global left
    if left and event in CHANGES and "out.jsonl" in str(arguments):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
for at in range(1, 1000):
    os.mkdir(f"../{at}")
    shutil.copy("in.jsonl", f"../{at}")
    os.chdir(f"../{at}")
    child = os.fork()
    if not child:
        left = at
        run(Path("in.jsonl"))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    run(Path("in.jsonl"))
print(at)
"""


def child(place: Path, script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_killed_before_any_change_of_a_file_goes_on(place: Path) -> None:
    (place / "first").mkdir()
    (place / "first" / "in.jsonl").write_text("".join(map(line, range(25))))
    points = int(child(place / "first", KILLED))
    assert points > 50
    expected = tree(place / str(points))
    for at in range(1, points):
        assert tree(place / str(at)) == expected, at


TIMED = """
import os, random, signal, sys, time
from pathlib import Path
from tests.corpus.files.test_shards import finished, run, shutil

SOURCE = Path("in.jsonl")

def started(place):
    os.mkdir(place)
    shutil.copy(SOURCE, place)
    os.chdir(place)
    child = os.fork()
    if not child:
        run(SOURCE)
        os._exit(0)
    return child

chance = random.Random(4)
start = time.monotonic()
os.waitpid(started("../whole"), 0)
length = time.monotonic() - start
for at in range(int(sys.argv[1])):
    child = started(f"../{at}")
    time.sleep(chance.random() * length)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    before = finished(SOURCE)
    seen = {}

    def look(counts):
        seen.update(finished(SOURCE))
        return {"report.json": f"{counts}"}

    run(SOURCE, documents=look)
    assert not seen or before.items() <= seen.items()
    print(len(before) // 2)
"""


def test_a_run_of_many_shards_killed_at_random_goes_on(place: Path) -> None:
    kills, many = 10, 80
    (place / "first").mkdir()
    (place / "first" / "in.jsonl").write_text("".join(map(line, range(many * ROWS))))
    reached = list(map(int, child(place / "first", TIMED, kills).split()))
    expected = tree(place / "whole")
    assert len(expected["out.jsonl.detox/ledger/shards.jsonl"].splitlines()) == many
    for at in range(kills):
        assert tree(place / str(at)) == expected, at
    # Some of them in the middle.
    assert any(0 < shards < many for shards in reached)


LIMITED = """
import resource, sys
from pathlib import Path
from tests.corpus.files.test_shards import run
from trustydetox.errors import ResourceError

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    run(Path(sys.argv[1]))
except ResourceError as error:
    print(error.exit_code, error)
"""


def test_a_run_that_finds_no_room_says_where_and_goes_on_when_there_is(source: Path) -> None:
    expected = undisturbed(source)
    size = len(expected["out.jsonl.detox/records.jsonl"])
    said = child(source.parent, LIMITED, source, size - 1)
    records = source.parent / ".out.jsonl.detox.part" / "records.jsonl"
    assert said.startswith(f"5 can't write {records}: File too large, with ")
    assert said.endswith(" more bytes to write\n")
    assert len(finished(source)) == 2 * 9
    assert not records.exists()
    run(source, detoxifier=Unasked())
    assert tree(source.parent) == expected
