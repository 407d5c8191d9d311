"""Exit codes, one-line errors, signals and pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FAKE, Run

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["cleen"], 2, "error: No such command 'cleen'. Did you mean 'clean'?"),
        (["xyz"], 2, "error: No such command 'xyz'."),
        (["clean", "in.jsonl"], 2, "error: Missing option '-o' / '--out'."),
        (
            ["clean", "in.jsonl", "-o", "out.jsonl", "--recipe", "minni"],
            2,
            "error: no recipe is called 'minni'; did you mean 'mini'?",
        ),
        (
            ["clean", "in.jsonl", "-o", "out.jsonl", "--recipe", "FAKE", "--threshold", "1.2"],
            2,
            "error: recipe 'fake': threshold must be less than or equal to 1, got 1.2",
        ),
        (
            ["clean", "in.jsonl", "-o", "in.jsonl", "--recipe", "FAKE"],
            2,
            "error: output and input are the same file: in.jsonl",
        ),
        (
            ["clean", "in.jsonl", "-o", "out.jsonl", "--recipe", "FAKE", "--field", "txt"],
            3,
            "error: no column is called 'txt'; did you mean 'text'? (columns: 'text', 'n')",
        ),
        (
            ["schema", "polcy"],
            2,
            "error: Invalid value for 'name': 'polcy' is not one of 'policy', 'recipe'; "
            "did you mean 'policy'?",
        ),
        (
            ["diff", "run", "--action", "xyz"],
            2,
            "error: Invalid value for '--action': 'xyz' is not one of 'rewritten', 'dropped', "
            "'redacted', 'kept'.",
        ),
        (
            ["scan", "in.jsonl", "--roles", "user:rewrite"],
            2,
            "error: roles: expected ROLE=ACTION, such as user=rewrite, got 'user:rewrite'",
        ),
        (
            ["scan", "in.jsonl", "--roles", "user=flag, user =rewrite"],
            2,
            "error: roles: 'user' is named twice: name it once",
        ),
        (
            ["explore", "mini"],
            2,
            "error: 'mini' is a recipe, no model: expected a folder or an id of the Hub; "
            "`trustydetox list` shows recipes",
        ),
        (
            ["clean", "gone.jsonl", "-o", "out.jsonl", "--recipe", "FAKE"],
            3,
            "error: can't read gone.jsonl: No such file or directory",
        ),
        (
            ["clean", "in.jsonl", "-o", "out.docx", "--recipe", "FAKE"],
            2,
            "error: can't tell the format of out.docx by its ending: expected .jsonl, .json, "
            ".csv, .parquet, .txt, .ndjson, all but .parquet also with .gz or .zst",
        ),
        (
            ["clean", "in.jsonl", "-o", "out.jsonl", "--recipe", "FAKE", "--allow-list", "no.txt"],
            2,
            "error: can't read the word list no.txt: No such file or directory",
        ),
        (["revert", "in.detox", "-o", "back.jsonl"], 3, None),
        (["diff", "in.detox"], 3, None),
    ],
)
def test_an_expected_error_is_one_line_and_its_exit_code(
    run: Run,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str | None,
) -> None:
    monkeypatch.chdir(rows.parent)

    ran = run(*[str(FAKE) if argument == "FAKE" else argument for argument in arguments])

    assert (ran.code, ran.out) == (code, "")
    assert ran.err.count("\n") == 1
    if message is not None:
        assert ran.err == f"{message}\n"


@pytest.mark.parametrize("flag", [["--engin", "ray"], ["--sharding", "0"], ["--no-such-flag"]])
def test_a_flag_that_is_not_built_is_refused(run: Run, rows: Path, flag: list[str]) -> None:
    out = rows.with_name("out.jsonl")
    ran = run("clean", rows, "-o", out, "--recipe", FAKE, *flag)
    assert ran.code == 2
    assert ran.err.startswith(f"error: No such option: {flag[0]}")
    assert not out.exists()


def test_a_plug_in_that_can_t_be_imported_gives_6(run: Run, rows: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "broken.yaml"
    text = FAKE.read_text("utf-8").replace("scorer: fake-words", "scorer: fake-broken")
    recipe.write_text(text, "utf-8")
    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", recipe)
    assert ran.code == 6
    assert ran.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_gives_5(spawn: Spawn, rows: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = spawn("scan", rows, "--recipe", FAKE, out=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert err.decode() == "error: can't write standard output: No space left on device\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_an_unwritable_output_is_one_line(run: Run, rows: Path) -> None:
    rows.parent.chmod(0o500)
    ran = run("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", FAKE)
    rows.parent.chmod(0o700)
    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_an_output_in_no_folder_is_one_line(run: Run, rows: Path) -> None:
    ran = run("clean", rows, "-o", rows.parent / "no" / "out.jsonl", "--recipe", FAKE)
    assert ran.code == 2
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_gives_an_empty_file(run: Run, rows: Path, content: bytes) -> None:
    rows.write_bytes(content)
    out = rows.with_name("out.jsonl")
    ran = run("clean", rows, "-o", out, "--recipe", FAKE)
    assert ran.code == 0
    assert out.read_bytes() == content


def test_a_defect_keeps_its_traceback(
    run: Run, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("trustydetox.corpus.clean_file", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        run("clean", rows, "-o", rows.with_name("out.jsonl"), "--recipe", FAKE)


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_interrupted_run_says_so_and_leaves_nothing(
    spawn: Spawn, rows: Path, sent: signal.Signals, code: int, said: str
) -> None:
    out = rows.with_name("out.jsonl")
    process = spawn("clean", "-", "-o", out, "--recipe", FAKE, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    # More than is read at a time, so that the run has begun; then it waits for more.
    process.stdin.write(b'{"text": "a fine day"}\n' * 20_000)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(rows.parent.glob(".out*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    # A signal just before a blocking read waits for that read: let it begin.
    time.sleep(1)
    process.send_signal(sent)
    process.wait(timeout=60)

    assert process.returncode == code
    assert process.stderr.read().decode() == f"{said}\n"
    assert [path.name for path in rows.parent.iterdir()] == ["in.jsonl"]


def test_a_terminated_run_says_that_it_goes_on_and_does(run: Run, spawn: Spawn, rows: Path) -> None:
    texts = (f"you {'sir' if n % 99 else 'idiot'} {n}" for n in range(40_000))
    rows.write_text("".join(f'{{"text": "{text}"}}\n' for text in texts), "utf-8")
    out = rows.with_name("out.jsonl")
    process = spawn("clean", rows, "-o", out, "--recipe", FAKE, "--workers", "2")
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    while not list(rows.parent.glob(".*/ledger/shards/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)

    assert process.returncode == 143
    assert process.stderr.read().decode() == (
        "terminated\nwhat is done is kept: the same command goes on after it\n"
    )
    assert {path.name for path in rows.parent.iterdir()} == {"in.jsonl", ".out.jsonl.detox.part"}
    # The control: what goes on after it is another command's affair.
    assert run("clean", rows, "-o", out, "--recipe", FAKE, "--threshold", "0.6").code == 7
    assert run("clean", rows, "-o", out, "--recipe", FAKE).code == 0
    assert out.read_text("utf-8") == rows.read_text("utf-8").replace(" idiot", "")
    assert {path.name for path in rows.parent.iterdir()} == {
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.detox",
    }


def test_a_reader_that_leaves_early_is_no_complaint(spawn: Spawn, rows: Path) -> None:
    rows.write_text('{"text": "a fine day"}\n' * 5000, "utf-8")
    process = spawn("scan", rows, "--recipe", FAKE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141


def test_standard_output_carries_data_only(spawn: Spawn, rows: Path) -> None:
    process = spawn("clean", rows, "-o", "-", "--run", rows.with_name("run"), "--recipe", FAKE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == (
        b'{"text": "you, come here", "n": 1}\n'
        b'{"text": "a fine day", "n": 2}\n'
        b'{"text": "", "n": 3}\n'
    )
    assert b"run folder" in err


def test_help_and_version_go_to_standard_output(run: Run) -> None:
    assert run("--help").out.startswith("Usage: trustydetox")
    assert run("--version").out.startswith("trustydetox ")
    assert run("clean", "-h").code == 0


def test_no_command_shows_the_help_and_gives_2(run: Run) -> None:
    ran = run()
    assert ran.code == 2
    assert "Commands:" in ran.err
