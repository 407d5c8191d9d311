"""A folder in, the same folder out: every file on its own, one account of them all."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import Replacer, detoxifier
from trustydetox.corpus import (
    Counts,
    clean_file,
    make_pairs,
    read_manifest,
    revert_file,
    scan_file,
)
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.records import Record

GOOD = b'{"text": "you idiot"}\n{"text": "fine"}\n'
BROKEN = b'{"text": "fi\n'


def cleaner() -> Detoxifier:
    """Mends one insult; a row with another is dropped."""
    return detoxifier(infiller=Replacer({"idiot": ["friend"]}))


@pytest.fixture
def raw(place: Path) -> Path:
    """Three Parquet files, one of them deeper, and a JSON lines file with two bad rows."""
    folder = place / "raw"
    (folder / "deeper").mkdir(parents=True)
    for name, texts in {
        "a.parquet": ["you idiot", "fine"],
        "b.parquet": ["fine", "what a moron"],
        "deeper/c.parquet": ["fine"],
    }.items():
        pq.write_table(pa.table({"n": range(len(texts)), "text": texts}), folder / name)
    (folder / "d.jsonl").write_bytes(GOOD + b"no row\n" + BROKEN)
    return folder


def clean(raw: Path, **changes: Any) -> Counts:
    given: dict[str, Any] = {"detoxifier": cleaner(), **changes}
    return clean_file(raw, raw.with_name("out"), **given)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_is_cleaned_into_a_folder_with_the_same_files(raw: Path) -> None:
    clean(raw)
    out = raw.with_name("out")
    assert sorted(tree(out)) == ["a.parquet", "b.parquet", "d.jsonl", "deeper/c.parquet"]
    assert pq.read_table(out / "a.parquet").to_pylist() == [
        {"n": 0, "text": "you friend"},
        {"n": 1, "text": "fine"},
    ]
    assert pq.read_table(out / "b.parquet").to_pylist() == [{"n": 0, "text": "fine"}]
    assert (out / "d.jsonl").read_bytes() == b'{"text": "you friend"}\n{"text": "fine"}\n'


def test_the_account_is_one_of_all_files(raw: Path) -> None:
    assert clean(raw) == Counts(
        read=9,
        written=6,
        dropped=1,
        quarantined=2,
        edited=2,
        texts=7,
        clean=4,
        rewritten=2,
        unresolved=1,
    )


def test_the_run_folder_says_which_file_each_thing_is_of(raw: Path) -> None:
    clean(raw)
    run = raw.with_name("out.detox")
    records = [json.loads(line) for line in (run / "records.jsonl").read_bytes().splitlines()]
    assert [(one["file"], one["row"]) for one in records] == [
        ("a.parquet", 0),
        ("a.parquet", 1),
        ("b.parquet", 0),
        ("b.parquet", 1),
        ("d.jsonl", 0),
        ("d.jsonl", 1),
        ("deeper/c.parquet", 0),
    ]
    bad = [json.loads(line) for line in (run / "quarantine.jsonl").read_bytes().splitlines()]
    assert [(one["file"], one["row"], one["offset"]) for one in bad] == [
        ("d.jsonl", 2, 39),
        ("d.jsonl", 3, 46),
    ]
    each = {one["name"]: one["counts"]["read"] for one in read_manifest(run)["members"]}
    assert each == {"a.parquet": 2, "b.parquet": 2, "d.jsonl": 4, "deeper/c.parquet": 1}


def test_reverting_gives_every_file_byte_for_byte(raw: Path) -> None:
    clean(raw)
    revert_file(raw.with_name("out.detox"), raw.with_name("again"))
    assert tree(raw.with_name("again")) == tree(raw)


def test_reverting_notices_that_one_file_was_changed(raw: Path) -> None:
    clean(raw)
    (raw.with_name("out") / "d.jsonl").write_bytes(GOOD)
    with pytest.raises(ConflictError, match=r"d\.jsonl was changed since the run"):
        revert_file(raw.with_name("out.detox"), raw.with_name("again"))


def test_what_holds_no_rows_is_copied_and_comes_back(raw: Path) -> None:
    (raw / "NOTICE.md").write_bytes(b"# idiot\n")
    (raw / ".hidden").write_bytes(b"x")
    assert clean(raw).read == 9
    assert (raw.with_name("out") / "NOTICE.md").read_bytes() == b"# idiot\n"
    assert not (raw.with_name("out") / ".hidden").exists()
    revert_file(raw.with_name("out.detox"), raw.with_name("again"))
    assert (raw.with_name("again") / "NOTICE.md").read_bytes() == b"# idiot\n"


@pytest.mark.parametrize("name", ["b.tsv", "B.TSV", "b.parquet.gz", "b.jsonl.bz2", "b.zip"])
def test_data_that_nobody_can_read_is_refused_rather_than_copied(raw: Path, name: str) -> None:
    (raw / "deeper" / name).write_bytes(GOOD)
    with pytest.raises(ConfigError, match=rf"{name} can't be read.*convert it") as caught:
        clean(raw)
    assert "idiot" not in str(caught.value)
    assert not raw.with_name("out").exists()
    with pytest.raises(ConfigError, match=rf"{name} can't be read"):
        scan_file(raw, detoxifier=cleaner())
    assert clean_file(str(raw / "*.jsonl"), raw.with_name("out"), detoxifier=cleaner()).read == 4


def test_json_lines_are_also_called_ndjson(raw: Path) -> None:
    (raw / "e.ndjson").write_bytes(GOOD)
    clean(raw)
    assert (raw.with_name("out") / "e.ndjson").read_bytes() == (
        b'{"text": "you friend"}\n{"text": "fine"}\n'
    )


def finished(raw: Path, run: Path) -> None:
    """A finished run in the folder that is cleaned next."""
    clean_file(raw / "d.jsonl", raw / "d.clean.jsonl", detoxifier=cleaner(), run=run)


@pytest.mark.parametrize("name", ["d.clean.jsonl.detox", "deeper/run", ".hidden"])
@pytest.mark.parametrize("pattern", ["", "**/*.jsonl"])
def test_run_folders_are_never_among_the_files(raw: Path, name: str, pattern: str) -> None:
    finished(raw, raw / name)
    clean_file(str(raw / pattern), raw.with_name("out"), detoxifier=cleaner())
    assert {Path(one).suffix for one in tree(raw.with_name("out"))} <= {".parquet", ".jsonl"}
    lines = {"d.jsonl", "d.clean.jsonl"}
    assert {one for one in tree(raw.with_name("out")) if one.endswith("l")} == lines
    assert not any(b"idiot" in content for content in tree(raw.with_name("out")).values())
    scanned = scan_file(str(raw / pattern), detoxifier=cleaner())
    assert {one["file"] for one in scanned if one["file"].endswith("l")} == lines


def test_a_run_folder_in_the_making_is_none_of_the_files_of_a_pattern(raw: Path) -> None:
    def stop(rows: int, share: float | None) -> None:
        if rows > 1:
            raise KeyboardInterrupt

    for run in (None, raw / "run"):
        with pytest.raises(KeyboardInterrupt):
            clean_file(
                raw / "d.jsonl",
                raw / "o.jsonl",
                detoxifier=cleaner(),
                run=run,
                shard_rows=1,
                progress=stop,
            )
    assert list(raw.glob(".*.part/ledger/shards/*.jsonl"))
    clean_file(str(raw / "**" / "*.jsonl"), raw.with_name("out"), detoxifier=cleaner())
    assert set(read_manifest(raw.with_name("out.detox"))["input"]["files"]) == {"d.jsonl"}


@pytest.mark.parametrize("inside", ["", "ledger", "*.jsonl"])
def test_a_run_folder_is_no_folder_of_data(raw: Path, inside: str) -> None:
    finished(raw, raw.with_name("run"))
    with pytest.raises(ConfigError, match="lies in a run folder"):
        clean_file(str(raw.with_name("run") / inside), raw.with_name("out"), detoxifier=cleaner())


def test_a_manifest_of_somebody_else_makes_no_run_folder(raw: Path) -> None:
    (raw / "deeper" / "manifest.json").write_bytes(b'[{"text": "fine"}]')
    clean(raw)
    assert "deeper/c.parquet" in tree(raw.with_name("out"))


def test_a_file_that_cant_be_read_counts_as_a_bad_row_and_the_others_go_on(raw: Path) -> None:
    (raw / "b.parquet").write_bytes(b"PAR1 and no more")
    counts = clean(raw)
    assert (counts.read, counts.written, counts.dropped, counts.quarantined) == (8, 5, 0, 3)
    first = (raw.with_name("out.detox") / "quarantine.jsonl").read_bytes().splitlines()[0]
    found = json.loads(first)
    assert (found["file"], found["row"], found["raw"]) == ("b.parquet", None, None)
    assert not (raw.with_name("out") / "b.parquet").exists()
    revert_file(raw.with_name("out.detox"), raw.with_name("again"))
    assert (raw.with_name("again") / "b.parquet").read_bytes() == b"PAR1 and no more"


def test_a_folder_without_one_file_that_can_be_read_is_an_error(place: Path) -> None:
    (place / "raw").mkdir()
    (place / "raw" / "a.parquet").write_bytes(b"PAR1 and no more")
    (place / "raw" / "b.jsonl").write_bytes(b'{"n": 1}\n')
    before = tree(place)
    with pytest.raises(InputError, match=r"a\.parquet"):
        clean(place / "raw")
    assert tree(place) == before
    assert not (place / "out").exists()


def test_a_pattern_names_files_below_the_folder_where_it_begins(raw: Path) -> None:
    clean_file(str(raw / "**" / "*.parquet"), raw.with_name("out"), detoxifier=cleaner())
    assert sorted(tree(raw.with_name("out"))) == ["a.parquet", "b.parquet", "deeper/c.parquet"]


def test_a_pattern_that_fits_nothing_is_named(raw: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file is called .*\*\.csv"):
        clean_file(str(raw / "*.csv"), raw.with_name("out"), detoxifier=cleaner())


@pytest.mark.parametrize("out", ["-", "out.jsonl"])
def test_several_files_need_a_folder_to_go_to(raw: Path, out: str) -> None:
    with pytest.raises(ConfigError, match="is several files: expected a folder"):
        clean_file(raw, raw.with_name(out) if out != "-" else out, detoxifier=cleaner())


@pytest.mark.parametrize("out", ["raw", "raw/out", "."])
def test_input_and_output_dont_lie_in_one_another(raw: Path, out: str) -> None:
    with pytest.raises(ConfigError):
        clean_file(raw, raw.parent / out, detoxifier=cleaner(), run=raw.with_name("run"))


def test_a_folder_with_files_of_others_is_not_written_to(raw: Path) -> None:
    raw.with_name("out").mkdir()
    raw.with_name("out").joinpath("mine.jsonl").write_bytes(b"{}")
    with pytest.raises(ConfigError, match=r"holds mine\.jsonl, which this run doesn't write"):
        clean(raw)
    assert tree(raw.with_name("out")) == {"mine.jsonl": b"{}"}


def test_an_empty_file_stays_an_empty_file(raw: Path) -> None:
    (raw / "c.jsonl").write_bytes(b"")
    clean(raw)
    assert (raw.with_name("out") / "c.jsonl").read_bytes() == b""


def interrupted(raw: Path, after: int) -> None:
    def told(rows: int, share: float | None) -> None:
        if rows > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean(raw, shard_rows=1, progress=told)


class Unasked:
    """A pipeline that must not be asked for anything."""

    threshold, fallback, ahead = 0.5, "drop", 1

    def submit(self, tasks: object, /) -> None:
        raise AssertionError("a finished shard was done again")

    def take(self) -> bytes:
        raise AssertionError


def test_a_run_over_a_folder_goes_on_with_the_bytes_of_an_undisturbed_one(raw: Path) -> None:
    clean(raw, shard_rows=1)
    expected = tree(raw.parent)
    shutil.rmtree(raw.with_name("out"))
    shutil.rmtree(raw.with_name("out.detox"))
    for after in (1, 3, 5):
        interrupted(raw, after)
        assert not raw.with_name("out").exists()
    clean(raw, shard_rows=1)
    assert tree(raw.parent) == expected


def test_a_finished_run_over_a_folder_is_not_done_again(raw: Path) -> None:
    first = clean(raw)
    assert clean(raw, detoxifier=Unasked()) == first


def test_a_changed_file_of_a_folder_is_a_conflict(raw: Path) -> None:
    clean(raw)
    (raw / "d.jsonl").write_bytes(GOOD)
    with pytest.raises(ConflictError, match="another input: files"):
        clean(raw)


def test_a_shard_goes_on_in_the_next_file(raw: Path) -> None:
    clean(raw, shard_rows=4)
    listed = (raw.with_name("out.detox") / "ledger" / "shards.jsonl").read_bytes().splitlines()
    # a and b have two rows each, d four, c one: borders where a window makes four or more.
    assert [json.loads(line)["rows"] for line in listed] == [[0, 4], [4, 8], [8, 9]]


def test_records_of_a_folder_come_with_the_name_of_their_file(raw: Path) -> None:
    seen: Counter[str] = Counter()

    def observe(row: int, field: str, record: Record, file: str) -> None:
        seen[file] += 1

    clean(raw, observe=observe)
    assert seen == {"a.parquet": 2, "b.parquet": 2, "d.jsonl": 2, "deeper/c.parquet": 1}


def test_pairs_are_made_of_every_file(raw: Path) -> None:
    clean(raw)
    counts = make_pairs(raw.with_name("out.detox"), raw.with_name("pairs.jsonl"))
    assert counts.written == 2


def test_a_scan_of_a_folder_names_the_file_first(raw: Path) -> None:
    (raw / "b.parquet").write_bytes(b"PAR1 and no more")
    found = list(scan_file(raw, detoxifier=replace(cleaner(), threshold=0.5)))
    assert [(one["file"], one["row"], "error" in one) for one in found] == [
        ("a.parquet", 0, False),
        ("a.parquet", 1, False),
        ("b.parquet", None, True),
        ("d.jsonl", 0, False),
        ("d.jsonl", 1, False),
        ("d.jsonl", 2, True),
        ("d.jsonl", 3, True),
        ("deeper/c.parquet", 0, False),
    ]


def test_many_small_files_take_few_handles(place: Path) -> None:
    import resource

    (place / "raw").mkdir()
    for number in range(200):
        (place / "raw" / f"{number}.jsonl").write_bytes(GOOD)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        assert clean(place / "raw").read == 400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
