from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from trustydetox.errors import InputError
from trustydetox.playground.trying import (
    MOST_CHARACTERS,
    MOST_ROWS,
    Knobs,
    try_file,
    try_text,
)

ROOT = Path(__file__).parents[2]
FAKE = str(ROOT / "tests" / "recipes" / "fake.yaml")
KNOBS = Knobs(FAKE, 0.5, "drop")


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "recipes" / "plugin"))


def test_a_text_gives_a_card_with_what_was_cut() -> None:
    card = try_text("you idiot, <b>come</b>", KNOBS)
    assert "you<del> idiot</del>, &lt;b&gt;come&lt;/b&gt;" in card
    assert "words-kept" in card
    assert "<script" not in card


def test_a_clean_text_is_said_to_be_clean() -> None:
    assert "leaves byte for byte" in try_text("a fine day", KNOBS)


@pytest.mark.parametrize(("threshold", "left"), [(0.3, "cut"), (0.5, "clean")])
def test_the_threshold_decides(threshold: float, left: str) -> None:
    card = try_text("a damn day", Knobs(FAKE, threshold, "drop"))
    assert ("<del>" in card) is (left == "cut")


def test_a_long_text_is_refused_with_its_length() -> None:
    assert try_text("a" * MOST_CHARACTERS, KNOBS)
    with pytest.raises(InputError, match="20,001 characters"):
        try_text("a" * (MOST_CHARACTERS + 1), KNOBS)


def test_a_file_gives_a_table_and_files_to_take(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "you idiot"}\n{"text": "fine"}\nbroken\n', "utf-8")
    folder = tmp_path / "out"
    folder.mkdir()

    batch = try_file(source, KNOBS, folder)

    assert batch.said == (
        "3 rows read, 2 written, 0 dropped, 1 set aside. 2 texts: 1 clean, 1 rewritten, "
        "0 unresolved."
    )
    assert batch.table == [(0, "text", "rewritten", 0.9, 0.0, "you idiot", "you")]
    names = [path.name for path in batch.files]
    assert names == ["clean-rows.jsonl", "report.html", "report.json", "records.jsonl"]
    assert batch.files[0].read_text("utf-8") == '{"text": "you"}\n{"text": "fine"}\n'


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "rows.txt"
    source.write_text("a\n" * (MOST_ROWS + 1), "utf-8")
    with pytest.raises(InputError, match="more than 2,000 rows"):
        try_file(source, KNOBS, tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"expected a \.jsonl"):
        try_file(tmp_path / "photo.png", KNOBS, tmp_path)


def test_settings_are_copied_as_what_runs() -> None:
    knobs = Knobs("mini", 0.35, "redact")
    assert knobs.command() == (
        "trustydetox clean rows.jsonl -o clean.jsonl \\\n"
        "  --recipe mini --threshold 0.35 --fallback redact"
    )
    assert yaml.safe_load(knobs.yaml()) == {
        "recipe": "mini",
        "threshold": 0.35,
        "fallback": "redact",
    }
    # The settings of a call are the names that `clean` takes.
    compile(knobs.python(), "snippet", "exec")
    assert "recipe='mini', threshold=0.35, fallback='redact'" in knobs.python()


def test_the_report_to_take_is_numbers(tmp_path: Path) -> None:
    source = tmp_path / "rows.txt"
    source.write_text("you idiot\n", "utf-8")
    batch = try_file(source, KNOBS, tmp_path)
    numbers = json.loads(batch.files[2].read_text("utf-8"))
    assert numbers["texts"]["rewritten"] == 1
