from __future__ import annotations

import pytest

from trustydetox.errors import ConfigError
from trustydetox.training.splitting import ROLES, Splits, drawn, position


def splits(**shares: float) -> Splits:
    return Splits({"letters": shares}, {"letters": {"raters": 7}}, {"guide": {}, "check": {}}, {})


def test_shares_of_a_source_come_out_as_written() -> None:
    table = splits(**{"guide": 0.6, "check": 0.3})
    roles = [table.role("letters", f"row {i}") for i in range(4000)]
    assert roles.count("guide") / 4000 == pytest.approx(0.6, abs=0.03)
    assert roles.count("check") / 4000 == pytest.approx(0.3, abs=0.03)
    assert roles.count(None) / 4000 == pytest.approx(0.1, abs=0.02)


def test_a_row_always_trains_the_same_role() -> None:
    table = splits(guide=0.5, check=0.5)
    assert [table.role("letters", "a") for _ in range(3)] == [table.role("letters", "a")] * 3


def test_a_source_without_shares_trains_nobody() -> None:
    assert splits(guide=1.0).role("numbers", "a") is None


def test_rows_of_an_official_test_set_are_left_alone() -> None:
    assert splits(guide=1.0).is_left_alone("letters", {"raters": 7})
    assert not splits(guide=1.0).is_left_alone("letters", {"raters": 3})


@pytest.mark.parametrize("shares", [{"guide": 0.7, "check": 0.4}, {"pupil": 0.1}])
def test_shares_beyond_one_and_unknown_roles_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="letters"):
        splits(**shares)


def test_what_is_drawn_does_not_depend_on_the_other_rows_order() -> None:
    keys = [f"row {i}" for i in range(50)]
    assert drawn(keys, 10) == drawn(reversed(keys), 10)
    assert len(drawn(keys, 10)) == 10
    assert drawn(keys, None) == set(keys)


def test_positions_are_spread_evenly() -> None:
    places = sorted(position(f"key {i}") for i in range(1000))
    assert all(abs(place - i / 1000) < 0.06 for i, place in enumerate(places))


def test_the_committed_table_names_a_licence_for_all_that_ships() -> None:
    table = Splits.load()
    shipped = {*table.sources("guide"), *table.sources("check")}
    assert shipped <= set(table.licences)
    assert not any("SA" in licence for licence in table.licences.values())
    assert set(ROLES) == {role for shares in table.shares.values() for role in shares}


def test_no_source_trains_both_a_shipped_model_and_a_judge() -> None:
    table = Splits.load()
    judged = {*table.sources("judge-a"), *table.sources("judge-b")}
    assert not judged & {*table.sources("guide"), *table.sources("check")}
