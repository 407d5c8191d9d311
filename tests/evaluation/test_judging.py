from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from trustydetox.evaluation.judging import Judge, train_letter_judge, train_word_judge

Train = Callable[..., Judge]
THINGS = ("garden", "ladder", "kettle", "piano", "bridge", "window", "lantern")
ROWS = {
    f"row {k}, your {THINGS[k % 7]} is old, {'idiot' if k % 2 else 'neighbour'}": k % 2
    for k in range(120)
}
trains = pytest.mark.parametrize("train", [train_word_judge, train_letter_judge])


@trains
def test_a_judge_learns_what_is_toxic_and_says_how_well(train: Train) -> None:
    judge = train("judge", ROWS)
    assert judge.is_clean(["what an idiot", "what a neighbour"]) == [False, True]
    assert judge.is_clean(["What an IDIOT !"]) == [False]
    assert judge.is_clean([]) == []
    facts = judge.facts
    assert (facts.auc.value, facts.recall.value, facts.false_positives.value) == (1.0, 1.0, 0.0)
    assert (facts.trained, facts.auc.n) == (108, 12)


@trains
def test_swapped_labels_turn_the_verdicts_round(train: Train) -> None:
    judge = train("judge", {text: 1 - label for text, label in ROWS.items()})
    assert judge.is_clean(["what an idiot", "what a neighbour"]) == [True, False]


@trains
def test_a_judge_is_named_by_its_rows_and_not_by_their_order(train: Train) -> None:
    digest = train("judge", ROWS).facts.digest
    assert train("judge", dict(reversed(ROWS.items()))).facts.digest == digest
    text, label = next(iter(ROWS.items()))
    assert train("judge", {**ROWS, text: 1 - label}).facts.digest != digest


def test_judges_of_two_kinds_have_two_names() -> None:
    words, letters = (train("judge", ROWS) for train in (train_word_judge, train_letter_judge))
    assert words.facts.digest != letters.facts.digest
    assert words.facts.architecture != letters.facts.architecture


def test_some_toxic_rows_out_of_reach_leave_the_threshold_where_most_are_told() -> None:
    # Every sixth toxic row reads like a clean one: recall falls, false positives stay away.
    noisy = {
        text.replace("idiot", "neighbour") if k % 12 == 1 else text: label
        for k, (text, label) in enumerate(ROWS.items())
    }
    facts = train_word_judge("judge", noisy).facts
    assert facts.false_positives.value == 0.0
    assert 0.5 < facts.auc.value <= 1.0


@trains
def test_fewer_false_alarms_cost_recall(train: Train) -> None:
    chance = Random(0)
    noisy = {
        f"{text}, number {copy}": label if chance.random() < 0.8 else 1 - label
        for text, label in ROWS.items()
        for copy in range(5)
    }
    strict, loose = (train("judge", noisy, share).facts for share in (0.05, 0.3))
    assert 0.0 < strict.false_positives.value <= 0.05 < loose.false_positives.value <= 0.3
    assert strict.recall.value < loose.recall.value
    assert strict.digest == loose.digest  # one judge, with two limits


@trains
def test_rows_of_one_class_make_no_judge(train: Train) -> None:
    with pytest.raises(ValueError, match="both classes"):
        train("judge", dict.fromkeys(ROWS, 1))
