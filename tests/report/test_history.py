from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import Lacks, Replacer, WordsKept, detoxifier
from trustydetox.corpus import clean_file
from trustydetox.errors import InputError
from trustydetox.records import Record
from trustydetox.report import read_records

TEXTS = ("you idiot", "a fine day", "moron", "stupid \U0001f600 idiot")


@pytest.fixture
def seen(tmp_path: Path) -> list[Record]:
    """The records of a run as it told them, its folder being `out.jsonl.detox`."""
    lines = [json.dumps({"text": text}) for text in TEXTS]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    pipeline = detoxifier(
        infiller=Replacer({"idiot": ("fool", "person")}), checks=[WordsKept(), Lacks("fool")]
    )
    records: list[Record] = []
    clean_file(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        detoxifier=pipeline,
        observe=lambda row, field, record, file: records.append(record),
    )
    return records


def test_records_are_read_back_as_the_run_told_them(seen: list[Record], tmp_path: Path) -> None:
    assert any(record.misses for record in seen)
    read = [entry.record for entry in read_records(tmp_path / "out.jsonl.detox")]
    assert read == seen


def test_a_record_that_was_changed_is_read_otherwise(seen: list[Record], tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.detox" / "records.jsonl"
    path.write_text(path.read_text("utf-8").replace('"weight": 1.0', '"weight": 0.5', 1), "utf-8")
    assert [entry.record for entry in read_records(path.parent)] != seen


def test_records_of_a_run_without_spans_and_misses_are_read(
    seen: list[Record], tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl.detox" / "records.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        line.pop("spans", None)
        line.pop("misses", None)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    read = [entry.record for entry in read_records(path.parent)]
    assert read == [replace(record, masked=None, misses=()) for record in seen]


def test_a_folder_without_records_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        read_records(tmp_path)
