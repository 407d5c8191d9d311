from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import trustydetox
from tests.pretrained import bart, t5
from trustydetox.errors import ConfigError
from trustydetox.steps.loading import open_model
from trustydetox.steps.restating import load_restater
from trustydetox.training.pairs import Pair
from trustydetox.training.rewriting import T5_PROMPT, Schedule, train_rewriter

PAIRS = [
    Pair("you idiot", ("you person",)),
    Pair("they are stupid", ("they are bad",)),
    Pair("what a day", ("what a day",)),  # which `read_pairs` would refuse
] * 12
SCHEDULE = Schedule(passes=4, rate=5e-3, batch=16)


def weights(folder: str | Path) -> dict[str, Any]:
    return dict(open_model("seq2seq", str(folder)).named_parameters())


@pytest.mark.parametrize(("make", "prompt"), [(t5, T5_PROMPT), (bart, "{}")])
def test_training_changes_the_weights_and_keeps_the_prompt(
    tmp_path: Path, make: Any, prompt: str
) -> None:
    start = make(tmp_path / "start")
    lines: list[str] = []
    assert train_rewriter(start, PAIRS, tmp_path / "out", SCHEDULE, lines.append) == prompt
    before, after = weights(start), weights(tmp_path / "out")
    assert any(not before[name].equal(after[name]) for name in before)
    assert load_restater(str(tmp_path / "out")).prompt == prompt
    assert not list((tmp_path / "out").glob("*.bin"))


def test_a_prompt_needs_one_place_for_the_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one \{\}"):
        train_rewriter(
            bart(tmp_path / "a"), PAIRS, tmp_path / "b", SCHEDULE, print, prompt="no place"
        )


def test_one_line_rewrites_and_says_what_is_no_rewrite(tmp_path: Path) -> None:
    start = bart(tmp_path / "start")
    out = tmp_path / "out"
    train_rewriter(start, PAIRS, out, Schedule(passes=60, rate=5e-3, batch=32), lambda line: None)
    assert trustydetox.rewrite("you idiot", model=out) == "you person"
    assert trustydetox.rewrite(["they are stupid", "you idiot"], model=str(out)) == [
        "they are bad",
        "you person",
    ]
    # What it was taught to leave is a copy, and a copy is no rewrite.
    assert trustydetox.rewrite("what a day", model=out) == "[removed]"
    assert json.loads((out / "rewriter.json").read_text()) == {"prompt": "{}"}
