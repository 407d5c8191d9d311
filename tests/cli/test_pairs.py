from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import FAKE, Run
from trustydetox.errors import ConfigError, InputError


def test_make_pairs_writes_a_line_per_mended_text_and_says_what_it_left_out(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    assert run("clean", rows, "-o", out, "--recipe", FAKE).code == 0
    ran = run("make-pairs", f"{out}.detox", "-o", tmp_path / "pairs.jsonl")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "pairs written 1\nleft out 1: nothing is left of it\n"
    assert json.loads((tmp_path / "pairs.jsonl").read_text()) == {
        "prompt": "you",
        "chosen": ", come here",
        "rejected": " idiot, come here",
    }
    ran = run("make-pairs", f"{out}.detox", "-o", "-")
    assert ran.out == (tmp_path / "pairs.jsonl").read_text()


def test_a_folder_without_a_run_and_another_format_are_refused(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    ran = run("make-pairs", tmp_path, "-o", tmp_path / "pairs.jsonl")
    assert ran.code == InputError.exit_code
    assert ran.err.count("\n") == 1
    out = tmp_path / "out.jsonl"
    run("clean", rows, "-o", out, "--recipe", FAKE)
    ran = run("make-pairs", f"{out}.detox", "-o", tmp_path / "pairs.parquet")
    assert ran.code == ConfigError.exit_code
    assert "expected a name that ends in .jsonl" in ran.err
