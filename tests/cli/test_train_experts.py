from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pretrained import LINES, bart
from trustydetox.recipes import load_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.*'pin_memory' argument.*")


def test_experts_are_trained_and_their_recipe_cleans(run: Any, tmp_path: Path) -> None:
    base = bart(tmp_path / "base")
    rows = tmp_path / "rows.jsonl"
    lines = [
        {"text": f"{line} {number}", "label": float("idiot" in line or "stupid" in line)}
        for number in range(40)
        for line in LINES
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    out = tmp_path / "experts"
    done = run(
        *("train", "experts", rows, "-o", out, "--base", base, "--steps", "20", "--every", "10")
    )
    assert done.code == 0, done.err
    assert "| minus |" in done.out
    assert "held back" in (out / "README.md").read_text("utf-8")
    detoxifier = load_recipe(out / "recipe.yaml", fallback="keep")
    (record,) = detoxifier.run(["You are an idiot, Jane."])
    assert record.masked is not None


def test_a_folder_that_holds_something_is_left_alone(run: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n", "utf-8")
    done = run("train", "experts", tmp_path / "rows.jsonl", "-o", tmp_path)
    assert done.code == 2
    assert "holds something already" in done.err
