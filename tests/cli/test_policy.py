"""`clean --policy` and `--fail-on`, and the schema of a policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FAKE, Run


def chat(folder: Path, *turns: tuple[str, str]) -> Path:
    path = folder / "in.jsonl"
    said = [{"role": role, "content": content} for role, content in turns]
    path.write_text(json.dumps({"messages": said}) + "\n")
    return path


def cleaned(run: Run, source: Path, policy: str) -> tuple[list[list[str]], list[dict[str, object]]]:
    """The contents of the conversations that are left, and the records."""
    out, rules = source.with_name("out.jsonl"), source.with_name("rules.yaml")
    rules.write_text(policy)
    assert run("clean", source, "-o", out, "--recipe", FAKE, "--policy", rules, "--fresh").code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    records = source.with_name("out.jsonl.detox") / "records.jsonl"
    return (
        [[one["content"] for one in row["messages"]] for row in rows],
        [json.loads(line) for line in records.read_text().splitlines()],
    )


INSULTS = (("user", "you idiot"), ("assistant", "no, you idiot"))


@pytest.mark.parametrize(
    ("action", "rows", "reason", "rule"),
    [
        ("rewrite", [["you", "no, you"]], "", "threshold"),
        ("redact", [["you [removed]", "no, you"]], "policy", "roles.user.threshold"),
        ("drop", [], "policy", "roles.user.threshold"),
        ("flag", [["you idiot", "no, you"]], "score-only", "roles.user.threshold"),
    ],
)
def test_a_role_gets_what_the_policy_says(
    run: Run, tmp_path: Path, action: str, rows: list[list[str]], reason: str, rule: str
) -> None:
    left, records = cleaned(run, chat(tmp_path, *INSULTS), f"roles: {{user: {action}}}")
    assert left == rows
    assert (records[0]["reason"], records[0]["rule"]) == (reason, rule)


def test_words_that_are_kept_arent_even_read(run: Run, tmp_path: Path) -> None:
    _, records = cleaned(run, chat(tmp_path, *INSULTS), "roles: {user: keep}")
    assert [record["field"] for record in records] == ["/messages/1/content"]


def test_a_role_s_own_threshold_is_its_own(run: Run, tmp_path: Path) -> None:
    policy = "threshold: 0.99\nroles: {user: {action: rewrite, threshold: 0.5}}"
    left, records = cleaned(run, chat(tmp_path, *INSULTS), policy)
    assert left == [["you", "no, you idiot"]]
    assert [record.get("rule") for record in records] == ["roles.user.threshold", None]


def test_a_threshold_alone_changes_nothing_of_what_becomes_of_a_role(
    run: Run, tmp_path: Path
) -> None:
    left, records = cleaned(run, chat(tmp_path, *INSULTS), "roles: {user: {threshold: 0.5}}")
    assert left == [["you idiot", "no, you"]]
    assert [record["reason"] for record in records] == ["score-only", ""]


def test_what_a_rule_keeps_leaves_as_it_came_and_the_record_names_the_rule(
    run: Run, tmp_path: Path
) -> None:
    source = chat(tmp_path, ("assistant", 'He said "you idiot" to me'))
    left, (record,) = cleaned(run, source, "spare: [quotation]")
    assert left == [['He said "you idiot" to me']]
    assert (record["verdict"], record["reason"]) == ("unresolved", "spared")
    assert record["vetoes"] == [{"start": 13, "end": 18, "rule": "quotation"}]


def test_a_flag_wins_over_the_policy(run: Run, rows: Path) -> None:
    out, rules = rows.with_name("out.jsonl"), rows.with_name("rules.yaml")
    rules.write_text("threshold: 0.99")
    command = ("clean", rows, "-o", out, "--recipe", FAKE, "--policy", rules, "--fresh")
    assert run(*command).code == 0
    assert out.read_bytes() == rows.read_bytes()
    assert run(*command, "--threshold", "0.5").code == 0
    assert out.read_bytes() != rows.read_bytes()


def test_a_broken_budget_is_exit_1_with_the_output_written(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    command = ("clean", rows, "-o", out, "--recipe", FAKE)
    ran = run(*command, "--fail-on", "edit_rate>0.5")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        "error: edit_rate is 0.6667 (2 of 3): the gate is edit_rate>0.5"
    )
    assert out.exists()
    assert run(*command, "--fail-on", "edit_rate>0.7").code == 0


def test_a_policy_brings_its_budgets(run: Run, rows: Path) -> None:
    rules = rows.with_name("rules.yaml")
    rules.write_text("fail_on: [toxic_rate > 0.1]")
    out = rows.with_name("out.jsonl")
    assert run("clean", rows, "-o", out, "--recipe", FAKE, "--policy", rules).code == 1


def test_bad_rows_weigh_more_than_a_broken_budget(run: Run, rows: Path) -> None:
    with rows.open("a") as file:
        file.write("no row\n")
    ran = run(
        "clean", rows, "-o", rows.with_name("o.jsonl"), "--recipe", FAKE,
        "--fail-on", "edit_rate>0",
    )  # fmt: skip
    assert ran.code == 4


def test_a_gate_that_makes_no_sense_is_refused_before_anything_is_done(
    run: Run, rows: Path
) -> None:
    out = rows.with_name("out.jsonl")
    assert run("clean", rows, "-o", out, "--recipe", FAKE, "--fail-on", "drops>1").code == 2
    assert not out.exists()


@pytest.mark.parametrize("name", ["policy", "recipe"])
def test_a_schema_is_printed_as_json(run: Run, name: str) -> None:
    assert json.loads(run("schema", name).out)["additionalProperties"] is False
