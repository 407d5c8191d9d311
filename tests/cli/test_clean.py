from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FAKE, Run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_file_is_cleaned_and_its_run_folder_lies_beside_it(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")

    ran = run("clean", rows, "-o", out, "--recipe", FAKE)

    assert ran.code == 0
    assert ran.out == ""
    assert lines(out) == [
        {"text": "you, come here", "n": 1},
        {"text": "a fine day", "n": 2},
        {"text": "", "n": 3},
    ]
    folder = rows.with_name("out.jsonl.detox")
    assert {path.name for path in folder.iterdir()} == {
        "ledger",
        "manifest.json",
        "quarantine.jsonl",
        "records.jsonl",
        "report.html",
        "report.json",
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.glob("report.*")] == [0o600] * 2


def test_what_was_done_is_told_on_standard_error(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")

    err = run("clean", rows, "-o", out, "--recipe", FAKE).err

    assert err.splitlines() == [
        "rows read          3      texts clean       1",
        "rows written       3      texts rewritten   2",
        "rows dropped       0      texts unresolved  0",
        "rows quarantined   0",
        "2 edits in 2 texts took out 44 % of their characters",
        f"run folder: {out}.detox",
    ]


def test_the_report_says_what_the_records_say(run: Run, rows: Path) -> None:
    run("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", FAKE)

    folder = rows.with_name("out.jsonl.detox")
    report = json.loads((folder / "report.json").read_bytes())
    assert report["schema_version"] == 1
    assert report["texts"] == {"total": 3, "clean": 1, "rewritten": 2, "unresolved": 0}
    assert report["recipe"]["name"] == "fake"
    assert "you<mark" not in json.dumps(report)
    assert "idiot" not in json.dumps(report)
    assert "idiot" in (folder / "report.html").read_text("utf-8")


def test_a_text_that_nothing_mends_takes_its_row_along_and_is_reported(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(FAKE.read_text("utf-8").replace("limit: 0.0", "limit: 0.5"), "utf-8")
    out = rows.with_name("out.jsonl")

    ran = run("clean", rows, "-o", out, "--recipe", recipe)

    assert [row["n"] for row in lines(out)] == [1, 2]
    assert "unresolved for: checks 1; they were dropped 1" in ran.err


@pytest.mark.parametrize(("fallback", "text"), [("redact", "[removed]"), ("keep", "idiot")])
def test_the_fallback_says_what_leaves_instead(
    run: Run, rows: Path, tmp_path: Path, fallback: str, text: str
) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(FAKE.read_text("utf-8").replace("limit: 0.0", "limit: 0.5"), "utf-8")
    out = rows.with_name("out.jsonl")

    run("clean", rows, "-o", out, "--recipe", recipe, "--fallback", fallback)

    assert lines(out)[2]["text"] == text


def test_a_dry_run_counts_and_writes_nothing(run: Run, rows: Path) -> None:
    before = sorted(rows.parent.iterdir())

    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", FAKE, "--dry-run")

    assert ran.code == 0
    assert "texts rewritten   2" in ran.err
    assert ran.err.splitlines()[-1] == "nothing was written: --dry-run"
    assert sorted(rows.parent.iterdir()) == before


def test_a_higher_threshold_touches_less(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE, "--threshold", "0.95")
    assert out.read_bytes() == rows.read_bytes()


def test_standard_output_holds_the_rows_and_nothing_else(run: Run, rows: Path) -> None:
    folder = rows.with_name("run")

    ran = run("clean", rows, "-o", "-", "--run", folder, "--recipe", FAKE)

    assert [json.loads(line)["n"] for line in ran.out.splitlines()] == [1, 2, 3]
    assert (folder / "report.html").is_file()


def test_standard_output_needs_a_run_folder(run: Run, rows: Path) -> None:
    ran = run("clean", rows, "-o", "-", "--recipe", FAKE)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: standard output needs a run folder: name one with --run (run= in Python)\n"
    )


def test_rows_come_from_standard_input_too(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    ran = run("clean", "-", "-o", out, "--recipe", FAKE, stdin=rows.read_bytes())
    assert ran.code == 0
    assert [row["n"] for row in lines(out)] == [1, 2, 3]


def test_bad_rows_are_set_aside_and_more_than_allowed_give_4(run: Run, rows: Path) -> None:
    rows.write_bytes(rows.read_bytes() + b'{"text": null}\nnot json\n')
    out = rows.with_name("out.jsonl")

    ran = run("clean", rows, "-o", out, "--recipe", FAKE)

    assert ran.code == 4
    assert ran.err.splitlines()[-1] == "error: 2 bad rows are more than --max-bad 0"
    assert [row["n"] for row in lines(out)] == [1, 2, 3]
    assert len(lines(rows.with_name("out.jsonl.detox") / "quarantine.jsonl")) == 2
    assert run("clean", rows, "-o", out, "--recipe", FAKE, "--max-bad", "2").code == 0
    assert run("clean", rows, "-o", out, "--recipe", FAKE, "--max-bad", "1").code == 4


def test_bad_rows_of_a_folder_are_counted_over_its_files(run: Run, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    (raw / "good.jsonl").write_text('{"text": "you idiot"}\n')
    (raw / "damaged.jsonl").write_text('{"text": "fine"}\nno row\n{"text": "cut o')

    assert run("clean", raw, "-o", out, "--recipe", FAKE).code == 4
    assert sorted(path.name for path in out.glob("*.jsonl")) == ["damaged.jsonl", "good.jsonl"]
    assert run("clean", raw, "-o", out, "--recipe", FAKE, "--max-bad", "5").code == 0
    shown = run("diff", tmp_path / "out.detox").out
    assert shown.startswith("good.jsonl: row 0, text: rewritten")


def test_another_run_in_the_folder_is_a_conflict_unless_fresh(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE)
    assert run(*command).code == 0
    assert run(*command).code == 0

    ran = run(*command, "--threshold", "0.95")

    assert ran.code == 7
    assert "threshold" in ran.err
    assert "--fresh" in ran.err
    assert run(*command, "--threshold", "0.95", "--fresh").code == 0
    assert out.read_bytes() == rows.read_bytes()


def test_revert_gives_the_input_back_byte_for_byte(run: Run, rows: Path) -> None:
    rows.write_bytes(rows.read_bytes() + b'{"text": null}\n\r\n not json')
    out, back = rows.with_name("out.jsonl"), rows.with_name("back.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE)

    ran = run("revert", f"{out}.detox", "-o", back)

    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert back.read_bytes() == rows.read_bytes()
    assert out.read_bytes() != rows.read_bytes()


def test_a_config_file_sets_what_no_flag_sets(run: Run, rows: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(f"recipe: {FAKE}\nthreshold: 0.95\nfield: text\nmax-bad: 3\n", "utf-8")
    out = rows.with_name("out.jsonl")

    assert run("clean", rows, "-o", out, "--config", config).code == 0
    assert out.read_bytes() == rows.read_bytes()
    flagged = run("clean", rows, "-o", out, "--config", config, "--threshold", "0.5", "--fresh")
    assert flagged.code == 0
    assert out.read_bytes() != rows.read_bytes()


def test_a_config_file_s_unknown_key_gets_the_nearest_known(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text("treshold: 0.9\n", "utf-8")

    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), "--config", config)

    assert ran.code == 2
    assert ran.err == (
        f"error: clean has no setting 'treshold' (in {config}); did you mean 'threshold'?\n"
    )


def test_a_config_file_s_wrong_value_is_refused(run: Run, rows: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text("max_bad: many\n", "utf-8")
    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), "--config", config)
    assert ran.code == 2
    assert "--max-bad" in ran.err


def test_roles_say_whose_words_are_edited(run: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    said = [{"role": role, "content": "you idiot"} for role in ("system", "user", "assistant")]
    source.write_text(json.dumps({"messages": said}) + "\n")

    def contents(*options: str) -> list[str]:
        assert run("clean", source, "-o", out, "--recipe", FAKE, "--fresh", *options).code == 0
        return [message["content"] for message in lines(out)[0]["messages"]]

    assert contents() == ["you idiot", "you idiot", "you"]
    assert contents("--roles", "user=rewrite, assistant=keep") == ["you idiot", "you", "you idiot"]
    ran = run("scan", source, "--recipe", FAKE, "--roles", "system=flag")
    assert [json.loads(line)["field"] for line in ran.out.splitlines()] == [
        f"/messages/{at}/content" for at in range(3)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "hi", "completion": "you idiot"},
        {"prompt": "hi", "chosen": "you idiot", "rejected": "no"},
        {"instruction": "hi", "input": "", "output": "you idiot"},
        {"prompt": "hi", "response": "you idiot"},
        {"text": "you idiot"},
    ],
)
def test_rows_are_dropped_by_the_assistants_words_in_any_format(
    run: Run, tmp_path: Path, row: dict[str, str]
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(row) + "\n")
    ran = run("clean", source, "-o", out, "--recipe", FAKE, "--roles", "assistant=drop,text=drop")
    assert (ran.code, out.read_text()) == (0, "")


@pytest.mark.parametrize("given", ["human=rewrite", "Prompter=rewrite", "User=rewrite"])
def test_a_role_may_be_called_as_data_calls_it(run: Run, tmp_path: Path, given: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    said = [{"from": "human", "value": "you idiot"}, {"from": "gpt", "value": "hm"}]
    source.write_text(json.dumps({"conversations": said}) + "\n")
    assert run("clean", source, "-o", out, "--recipe", FAKE, "--roles", given).code == 0
    assert lines(out)[0]["conversations"][0]["value"] == "you"


def test_a_role_of_the_data_s_own_gets_what_is_asked_and_no_word(run: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"messages": [{"role": "agent", "content": "you idiot"}]}\n')
    ran = run("clean", source, "-o", out, "--recipe", FAKE, "--roles", "agent=rewrite")
    assert lines(out)[0]["messages"][0]["content"] == "you"
    assert "had the role" not in ran.err
    assert "left unread" not in ran.err


def test_a_role_that_no_text_had_is_named_at_the_end(run: Run, rows: Path) -> None:
    said = "no text had the role 'assistent'; did you mean 'assistant'?"
    options = ("--recipe", FAKE, "--roles", "assistent=drop,user=drop")
    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), *options)
    assert (ran.code, said in ran.err.splitlines()) == (0, True)
    assert "'user'" not in ran.err
    ran = run("scan", rows, *options)
    assert (ran.code, ran.err.splitlines()[-1]) == (0, said)
    assert run("scan", rows, *options, "--quiet").err == ""


def test_texts_of_roles_that_nobody_knows_are_counted(run: Run, tmp_path: Path) -> None:
    def heard(*roles: str, options: tuple[str, ...] = ()) -> str:
        source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
        said = [{"role": role, "content": "you idiot"} for role in roles]
        source.write_text(json.dumps({"messages": said}) + "\n")
        return run("clean", source, "-o", out, "--recipe", FAKE, "--fresh", *options).err

    roles = ("agent", "judge", "tool", "user", "judge")
    assert "left unread: 3 ('judge', 'agent'); say what becomes of them with --roles" in heard(
        *roles
    )
    assert "left unread" not in heard(*roles, options=("--roles", "agent=rewrite,judge=keep"))
    # A text that stands where a role should isn't quoted.
    assert "left unread: 2 ('agent', …)" in heard("agent", "you moron")


def test_an_unknown_action_is_refused_by_name(run: Run, rows: Path) -> None:
    ran = run("scan", rows, "--recipe", FAKE, "--roles", "user=rewirte")
    assert ran.code == 2
    assert ran.err == (
        "error: roles: expected an action for 'user', got 'rewirte'; did you mean 'rewrite'?\n"
    )


def test_other_roles_in_a_finished_run_are_a_conflict(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    assert run("clean", rows, "-o", out, "--recipe", FAKE).code == 0
    ran = run("clean", rows, "-o", out, "--recipe", FAKE, "--roles", "user=rewrite")
    assert ran.code == 7
    assert "roles" in ran.err


def test_array_jobs_share_a_run(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE)
    assert run(*command, "--shard-index", 1, "--num-shards", 2).code == 0
    ran = run(*command, "--shard-index", 0, "--num-shards", 2)
    assert (ran.code, out.exists()) == (0, False)
    assert "3 rows are done" in ran.err
    assert run(*command).code == 0
    assert len(lines(out)) == 3


@pytest.mark.parametrize(
    "options", ["--shard-index 0", "--num-shards 2", "--shard-index 2 --num-shards 2"]
)
def test_a_share_needs_both_numbers_and_the_first_the_smaller(
    run: Run, rows: Path, options: str
) -> None:
    command = ("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", FAKE)
    assert run(*command, *options.split()).code == 2


def test_standard_input_cant_be_shared(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    shared = ("--shard-index", 0, "--num-shards", 2)
    ran = run("clean", "-", "-o", out, "--recipe", FAKE, *shared, stdin=rows.read_bytes())
    assert ran.code == 2
    assert "write it to a file first" in ran.err


def test_what_is_copied_unread_is_told(run: Run, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "deeper").mkdir(parents=True)
    (raw / "a.jsonl").write_text('{"text": "you idiot"}\n')
    (raw / "README.md").write_text("# Ours\n")
    command = ("clean", raw, "-o", tmp_path / "out", "--recipe", FAKE, "--fresh")
    assert "files copied" not in run(*command).err
    (raw / "LICENSE").write_text("MIT")
    assert "files copied unread for their endings: 1 (LICENSE)\n" in run(*command).err
    for name in ("NOTICE.md", "a.png", "deeper/b.yaml"):
        (raw / name).write_text("x")
    told = "files copied unread for their endings: 4 (LICENSE, NOTICE.md, a.png, …)\n"
    assert told in run(*command).err


def test_a_name_that_is_too_long_is_one_line(run: Run, rows: Path) -> None:
    out = rows.with_name("x" * 240 + ".jsonl")
    ran = run("clean", "-", "-o", out, "--recipe", FAKE, stdin=rows.read_bytes())
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert ran.err.endswith("File name too long\n")
    assert len(ran.err.splitlines()) == 1


def test_a_cleaned_folder_has_a_card_that_reverting_takes_back(run: Run, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    (raw / "a.jsonl").write_text('{"text": "you idiot"}\n{"text": "fine"}\n')
    (raw / "README.md").write_text("# Ours\n")
    command = ("clean", raw, "-o", out, "--recipe", FAKE)
    assert run(*command).code == 0
    made = (out / "README.md").read_text()
    assert made.startswith("# Ours\n\n<!-- trustydetox:start -->")
    assert "| `a.jsonl` | 2 | 50 % |" in made
    assert run(*command, "--fresh").code == 0
    assert (out / "README.md").read_text() == made
    assert run("revert", tmp_path / "out.detox", "-o", tmp_path / "again").code == 0
    assert (tmp_path / "again" / "README.md").read_text() == "# Ours\n"
