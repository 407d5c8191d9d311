from __future__ import annotations

from trustydetox.steps.infilling import phrase_key
from trustydetox.steps.viewing import KnownWords
from trustydetox.training.phrases import learn_phrases

KNOWN = KnownWords.of(["moron"])
PAIRS = [
    ("You are an idiot .", ["You are a fool .", "You are wrong ."]),
    ("He is an idiot .", ["He is a fool ."]),
    ("She is an idiot !", ["She is a fool !", "She is an moron !", "She is an moron !"]),
    ("That damn dog", ["That dog"]),
    ("a damn cat", ["a cat"]),
    ("damn you", ["confound you", "confound you"]),
    ("You like it", ["u like it"]),
]


def test_what_people_put_in_place_of_a_phrase_is_counted() -> None:
    table = learn_phrases(PAIRS, known=KNOWN)
    assert table[phrase_key("an idiot")] == [("a fool", 3)]


def test_a_neighbour_is_kept_where_it_changes_the_first_choice() -> None:
    table = learn_phrases([*PAIRS, ("old damn rat", ["old rat"])], known=KNOWN)
    assert table[phrase_key("damn")] == [("", 3), ("confound", 2)]
    assert table[phrase_key("damn", right="you")] == [("confound", 2)]
    assert phrase_key("damn", left="a") not in table


def test_a_toxic_replacement_is_never_learned() -> None:
    assert phrase_key("idiot") not in learn_phrases(PAIRS, known=KNOWN)
    # The control: without the known word it would have been.
    assert learn_phrases(PAIRS, known=KnownWords.of([]))[phrase_key("idiot")] == [("moron", 2)]


def test_a_stilted_replacement_is_never_learned() -> None:
    for came, kept in (("unsuitable", False), ("unkind", True)):
        table = learn_phrases([("you rude man", [f"you {came} man"] * 3)], known=KNOWN)
        assert (phrase_key("rude") in table) == kept


def test_a_phrase_seen_once_is_not_learned() -> None:
    assert phrase_key("you") not in learn_phrases(PAIRS, known=KNOWN, share=0.0)


def test_a_phrase_that_people_mostly_keep_is_not_learned() -> None:
    pairs = [("so it is", ["so that is"])] * 2 + [("it", ["it"])] * 8
    assert phrase_key("it") not in learn_phrases(pairs, known=KNOWN)
    assert learn_phrases(pairs, known=KNOWN, share=0.2)[phrase_key("it")] == [("that", 2)]


def test_long_phrases_are_left_out() -> None:
    pairs = [("one two three four", ["five"])] * 2
    assert learn_phrases(pairs, known=KNOWN, longest=3) == {}
    assert learn_phrases(pairs, known=KNOWN) == {phrase_key("one two three four"): [("five", 2)]}


def test_only_the_most_frequent_replacements_are_kept() -> None:
    pairs = [("x damn y", ["x a y", "x a y", "x b y", "x b y", "x b y", "x c y", "x c y"])]
    assert learn_phrases(pairs, known=KNOWN, choices=2)[phrase_key("damn")] == [("b", 3), ("a", 2)]


def test_the_word_i_is_a_capital_in_a_replacement() -> None:
    pairs = [("well damn it works", ["well I think it works", "well I think it works"])]
    assert learn_phrases(pairs, known=KNOWN)[phrase_key("damn")] == [("I think", 2)]


def test_no_pair_gives_an_empty_table() -> None:
    assert learn_phrases([], known=KNOWN) == {}
