from __future__ import annotations

from tests.fakes import KeepingWordMasker, ScoredAgain, SteadyWordMasker, WordMasker, WordsKept
from trustydetox.roles import Action, Passage, ScoringCheck, SparingMasker, SteadyMasker


def test_a_masker_that_knows_its_ties_is_told_from_one_that_does_not() -> None:
    assert isinstance(SteadyWordMasker(), SteadyMasker)
    assert not isinstance(WordMasker(), SteadyMasker)


def test_a_masker_that_says_what_it_keeps_is_told_from_one_that_does_not() -> None:
    assert isinstance(KeepingWordMasker(), SparingMasker)
    assert not isinstance(SteadyWordMasker(), SparingMasker)


def test_a_check_that_asks_a_scorer_is_told_from_one_that_does_not() -> None:
    assert isinstance(ScoredAgain(), ScoringCheck)
    assert not isinstance(WordsKept(), ScoringCheck)


def test_actions_are_the_words_that_row_formats_use() -> None:
    assert [str(action) for action in Action] == ["keep", "flag", "drop", "redact", "rewrite"]


def test_passages_with_equal_fields_are_equal() -> None:
    passage = Passage("/messages/0/content", "user", "hello", Action.REWRITE)
    assert passage == Passage("/messages/0/content", "user", "hello", Action.REWRITE)
    assert passage != Passage("/messages/0/content", "user", "hello", Action.KEEP)
