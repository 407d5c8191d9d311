from __future__ import annotations

from collections import Counter

import pytest

from trustydetox.evaluation.wording import (
    content_words,
    facts,
    is_empty,
    joints,
    kept_by_all,
    learn_names,
    negations,
    residues,
    tokens,
)


def test_case_spacing_and_lost_apostrophes_make_no_difference() -> None:
    assert tokens("I don’t know, REALLY!!") == ["i", "don't", "know", ",", "really", "!"]
    assert tokens("i don 't know , really !") == tokens("I don't know, really!!!")
    assert tokens("dont") == ["don't"]
    assert tokens("") == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("clinton is , twice .", 1),
        ("he is such a", 1),
        ("You are THE!", 1),
        ("listen to .", 1),
        ("he is a man of", 1),
        ("a, an, the", 3),
        ("data, and also, that is why", 0),
        ("she was . they were ;", 2),
        ("he is (here)", 0),
        ("", 0),
    ],
)
def test_a_broken_joint_is_a_small_word_before_a_sign_or_the_end(text: str, count: int) -> None:
    assert joints(text) == count


def test_marks_of_a_model_are_residue() -> None:
    assert residues("this is a [MASK] idea <mask> ##ing") == 3
    assert residues("this is a good idea [sic] #1") == 0


def test_signs_alone_are_empty() -> None:
    assert is_empty(" . !")
    assert not is_empty("5")


def test_content_words_are_those_that_carry_meaning() -> None:
    words = tokens("The dog's bone isn't in the garden , the garden !")
    assert content_words(words) == Counter({"garden": 2, "dog": 1, "bone": 1})


def test_only_what_every_rewrite_keeps_is_asked_for() -> None:
    source = tokens("that old dog ate my old stupid bone")
    kept = kept_by_all(source, [tokens("The old dog ate my bone"), tokens("my dog ate a bone")])
    assert kept == Counter({"dog": 1, "ate": 1, "bone": 1})
    assert kept_by_all(source, []) == Counter()


def test_numbers_and_names_are_facts() -> None:
    assert facts(tokens("clinton's 2 dogs met 10 others"), {"clinton"}) == Counter(
        {"clinton": 1, "2": 1, "10": 1}
    )


def test_negations_are_counted_however_they_are_spelt() -> None:
    assert negations(tokens("i don 't know nobody , it isnt never so")) == 4
    assert negations(tokens("i know")) == 0


def test_a_name_is_capitalised_wherever_it_stands() -> None:
    texts = ["We met Berta.", "Today Berta slept.", "so Berta left. Today it rained"] * 2
    texts += ["we met Mark", "one Mark", "a Mark", "a mark", "He said: Today, So"]
    assert learn_names(texts, lambda word: False) == {"berta"}
    assert learn_names(texts, lambda word: word == "berta") == frozenset()
