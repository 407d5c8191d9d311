from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.networks import tiny_tokenizer
from tests.pretrained import bert_masked_lm

STARTS = "you they we people some what all it was and or the cat day".split()
ENDS = {"idiot": 1, "stupid": 1, "an idiot": 1, "nice": 0, "good": 0, "very good": 0}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A file of rows that one word decides, in more than one wording."""
    path = tmp_path / "labelled.jsonl"
    rows = [
        {"text": f"{first} {second} {end}", "label": label}
        for first in STARTS
        for second in STARTS
        for end, label in ENDS.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A folder with a small tokenizer."""
    folder = tmp_path / "words"
    folder.mkdir()
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def test_a_trained_identifier_scans_with_the_recipe_that_came_with_it(
    run: Run, labelled: Path, words: Path, tmp_path: Path
) -> None:
    out = tmp_path / "identifier"
    done = run("train", "scorer", labelled, "--tiny", "--model", words, "-o", out)
    assert done.code == 0, done.err
    assert "| labelled |" in done.out
    assert (out / "README.md").read_text().count("| labelled |") == 1
    new = tmp_path / "new.txt"
    new.write_text("you are all stupid\nyou are all very good\nit is an idiot\n")
    scanned = run("scan", new, "--recipe", out / "recipe.yaml")
    toxic = [json.loads(line)["toxic"] for line in scanned.out.splitlines()]
    assert toxic == [True, False, True]


def test_a_gate_gets_the_limit_that_lets_through_what_the_scorer_flags(
    run: Run, labelled: Path, words: Path, rows: Path, tmp_path: Path
) -> None:
    fake = Path(__file__).parents[1] / "recipes" / "fake.yaml"
    more = tmp_path / "more.jsonl"
    extra = [f'{{"text": "{n} idiot", "label": 1}}\n' for n in range(6000)]
    more.write_text("".join(extra), "utf-8")
    out = tmp_path / "gate"
    done = run(
        *("train", "scorer", labelled, more, "--tiny", "--model", words),
        *("--gate", fake, "-o", out, "--passes", 2),
    )
    assert done.code == 0, done.err
    assert "As the first gate" in done.out
    found: list[Any] = [run("scan", rows, "--recipe", r).out for r in (out / "recipe.yaml", fake)]
    gated, alone = ([json.loads(line)["toxic"] for line in text.splitlines()] for text in found)
    assert gated == alone


def test_a_trained_encoder_cleans_with_the_recipe_that_came_with_it(
    run: Run, labelled: Path, tmp_path: Path
) -> None:
    marked = tmp_path / "marked.jsonl"
    lines = [json.loads(line) for line in labelled.read_text().splitlines()]
    for line in lines:
        at = line["text"].rfind(" ") + 1
        line["spans"] = [[at, len(line["text"])]] if line["label"] else []
    marked.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "scorer"
    done = run(
        *("train", "scorer", marked, "--model", bert_masked_lm(tmp_path / "bert"), "-o", out),
        *("--spans", "spans", "--passes", 10, "--rate", 2e-3),
    )
    assert done.code == 0, done.err
    assert "| marked |" in (out / "README.md").read_text()
    assert "checkpoint" not in {path.name for path in out.iterdir()}
    new = tmp_path / "new.txt"
    new.write_text("you are all stupid\nyou are all very good\nit is an idiot\n")
    done = run("clean", new, "-o", tmp_path / "clean.txt", "--recipe", out / "recipe.yaml")
    assert done.code == 0, done.err
    kept = (tmp_path / "clean.txt").read_text()
    assert "you are all very good\n" in kept
    assert "stupid" not in kept
    assert "idiot" not in kept


def test_without_marked_words_the_recipe_has_no_use_for_a_token_head(
    run: Run, labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scorer"
    done = run(
        *("train", "scorer", labelled, "--model", bert_masked_lm(tmp_path / "bert"), "-o", out),
        *("--passes", 10, "--rate", 2e-3),
    )
    assert done.code == 0, done.err
    new = tmp_path / "new.txt"
    new.write_text("you are all stupid\nyou are all very good\n")
    scanned = run("scan", new, "--recipe", out / "recipe.yaml")
    rude, kind = map(json.loads, scanned.out.splitlines())
    assert (rude["toxic"], kind["toxic"]) == (True, False)
    assert "integrated-gradients" in (out / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["--label", "rude"], 3, "has no column 'rude'"),
        (["--gate", "mini"], 2, "belong to --tiny"),
        (["--tiny", "--model", "nowhere"], 2, "tokenizer.json"),
        (["--tiny", "--gate", "minni"], 2, "did you mean 'mini'"),
    ],
)
def test_what_can_not_be_trained_is_refused_in_a_line(
    run: Run, labelled: Path, tmp_path: Path, given: list[str], code: int, message: str
) -> None:
    done = run("train", "scorer", labelled, "-o", tmp_path / "out", *given)
    assert (done.code, done.out) == (code, "")
    assert message in done.err.splitlines()[-1]


def test_a_folder_that_holds_something_is_left_alone(
    run: Run, labelled: Path, tmp_path: Path
) -> None:
    done = run("train", "scorer", labelled, "--tiny", "-o", tmp_path)
    assert done.code == 2
    assert "holds something already" in done.err
