from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FAKE, Run
from trustydetox.cli.review import edited
from trustydetox.errors import ConfigError

TEXTS = (
    "you idiot, come here",
    "a fine day",
    "stupid idiot",
    "damn moron",
    "what a stupid weather",
)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), "utf-8")
    return path


@pytest.fixture
def folder(run: Run, rows: Path) -> Path:
    out = rows.with_name("out.jsonl")
    assert run("clean", rows, "-o", out, "--recipe", FAKE).code == 0
    return Path(f"{out}.detox")


def decided(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "review.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_edit_is_shown_and_decided(run: Run, folder: Path) -> None:
    ran = run("review", folder, "--reviewer", "ann", stdin="a\nr\ne\na fool\nk\n")

    assert (ran.code, ran.err) == (0, f"4 decided, in {folder / 'review.jsonl'}\n")
    assert "1 of 4\nrow 0, text: rewritten, toxicity 0.90 -> 0.00\n- you[- idiot-], come" in ran.out
    found = [(one["row"], one["decision"], one["text"], one["reviewer"]) for one in decided(folder)]
    assert found == [
        (0, "accept", None, "ann"),
        (2, "reject", None, "ann"),
        (3, "edit", "a fool", "ann"),
        (4, "keep", None, "ann"),
    ]
    assert (folder / "review.jsonl").stat().st_mode & 0o777 == 0o600


def test_it_goes_on_where_it_was_left_and_what_was_skipped_comes_again(
    run: Run, folder: Path
) -> None:
    run("review", folder, "--reviewer", "ann", stdin="s\na\nq\n")
    run("review", folder, "--reviewer", "ann", stdin="k\n")
    assert [(one["row"], one["decision"]) for one in decided(folder)] == [
        (2, "accept"),
        (0, "keep"),
    ]


def test_an_unknown_key_explains_the_keys_and_asks_again(run: Run, folder: Path) -> None:
    ran = run("review", folder, "--most", "1", stdin="x\na\n")
    assert "keep: nothing is wrong with the original" in ran.out
    assert [one["decision"] for one in decided(folder)] == ["accept"]


def test_the_next_run_takes_what_was_decided_as_it_is(run: Run, rows: Path, folder: Path) -> None:
    run("review", folder, stdin="a\nr\ne\nplain words\nk\n")
    out = rows.with_name("out.jsonl")

    refused = run("clean", rows, "-o", out, "--recipe", FAKE, "--review", folder / "review.jsonl")
    ran = run(
        "clean", rows, "-o", out, "--recipe", FAKE, "--review", folder / "review.jsonl", "--fresh"
    )

    assert (refused.code, ran.code) == (7, 0)
    assert "review" in refused.err
    written = [json.loads(line)["text"] for line in out.read_text("utf-8").splitlines()]
    assert written == ["you, come here", "a fine day", "plain words", "what a stupid weather"]
    records = [
        json.loads(line) for line in (folder / "records.jsonl").read_text("utf-8").splitlines()
    ]
    assert [one["verdict"] for one in records[2:]] == [
        "unresolved",
        "rewritten",
        "clean",
    ]
    assert len(decided(folder)) == 4, "the decisions were lost with the run before"


def test_without_the_decisions_the_models_would_have_said_otherwise(
    run: Run, rows: Path, folder: Path
) -> None:
    assert "plain words" not in rows.with_name("out.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    ("fallback", "left"), [("drop", None), ("keep", "stupid idiot"), ("redact", "[removed] idiot")]
)
def test_what_a_reviewer_refused_falls_back(
    run: Run, rows: Path, folder: Path, fallback: str, left: str | None
) -> None:
    rows.write_text('{"text": "stupid idiot"}\n', "utf-8")
    out = rows.with_name("other.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE)
    review = Path(f"{out}.detox") / "review.jsonl"
    run("review", review.parent, stdin="r\n")
    line = json.loads(review.read_text("utf-8"))
    line["spans"] = line["spans"][:1]
    review.write_text(json.dumps(line), "utf-8")

    again = rows.with_name("again.jsonl")
    options = ("--recipe", FAKE, "--review", review, "--fallback", fallback)
    assert run("clean", rows, "-o", again, *options).code == 0

    written = [json.loads(line)["text"] for line in again.read_text("utf-8").splitlines()]
    assert written == ([] if left is None else [left])


def test_texts_go_out_and_their_decisions_come_in(run: Run, folder: Path, tmp_path: Path) -> None:
    away = tmp_path / "away.jsonl"
    out = run("review", folder, "--by", "uncertain", "--most", "2", "--export", away)
    assert out.err == f"2 texts to decide, in {away}\n"
    lines = [json.loads(line) for line in away.read_text("utf-8").splitlines()]
    # 0.6 is nearest to the threshold of 0.5.
    assert lines[0]["original"] == "what a stupid weather"
    lines[0]["decision"] = "keep"
    away.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    back = run("review", folder, "--import", away, "--reviewer", "bea")

    assert back.err == f"1 decisions added to {folder / 'review.jsonl'}\n"
    assert [(one["row"], one["reviewer"]) for one in decided(folder)] == [(4, "bea")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decision": "perhaps"}, "is no decision"),
        ({"decision": "edit"}, "`text` for edit"),
        (
            {"decision": "edit", "text": "you \ud800"},
            "a lone surrogate, which no UTF-8 text can hold",
        ),
        ({"decision": "keep", "row": 2}, "another text"),
        (
            {"decision": "keep", "edits": [{"start": 0, "end": 99, "replacement": ""}]},
            "no decision",
        ),
    ],
)
def test_decisions_that_don_t_fit_are_one_line(
    run: Run, folder: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    away = tmp_path / "away.jsonl"
    run("review", folder, "--most", "1", "--export", away)
    line = json.loads(away.read_text("utf-8")) | changes
    away.write_text(json.dumps(line), "utf-8")

    ran = run("review", folder, "--import", away)

    assert (ran.code, len(ran.err.splitlines())) == (3, 1)
    assert said in ran.err
    assert "idiot" not in ran.err


def test_how_far_two_reviewers_agree(run: Run, folder: Path) -> None:
    run("review", folder, "--reviewer", "ann", stdin="a\na\nr\nr\n")
    run("review", folder, "--reviewer", "bea", stdin="a\na\nr\na\n")

    said = run("review", folder, "--agreement").out

    # Observed 3 of 4; by chance 0.5 * 0.75 + 0.5 * 0.25 = 0.5.
    assert said.startswith(
        "ann and bea: 4 texts decided by both, the same 75% [30%, 95%], kappa 0.50 ["
    )


def test_where_reviewers_differ_nothing_stands(run: Run, rows: Path, folder: Path) -> None:
    run("review", folder, "--reviewer", "ann", stdin="k\n")
    run("review", folder, "--reviewer", "bea", stdin="a\n")
    out = rows.with_name("again.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE, "--review", folder / "review.jsonl")
    assert json.loads(out.read_text("utf-8").splitlines()[0]) == {"text": "you, come here"}


def test_on_a_terminal_another_text_is_written_in_the_editor(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/come here/please come/' \"$1\"\n", "utf-8")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert edited("you, come here") == "you, please come"
    assert edited("unchanged") is None
    monkeypatch.setenv("VISUAL", "no-such-editor")
    with pytest.raises(ConfigError, match="no-such-editor"):
        edited("you, come here")


@pytest.mark.parametrize("text", ["you, come here\r\nplease", "you,\r\ncome here\r\n"])
def test_line_ends_that_an_editor_leaves_are_no_edit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\n[ -s "$1" ]\n', "utf-8")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert edited(text) is None
    # Many end the last line, too, as they do the others.
    ends = "" if text.endswith("\n") else "\\r\\n"
    editor.write_text(f'#!/bin/sh\nsed -i s/here/there/ "$1"; printf \'{ends}\' >> "$1"\n', "utf-8")
    assert edited(text) == text.replace("here", "there")


def test_at_most_so_many_are_the_next_ones_each_time(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    for by in ("order", "uncertain"):
        for _ in range(2):
            run("review", folder, "--reviewer", by, "--by", by, "--most", 2, stdin="a\na\n")
    found = [(one["reviewer"], one["row"]) for one in decided(folder)]
    assert found[:4] == [("order", 0), ("order", 2), ("order", 3), ("order", 4)]
    assert sorted(found[4:]) == [
        ("uncertain", 0),
        ("uncertain", 2),
        ("uncertain", 3),
        ("uncertain", 4),
    ]


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 4711"), OSError("no name")])
def test_an_account_without_a_name_is_one_line(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nameless(uid: int) -> None:
        raise error

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nameless)
    ran = run("review", folder, stdin="a\n")
    assert ran.code == 2
    assert ran.err == "error: this account has no name: name yourself with --reviewer\n"
    assert run("review", folder, "--reviewer", "ann", stdin="a\na\na\na\n").code == 0
    assert run("review", folder, "--reviewer", "bea", stdin="a\na\na\na\n").code == 0
    assert run("review", folder, "--agreement").code == 0


def test_decisions_from_elsewhere_keep_their_lines_whole(run: Run, tmp_path: Path) -> None:
    rows, out, away = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "away.jsonl"))
    rows.write_text('{"text": "you \u2028 idiot \u2028 idiot \u2028 idiot"}\n', "utf-8")
    command = ("clean", rows, "-o", out, "--recipe", FAKE)
    assert run(*command).code == 0
    folder = Path(f"{out}.detox")
    run("review", folder, "--export", away)
    line = json.loads(away.read_text("utf-8")) | {"decision": "keep", "reviewer": "ann"}
    # As most tools write it: no escapes, and no line end.
    away.write_text(json.dumps(line, ensure_ascii=False), "utf-8")
    (folder / "review.jsonl").write_bytes(away.read_bytes() + b"\n")

    assert run(*command, "--fresh", "--review", away).code == 0

    assert (folder / "review.jsonl").read_bytes() == away.read_bytes() + b"\n"
    assert out.read_bytes() == rows.read_bytes()


def test_decisions_of_both_sides_stand_in_the_next_run(run: Run, rows: Path, folder: Path) -> None:
    run("review", folder, "--reviewer", "ann", stdin="a\n")
    mine = (folder / "review.jsonl").read_bytes()
    (folder / "review.jsonl").unlink()
    run("review", folder, "--reviewer", "bea", stdin="s\na\n")
    away = rows.with_name("away.jsonl")
    away.write_bytes(mine)
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--fresh", "--review", away)
    assert run(*command).code == 0
    assert [(one["reviewer"], one["row"]) for one in decided(folder)] == [("bea", 2), ("ann", 0)]


def test_the_order_at_random_is_the_seed_s(run: Run, folder: Path, tmp_path: Path) -> None:
    def order(seed: int) -> list[int]:
        away = tmp_path / "away.jsonl"
        run("review", folder, "--by", "random", "--seed", seed, "--export", away)
        return [json.loads(line)["row"] for line in away.read_text("utf-8").splitlines()]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1


KTO = '{"prompt": "hi", "completion": "you idiot", "label": %s}\n'


def test_what_was_only_scored_and_accepted_says_nothing_of_an_edit(
    run: Run, tmp_path: Path
) -> None:
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_text(KTO % "false" + KTO % "true", "utf-8")
    command = ("clean", rows, "-o", out, "--recipe", FAKE)
    assert run(*command).code == 0
    mended = out.read_bytes()
    assert mended.count(b"idiot") == 1
    review = tmp_path / "out.jsonl.detox" / "review.jsonl"
    run("review", review.parent, stdin="a\na\n")
    assert [one["decision"] for one in decided(review.parent)] == ["accept", "accept"]

    assert run(*command, "--fresh", "--review", review).code == 0

    assert out.read_bytes() == mended


def test_two_outcomes_that_were_accepted_are_two_decisions(run: Run, tmp_path: Path) -> None:
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    said = [{"role": role, "content": "you idiot"} for role in ("user", "assistant")]
    rows.write_text(json.dumps({"messages": said}) + "\n", "utf-8")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--roles", "user=redact")
    assert run(*command).code == 0
    mended = out.read_bytes()
    review = tmp_path / "out.jsonl.detox" / "review.jsonl"
    run("review", review.parent, stdin="a\na\n")

    assert run(*command, "--fresh", "--review", review).code == 0

    assert out.read_bytes() == mended


@pytest.mark.parametrize("action", ["drop", "flag", "redact"])
def test_an_original_that_is_kept_stands_whatever_its_role_gets(
    run: Run, rows: Path, action: str
) -> None:
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--roles", f"text={action}")
    assert run(*command).code == 0
    review = Path(f"{out}.detox") / "review.jsonl"
    run("review", review.parent, stdin="k\nk\nk\nk\n")

    assert run(*command, "--fresh", "--review", review).code == 0

    assert out.read_bytes() == rows.read_bytes()
    records = (review.parent / "records.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["verdict"] for line in records} == {"clean"}


def test_another_text_for_one_that_is_only_scored_waits_until_it_may_be_edited(
    run: Run, rows: Path
) -> None:
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--fresh")
    flagged = (*command, "--roles", "text=flag")
    assert run(*flagged).code == 0
    review = Path(f"{out}.detox") / "review.jsonl"
    ran = run("review", review.parent, "--most", 1, stdin="e\nyou, over there\n")
    assert "is only scored, or dropped, stays so" in ran.out
    away = rows.with_name("away.jsonl")
    away.write_bytes(review.read_bytes())
    ran = run("review", review.parent, "--import", away)
    assert "1 of them: a text that is only scored, or dropped, stays so" in ran.err

    assert run(*flagged, "--review", away).code == 0
    assert out.read_bytes() == rows.read_bytes()
    assert run(*command, "--review", away).code == 0
    assert json.loads(out.read_text("utf-8").splitlines()[0]) == {"text": "you, over there"}


def test_what_was_made_of_an_answer_mends_none_that_is_rejected(run: Run, tmp_path: Path) -> None:
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_text(KTO % "false" + KTO % "true", "utf-8")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--fresh")
    run(*command)
    review = tmp_path / "out.jsonl.detox" / "review.jsonl"
    run("review", review.parent, stdin="s\ne\nyou there\n")

    assert run(*command, "--review", review).code == 0

    left = [json.loads(line)["completion"] for line in out.read_text("utf-8").splitlines()]
    assert left == ["you idiot", "you there"]


def test_the_sample_of_a_seed_is_the_same_after_a_pause(run: Run, folder: Path) -> None:
    def go(name: str, stdin: str) -> list[int]:
        command = ("--by", "random", "--most", 2, "--seed", 3, "--reviewer", name)
        assert run("review", folder, *command, stdin=stdin).code == 0
        return [one["row"] for one in decided(folder) if one["reviewer"] == name]

    drawn = go("ann", "a\na\n")
    assert len(drawn) == 2
    assert go("bea", "a\nq\n") == drawn[:1]
    assert go("bea", "a\na\n") == drawn
    assert go("bea", "a\na\n") == drawn
