from __future__ import annotations

from random import Random

from tests.fakes import detoxifier
from trustydetox.evaluation.deleting import (
    count_words,
    delete_listed,
    delete_masked,
    delete_random,
    keep_common,
)
from trustydetox.evaluation.dialogue import Wordlist

LISTED = Wordlist.of(["idiot", "heck no", "☠"])


def test_listed_words_phrases_and_signs_go() -> None:
    assert delete_listed("Heck no , you IDIOT ☠ !", LISTED) == ", you !"


def test_parts_of_words_and_of_phrases_stay() -> None:
    assert delete_listed("heck, idiotic ways", LISTED) == "heck, idiotic ways"
    assert delete_listed("no  change", LISTED) == "no  change"


def test_a_word_of_a_phrase_that_went_begins_no_other() -> None:
    assert delete_listed("heck no way", Wordlist.of(["heck no", "no way"])) == "way"


def test_masked_words_go_and_nothing_checks_what_is_left() -> None:
    texts = ["he is an idiot , twice", "he is kind", "idiot"]
    # Only insults are masked; a text of which nothing would be left stays.
    assert delete_masked(detoxifier(), texts) == ["he is an , twice", "he is kind", "idiot"]


def test_the_oracle_keeps_what_a_person_kept() -> None:
    assert keep_common("he is a damn stupid man .", "He is a silly man.") == "he is a man ."
    assert keep_common("don 't be stupid", "Don’t be unwise") == "don 't be"


def test_random_deletion_keeps_to_its_budget_and_to_its_seed() -> None:
    text = "one two three four, five"
    outputs = {delete_random(text, 2, Random(seed)) for seed in range(20)}
    assert {count_words(output) for output in outputs} == {3}
    assert len(outputs) > 1
    assert delete_random(text, 2, Random(1)) == delete_random(text, 2, Random(1))
    assert delete_random(text, 0, Random(0)) == text
    assert count_words(delete_random(text, 9, Random(0))) == 1
