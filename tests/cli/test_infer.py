from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.serving.conftest import Serve
from tests.serving.conftest import serve as serve
from tests.serving.replaying import COMPLETION, DONE, NEW, PROMPT, Replay, chunk
from trustydetox.errors import ConfigError, InputError, ModelError

TOO_MANY_BAD = 4


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Two prompts, one row of which is no JSON."""
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": PROMPT}) + '\n{"prompt": \n{"prompt": "a | b"}\n')
    return path


def test_one_prompt_gives_its_completion(run: Run, serve: Serve) -> None:
    replay = Replay(COMPLETION)
    url = serve(replay.app)
    ran = run("infer", url, "-m", "opt", "--text", PROMPT, "--max-tokens", 4)
    assert (ran.code, ran.out, ran.err) == (0, f"{NEW}\n", "")
    assert replay.asked[0][1]["max_tokens"] == 4


def test_a_stream_is_printed_as_it_comes_and_its_break_is_an_error(run: Run, serve: Serve) -> None:
    url = serve(Replay([chunk(" a"), chunk(" b", "stop"), DONE], [chunk(" a")]).app)
    ran = run("infer", url, "-m", "opt", "--text", PROMPT, "--stream")
    assert (ran.code, ran.out) == (0, " a b\n")
    ran = run("infer", url, "-m", "opt", "--text", PROMPT, "--stream")
    assert (ran.code, ran.out) == (ModelError.exit_code, " a")
    assert "broke off after 2 characters" in ran.err


def test_a_file_of_prompts_gives_a_line_each_and_bad_rows_are_counted(
    run: Run, serve: Serve, prompts: Path, tmp_path: Path
) -> None:
    refused = (400, {"error": {"message": "too long", "code": 400}})
    url = serve(Replay(COMPLETION, refused).app)
    out = tmp_path / "out.jsonl"
    ran = run("infer", url, "-m", "opt", "--prompts", prompts, "-o", out)
    assert (ran.code, ran.out) == (TOO_MANY_BAD, "")
    first, second, third = map(json.loads, out.read_text().splitlines())
    assert first == {"row": 0, "field": "prompt", "prompt": PROMPT, "completion": NEW}
    assert (second["row"], set(second)) == (1, {"row", "error"})
    assert third["row"] == 2
    assert third["error"].endswith("answers 400: too long")
    assert "2 bad rows are more than --max-bad 0" in ran.err


def test_two_endpoints_make_a_table_of_before_and_after(
    run: Run, serve: Serve, prompts: Path, tmp_path: Path
) -> None:
    before = Replay({"choices": [{"text": " you\nidiot"}]})
    after = Replay(COMPLETION)
    urls = serve(after.app), serve(before.app)
    out = tmp_path / "table.md"
    asked = ("infer", urls[0], "-m", "new", "--before", urls[1], "--before-model", "old")
    ran = run(*asked, "--prompts", prompts, "-o", out, "--max-bad", 1)
    assert (ran.code, ran.err) == (0, "")
    head, rule, first, bad, last = out.read_text().splitlines()
    assert (head, rule) == ("| prompt | before | after |", "| --- | --- | --- |")
    assert first == f"| {PROMPT} |  you<br>idiot | {NEW} |"
    assert bad.startswith("| ")
    assert last == f"| a \\| b |  you<br>idiot | {NEW} |"
    assert {body["model"] for _, body, _ in before.asked} == {"old"}
    assert {body["model"] for _, body, _ in after.asked} == {"new"}
    ran = run(*asked, "--text", "a")
    assert json.loads(ran.out) == {"prompt": "a", "before": " you\nidiot", "after": NEW}


def test_a_model_that_isnt_reached_ends_the_run_and_leaves_no_file(
    run: Run, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    ran = run("infer", "http://127.0.0.1:9", "-m", "opt", "--prompts", prompts, "-o", out)
    assert ran.code == ModelError.exit_code
    assert ran.err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either --text or --prompts"),
        (("--text", "a", "--prompts", "b"), "either --text or --prompts"),
        (("--prompts", "b", "--stream"), "--stream prints the completion of one --text"),
        (("--text", "a", "--protocol", "openia"), "did you mean 'openai'"),
        (("--text", "a", "-o", "out.csv"), "a name in .jsonl or .md"),
        (("--text", "a", "--token-env", "NO_SUCH_TOKEN"), "NO_SUCH_TOKEN holds no token"),
    ],
)
def test_what_cant_be_asked_is_refused(run: Run, arguments: tuple[str, ...], words: str) -> None:
    ran = run("infer", "https://models.example", "-m", "opt", *arguments)
    assert ran.code == ConfigError.exit_code
    assert words in ran.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:abc", "http://[::1", "http://☃.example"])
def test_a_url_that_is_none_is_one_clear_line(run: Run, url: str) -> None:
    ran = run("infer", url, "-m", "opt", "--text", "a")
    assert (ran.code, ran.err.count("\n")) == (ConfigError.exit_code, 1)


def test_a_file_that_isnt_there_is_refused(run: Run) -> None:
    ran = run("infer", "https://models.example", "-m", "opt", "--prompts", "none.jsonl")
    assert ran.code == InputError.exit_code
