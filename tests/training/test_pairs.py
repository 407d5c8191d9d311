from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trustydetox.errors import InputError
from trustydetox.training.pairs import read_pairs


def written(folder: Path, rows: list[dict[str, Any]]) -> str:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def some(count: int = 60) -> list[dict[str, Any]]:
    return [{"toxic": f"idiot number {n}", "neutral": [f"person {n}"]} for n in range(count)]


def test_each_text_is_learned_from_or_held_out(tmp_path: Path) -> None:
    found = read_pairs([written(tmp_path, some())], "toxic", "neutral")
    assert len(found.train) + len(found.held_out) == 60
    assert {pair.toxic for pair in found.train} & {pair.toxic for pair in found.held_out} == set()


def test_rewrites_that_teach_nothing_are_counted(tmp_path: Path) -> None:
    rows = [
        *some(),
        {"toxic": "you fool", "neutral": ["You fool!", "", "you there"]},
        {"toxic": "", "neutral": "what"},
        {"toxic": "you fool", "neutral": "you there"},
    ]
    found = read_pairs([written(tmp_path, rows)])
    assert found.left_out == {
        "the rewrite is the text itself": 1,
        "the rewrite is empty": 1,
        "there is no toxic text": 1,
    }
    pairs = {pair.toxic: pair.rewrites for pair in (*found.train, *found.held_out)}
    assert pairs["you fool"] == ("you there",)


def test_a_missing_column_and_pairs_equal_to_themselves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'clean'"):
        read_pairs([written(tmp_path, some())], rewrite="clean")
    same = [{"toxic": f"text {n}", "neutral": f"text {n}"} for n in range(50)]
    with pytest.raises(InputError, match="expected pairs to learn from, got none"):
        read_pairs([written(tmp_path, same)])
