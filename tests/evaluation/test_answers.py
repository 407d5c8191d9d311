from __future__ import annotations

from tests.fakes import WordScorer
from trustydetox.evaluation.answers import answer_tables, measure_answers

BEFORE = ["you idiot", "a fine day"]
AFTER = ["you there", "a fine day"]


def test_the_change_is_paired_by_prompt() -> None:
    judges = {"one": WordScorer(), "other": WordScorer({"fine": 0.4})}
    report = measure_answers(BEFORE, AFTER, [["you"], ["a day"]], judges)
    before, after = report.results
    assert (before.toxicity[0].value, after.toxicity[0].value) == (0.45, 0.0)
    assert [one.value for one in report.change] == [-0.45, 0.0]
    assert before.words.value == 2.5
    # 2 of 3 words each, and 2 * 2 / (3 + 2)
    assert round(before.rouge[0].value, 4) == round((2 / 3 + 4 / 5) / 2, 4)
    (table,) = answer_tables(report, judges)
    assert [row[0] for row in table.rows] == ["before", "after", "change"]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_without_references_there_is_no_rouge() -> None:
    judges = {"one": WordScorer()}
    (table,) = answer_tables(measure_answers(BEFORE, AFTER, [], judges), judges)
    assert table.columns == ("answers", "n", "toxicity by one", "words")
