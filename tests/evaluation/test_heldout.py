from __future__ import annotations

from tests.fakes import WordScorer
from trustydetox.evaluation.heldout import (
    held_out_tables,
    measure_held_out,
    measure_statements,
)

ONE = (["you idiot", "a day", "stupid day", "a cat"], [1.0, 0.0, 1.0, 0.0])
OTHER = (["an idiot", "damn", "rude you are"], [0.2, 0.0, 0.8])


def test_each_source_is_measured_and_all_together() -> None:
    one, other, whole = measure_held_out(WordScorer(), {"one": ONE, "other": OTHER})
    assert (one.auc.value, one.recall.value, one.false_positives.value) == (1.0, 1.0, 0.0)
    # idiot 0.9 and damn 0.4 are above the toxic row's 0
    assert (other.auc.value, other.recall.value, other.false_positives.value) == (0.0, 0.0, 0.5)
    assert (whole.source, whole.toxic.n, whole.toxic.value) == ("all", 7, 3 / 7)


def test_one_source_needs_no_row_for_all() -> None:
    assert [row.source for row in measure_held_out(WordScorer(), {"one": ONE})] == ["one"]


def test_the_groups_most_often_found_toxic_are_named() -> None:
    whole, *worst = measure_statements(WordScorer({"gay": 0.9}))
    assert [row.term for row in worst] == ["gay"]
    assert worst[0].toxic.value == 1.0
    assert 0 < whole.toxic.value < 0.05
    (table, terms) = held_out_tables([], [whole, *worst])
    assert (table.rows, len(terms.rows)) == ((), 2)
