from __future__ import annotations

import pytest

from tests.fakes import WordScorer, detoxifier
from trustydetox.evaluation.dialogue import Wordlist, measure_dialogue


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What the heck?", True),
        ("HECK", True),
        ("checkers", False),
        ("in the barn door", True),
        ("in the barn, door", True),
        ("a door in the barn", False),
        ("say @55 twice", True),
        ("say 55 twice", False),
        ("the fish 🐟 swims", True),
        ("", False),
    ],
)
def test_terms_are_found_as_whole_words(text: str, found: bool) -> None:
    assert Wordlist.of(["heck", "barn door", "@55", "🐟"]).is_in(text) is found


def test_an_empty_list_finds_nothing() -> None:
    assert not Wordlist.of([]).is_in("heck")


def test_changes_are_counted_apart_where_a_listed_word_stands() -> None:
    texts = ["fine day", "nice rain", "rain again", "a heck of a rain", "you fool", "so be it"]
    # "rain" is what this recipe wrongly minds; "heck" is of the lexicon, "fool" a common insult.
    records = list(detoxifier(scorer=WordScorer({"rain": 0.9})).run(texts))
    result = measure_dialogue("own", records, ["heck"])
    assert (result.plain.value, result.plain.n) == (2 / 4, 4)
    assert (result.worded.value, result.worded.n) == (1 / 2, 2)


def test_a_recipe_that_changes_nothing_has_none() -> None:
    records = list(detoxifier().run(["fine day", "nice rain"]))
    assert measure_dialogue("own", records, []).plain.value == 0.0
