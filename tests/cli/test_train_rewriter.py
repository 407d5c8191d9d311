from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import trustydetox
from tests.cli.conftest import Run
from tests.pretrained import bart, bert_masked_lm, llama, t5

WHO = "you they we people friends men women boys girls all".split()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A hundred toxic texts with two rewrites each."""
    path = tmp_path / "pairs.jsonl"
    rows = [
        {
            "toxic": f"{who} are a stupid idiot and {other} know it",
            "neutral": [f"{who} are wrong and {other} know it", f"{who} and {other} know it"],
        }
        for who in WHO
        for other in WHO
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_trained_seq2seq_rewriter_is_measured_beside_people(
    run: Run, pairs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rewriter"
    done = run(
        *("train", "rewriter", pairs, "--model", bart(tmp_path / "bart"), "-o", out),
        *("--passes", 2, "--rate", 1e-3, "--sample", 4),
    )
    assert done.code == 0, done.err
    assert done.out.startswith("### Held-out pairs")
    card = (out / "README.md").read_text()
    assert "| this rewriter | 4 |" in card
    assert "| human | 4 |" in card
    assert "step: seq2seq" in (out / "recipe.yaml").read_text()


def test_the_recipe_of_a_seq2seq_rewriter_cleans(run: Run, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "rewriter"
    done = run(
        *("train", "rewriter", pairs, "--model", bart(tmp_path / "bart"), "-o", out),
        *("--passes", 1, "--sample", 1),
    )
    assert done.code == 0, done.err
    rows = tmp_path / "rows.txt"
    rows.write_text("a fine day\nyou are a stupid idiot\n")
    cleaned = run("clean", rows, "-o", tmp_path / "out.txt", "--recipe", out / "recipe.yaml")
    assert cleaned.code == 0, cleaned.err
    assert (tmp_path / "out.txt").read_text().startswith("a fine day\n")
    manifest = json.loads((tmp_path / "out.txt.detox" / "manifest.json").read_text())
    assert any("model.safetensors" in name for name in manifest["models"])


def test_a_trained_editor_cleans_with_the_recipe_that_came_with_it(
    run: Run, pairs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "editor"
    done = run(
        *("train", "rewriter", pairs, "--kind", "editor", "-o", out, "--passes", 1),
        *("--model", bert_masked_lm(tmp_path / "bert"), "--sample", 3),
    )
    assert done.code == 0, done.err
    assert "| with this editor | 3 |" in (out / "README.md").read_text()
    recipe = (out / "recipe.yaml").read_text()
    assert "editor: ./" in recipe
    assert "editor: embedded" not in recipe


@pytest.mark.filterwarnings("ignore")  # of trl and peft; test_sft.py names them
def test_a_chat_model_learns_to_rewrite(run: Run, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "chat"
    done = run(
        *("train", "rewriter", pairs, "--kind", "chat", "--model", llama(tmp_path / "llama")),
        *("-o", out, "--passes", 1, "--batch", 64, "--sample", 2),
    )
    assert done.code == 0, done.err
    assert "| this rewriter | 2 |" in (out / "README.md").read_text()
    assert isinstance(trustydetox.rewrite("you are an idiot", model=out), str)
    assert (out / "adapter" / "adapter_model.safetensors").is_file()


def test_rl_answers_before_and_after_are_compared(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "talks.jsonl"
    talk = "#Person1#: {} are good friends of mine. #Person2#: And {} are nice people."
    lines = [
        {"dialogue": talk.format(who, other), "summary": f"{who} and {other} are nice"}
        for who in WHO
        for other in WHO
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "tuned"
    done = run(
        *("train", "rl", rows, "--model", t5(tmp_path / "t5"), "-o", out, "--reference", "summary"),
        *("--steps", 2, "--batch", 2, "--samples", 2, "--shortest", 20, "--least", 1, "--most", 6),
        *("--sample", 3),
    )
    assert done.code == 0, done.err
    assert done.out.startswith("### Answers to held-out prompts")
    assert "ROUGE-L" in done.out
    assert len((out / "history.csv").read_text().splitlines()) == 3
    with (out / "sheet.csv").open() as file:
        lines_of_sheet = list(csv.DictReader(file))
    assert len(lines_of_sheet) == 6
    sheets = []
    for reader in ("one", "two"):
        path = tmp_path / f"{reader}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, lines_of_sheet[0])
            writer.writeheader()
            writer.writerows({**line, "natural": "y", "same": "n"} for line in lines_of_sheet)
        sheets.append(path)
    read = run("evaluate", "reading", out / "key.json", *sheets)
    assert read.code == 0, read.err
    assert "before" in read.out


@pytest.mark.parametrize(
    ("command", "given", "code", "message"),
    [
        ("rewriter", ["--rewrite", "clean"], 3, "has no column 'clean'"),
        ("rewriter", ["--kind", "editor", "--prompt", "{}"], 2, "--prompt belongs to seq2seq"),
        ("rl", [], 3, "has no column 'dialogue'"),
        ("rl", ["--preset", "flan"], 2, "no preset is called 'flan'"),
        ("rl", ["--text", "toxic"], 3, "expected texts to learn from and some held out"),
    ],
)
def test_what_can_not_be_trained_is_refused_in_a_line(
    run: Run, pairs: Path, tmp_path: Path, command: str, given: list[str], code: int, message: str
) -> None:
    done = run("train", command, pairs, "--model", "none", "-o", tmp_path / "out", *given)
    assert (done.code, done.out) == (code, "")
    assert message in done.err.splitlines()[-1]
