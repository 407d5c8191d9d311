from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustydetox.steps.differing import differing


@pytest.mark.parametrize(
    ("original", "rewritten", "edits"),
    [
        ("You are an idiot, Jane.", "You are wrong, Jane.", [("an idiot", "wrong")]),
        ("Shut up, you fool!", "shut up , you !", [(" fool", "")]),
        ("it is late", "it is very late", [("late", "very late")]),
        ("it is late", "it is late now", [("late", "late now")]),
        ("the damn kettle  boils", "the kettle boils", [("damn ", "")]),
        ("Idiot, stop it", "stop it", [("Idiot, s", "S")]),
        ("What an idiot", "what a man", [("an idiot", "a man")]),
        ("the SAME words", "The same  words", []),
        ("one\ntwo three", "one two", [(" three", "")]),
        ("🙂 fine", "fine", [("🙂 ", "")]),
        ("a b", "", [("a b", "")]),
        ("", "new", []),
    ],
)
def test_only_words_that_differ_are_in_an_edit(
    original: str, rewritten: str, edits: list[tuple[str, str]]
) -> None:
    found = differing(original, rewritten)
    assert [(edit.span.of(original), edit.replacement) for edit in found.edits] == edits


WORDS = st.lists(st.sampled_from(["you", "are", "an", "idiot", ",", "!", "Jane"]), max_size=8)


def plain(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.casefold())


@given(WORDS.filter(bool), WORDS)
def test_the_edits_give_the_words_of_the_rewriter(before: list[str], after: list[str]) -> None:
    assert plain(differing(" ".join(before), " ".join(after)).text) == plain(" ".join(after))
