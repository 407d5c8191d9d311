from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import FAKE, Run
from trustydetox.cli.progress import duration, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticks(*seconds: float) -> Iterator[float]:
    return iter(seconds)


def test_without_a_terminal_a_line_comes_every_30_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = ticks(0.0, 10.0, 40.0, 60.0, 80.0).__next__

    with show_progress("clean", clock=clock) as advance:
        for rows in (1000, 2000, 3000, 4000):
            advance(rows, rows / 8000)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "clean: 2,000 rows, 50.0 rows/s, 25%, ETA 2:00",
        "clean: 4,000 rows, 50.0 rows/s, 50%, ETA 1:20",
    ]


def test_where_the_size_is_unknown_there_is_no_eta(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("scan", clock=ticks(0.0, 30.0).__next__) as advance:
        advance(60, None)
    assert capsys.readouterr().err == "scan: 60 rows, 2.0 rows/s\n"


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress("clean") as advance:
        advance(1000, 0.5)
    assert "clean" in screen.getvalue()
    assert "ETA" in screen.getvalue()


def test_programs_get_a_line_of_json_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ticks(0.0, 0.5, 2.0, 4.0).__next__

    with show_progress("clean", "json", clock=clock) as advance:
        advance(10, 0.1)
        advance(50, 0.5)
        advance(60, None)

    assert [json.loads(line) for line in capsys.readouterr().err.splitlines()] == [
        {
            "event": "progress",
            "command": "clean",
            "rows": 50,
            "share": 0.5,
            "spent_s": 2.0,
            "eta_s": 2.0,
        },
        {
            "event": "progress",
            "command": "clean",
            "rows": 60,
            "share": None,
            "spent_s": 4.0,
            "eta_s": None,
        },
    ]


def test_nothing_is_shown_where_none_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("clean", "none", clock=ticks(0.0, 40.0).__next__) as advance:
        advance(10, 0.1)
    assert capsys.readouterr().err == ""


def test_a_quiet_run_says_nothing_and_one_for_programs_ends_with_json(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    quiet = run("clean", rows, "-o", out, "--recipe", FAKE, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")

    told = run("clean", rows, "-o", out, "--recipe", FAKE, "--progress", "json", "--fresh")

    assert json.loads(told.err.splitlines()[-1]) == {
        "event": "end",
        "command": "clean",
        "rows": {"read": 3, "written": 3, "dropped": 0, "quarantined": 0},
        "texts": {"total": 3, "clean": 1, "rewritten": 2, "unresolved": 0},
        "run": f"{out}.detox",
    }


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (7384, "2:03:04")]
)
def test_durations_read_as_clocks(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
