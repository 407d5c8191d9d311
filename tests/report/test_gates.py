from __future__ import annotations

from typing import Any

import pytest

from trustydetox.errors import ConfigError
from trustydetox.report import Gate

REPORT: dict[str, Any] = {
    "rows": {"read": 50, "written": 48, "dropped": 1, "quarantined": 1},
    "texts": {"total": 100, "clean": 90, "rewritten": 6, "unresolved": 4},
    "edits": {"texts": 6},
}


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("drop_rate>0.01", "drop_rate is 0.02 (1 of 50): the gate is drop_rate>0.01"),
        ("drop_rate > 0.02", ""),
        ("drop_rate >= 0.02", "drop_rate is 0.02 (1 of 50): the gate is drop_rate>=0.02"),
        ("edit_rate<0.1", "edit_rate is 0.06 (6 of 100): the gate is edit_rate<0.1"),
        ("toxic_rate>0.1", ""),
        (
            "unresolved_rate>0.3",
            "unresolved_rate is 0.4 (4 of 10): the gate is unresolved_rate>0.3",
        ),
        (
            "quarantine_rate<=0.02",
            "quarantine_rate is 0.02 (1 of 50): the gate is quarantine_rate<=0.02",
        ),
    ],
)
def test_a_gate_says_by_how_much_a_budget_was_broken(gate: str, says: str) -> None:
    assert Gate.of(gate).failure(REPORT) == says


def test_a_share_of_nothing_fails_no_gate() -> None:
    nothing = {"rows": {"read": 0, "dropped": 0}}
    assert Gate.of("drop_rate>=0").failure(nothing) == ""


@pytest.mark.parametrize("gate", ["drop_rate", "drop_rate=0.1", "drop_rate>1.2.3", ">0.1"])
def test_what_is_no_gate_is_refused(gate: str) -> None:
    with pytest.raises(ConfigError):
        Gate.of(gate)


def test_an_unknown_rate_gets_the_nearest_known() -> None:
    with pytest.raises(ConfigError, match="on 'drop_rat'; did you mean 'drop_rate'"):
        Gate.of("drop_rat>0.1")
