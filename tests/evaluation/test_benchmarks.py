from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.machine import Machine
from benchmarks.results import Found, markdown, write
from benchmarks.timing import Spread, in_turns, ratio

MACHINE = Machine("a processor", 2, 8.0, "Linux", "3.11", {"torch": "2.13.0"}, 100.0)


def test_work_is_done_in_turns_after_one_turn_to_warm_up() -> None:
    done: list[str] = []
    timings = in_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, repeats=3)
    assert "".join(done) == "abababab"
    assert {name: len(one.cpu) for name, one in timings.items()} == {"a": 3, "b": 3}


def test_a_spread_has_the_median_and_the_extremes() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0, 3)


def test_a_ratio_is_taken_repeat_by_repeat() -> None:
    assert ratio((2.0, 9.0, 4.0), (1.0, 3.0, 4.0)) == Spread(2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [("<= 2.5", True), ("<= 2.4", False), (">= 2.5", True), (">= 2.6", False), ("", None)],
)
def test_a_goal_is_held_against_the_median(goal: str, reached: bool | None) -> None:
    assert Found("it", "s", Spread(2.5, 0.0, 9.0, 5), goal).reached is reached


def test_results_are_written_as_json_and_markdown(tmp_path: Path) -> None:
    found = [Found("it", "s", Spread(2.5, 2.0, 3.0, 5), "<= 2", "so", (1.0, 2.0))]
    write(tmp_path / "new", MACHINE, found)
    (one,) = json.loads((tmp_path / "new" / "benchmarks.json").read_text("utf-8"))["found"]
    assert (one["reached"], one["spread"]["median"]) == (False, 2.5)
    table = (tmp_path / "new" / "benchmarks.md").read_text("utf-8")
    assert table == markdown(MACHINE, found)
    assert "| it | 2.5 s | 2 to 3 | 5 | <= 2: missed | 1.0 to 2.0 | so |" in table


@pytest.mark.parametrize("made", [rows.bundled, rows.short, rows.toxic])
def test_rows_are_as_many_as_asked_for_and_all_different(made: object) -> None:
    texts = made(1000)  # type: ignore[operator]
    assert len(texts) == len(set(texts)) == 1000
