from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from trustydetox.cli.progress import duration, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticks(*seconds: float) -> Iterator[float]:
    return iter(seconds)


def test_without_a_terminal_a_line_comes_every_30_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = ticks(0.0, 10.0, 40.0, 60.0, 80.0).__next__

    with progress("clean", clock=clock) as advance:
        for rows in (1000, 2000, 3000, 4000):
            advance(rows, rows / 8000)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "clean: 2,000 rows, 50.0 rows/s, 25%, ETA 2:00",
        "clean: 4,000 rows, 50.0 rows/s, 50%, ETA 1:20",
    ]


def test_where_the_size_is_unknown_there_is_no_eta(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("scan", clock=ticks(0.0, 30.0).__next__) as advance:
        advance(60, None)
    assert capsys.readouterr().err == "scan: 60 rows, 2.0 rows/s\n"


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("clean") as advance:
        advance(1000, 0.5)
    assert "clean" in screen.getvalue()
    assert "ETA" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (7384, "2:03:04")]
)
def test_durations_read_as_clocks(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
