from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FAKE, Run


@pytest.fixture
def folder(run: Run, rows: Path) -> Path:
    out = rows.with_name("out.jsonl")
    assert run("clean", rows, "-o", out, "--recipe", FAKE).code == 0
    return Path(f"{out}.detox")


def test_each_edit_is_shown_before_and_after(run: Run, folder: Path) -> None:
    ran = run("diff", folder)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "row 0, text: rewritten, toxicity 0.90 -> 0.00\n"
        "- you[- idiot-], come here\n"
        "+ you, come here\n"
        "\n"
        "row 2, text: rewritten, toxicity 0.90 -> 0.00\n"
        "- [-idiot-]\n"
        "+ \n"
        "\n"
    )


def test_the_numbers_instead(run: Run, folder: Path) -> None:
    ran = run("diff", folder, "--stat")
    assert ran.out.splitlines()[1] == "rows written       3      texts rewritten   2"


def test_texts_can_t_steer_the_terminal_and_markup_is_text(run: Run, rows: Path) -> None:
    text = "\x1b[2J\x9b31m [red]you[/red] idiot\u202e\r\nnext [bold]line"
    rows.write_text(json.dumps({"text": text}) + "\n", "utf-8")
    out = rows.with_name("out.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE)

    shown = run("diff", f"{out}.detox").out

    assert shown.splitlines()[1:3] == [
        "- \\x1b[2J\\x9b31m [red]you[/red][- idiot-]\\u202e\\x0d",
        "- next [bold]line",
    ]
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(shown)


def test_a_dropped_text_has_no_after(run: Run, rows: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(FAKE.read_text("utf-8").replace("limit: 0.0", "limit: 0.5"), "utf-8")
    out = rows.with_name("out.jsonl")
    run("clean", rows, "-o", out, "--recipe", recipe)

    shown = run("diff", f"{out}.detox").out

    assert shown.endswith("row 2, text: dropped (checks), toxicity 0.90\n- [-idiot-]\n\n")


@pytest.mark.parametrize("option", [(), ("--stat",)])
def test_a_folder_without_a_run_is_one_line(
    run: Run, tmp_path: Path, option: tuple[str, ...]
) -> None:
    ran = run("diff", tmp_path, *option)
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert "run folder" in ran.err


def test_records_that_were_cut_short_are_one_line_without_text(run: Run, folder: Path) -> None:
    records = folder / "records.jsonl"
    records.write_bytes(records.read_bytes()[:-20])
    ran = run("diff", folder)
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert "line 3" in ran.err
    assert "idiot" not in ran.err


@pytest.fixture
def mixed(run: Run, tmp_path: Path) -> Path:
    """A run with a rewritten, a redacted and a kept text, in two fields."""
    source = tmp_path / "mixed.jsonl"
    source.write_text('{"a": "you idiot, come", "b": "idiot"}\n{"a": "fine", "b": "moron"}\n')
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(FAKE.read_text("utf-8").replace("limit: 0.0", "limit: 0.5"), "utf-8")
    out = tmp_path / "mixed.out.jsonl"
    fields = ("--field", "a", "--field", "b")
    assert (
        run("clean", source, "-o", out, "--recipe", recipe, "--fallback", "redact", *fields).code
        == 0
    )
    return Path(f"{out}.detox")


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ((), ["row 0, a", "row 0, b", "row 1, b"]),
        (("--verdict", "rewritten"), ["row 0, a"]),
        (("--verdict", "unresolved"), ["row 0, b", "row 1, b"]),
        (("--action", "redacted", "--field", "b"), ["row 0, b", "row 1, b"]),
        (("--action", "kept"), []),
        (("--change", "deletion"), ["row 0, a"]),
        (("--change", "replacement"), ["row 0, b", "row 1, b"]),
        (("--rule", "threshold"), ["row 0, a", "row 0, b", "row 1, b"]),
        (("--rule", "labels.insult"), []),
        (("--field", "a"), ["row 0, a"]),
    ],
)
def test_texts_are_filtered(
    run: Run, mixed: Path, options: tuple[str, ...], places: list[str]
) -> None:
    lines = run("diff", mixed, *options).out.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("row")] == places


def test_numbers_of_what_was_filtered_stand_by_field(run: Run, mixed: Path) -> None:
    assert run("diff", mixed, "--stat", "--action", "redacted").out == (
        "b | 2 texts, 2 edits, +18 -10 characters\n"
    )


def test_kept_texts_are_shown_where_asked_for(run: Run, rows: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(FAKE.read_text("utf-8").replace("limit: 0.0", "limit: 1.5"), "utf-8")
    out = rows.with_name("kept.jsonl")
    run("clean", rows, "-o", out, "--recipe", recipe, "--fallback", "keep")
    assert run("diff", f"{out}.detox").out == ""
    assert "row 0, text: kept (checks)" in run("diff", f"{out}.detox", "--action", "kept").out
