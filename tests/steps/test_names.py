from __future__ import annotations

import pytest

from trustydetox.steps.names import names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I met a Samoan and her friend Ana.", ["Samoan", "Ana"]),
        ("Idiots drive here. The Idiots next door do too.", ["Idiots"]),  # the first begins one
        ("He said: “Idiot that you are”", []),  # nor the first of a quotation
        ("he called, Bob’s aunt did", ["Bob’s"]),
        ("(as Kurds do), we wait", ["Kurds"]),
        ("What An Idiot Wrote This", []),  # a headline
        ("you IDIOT over there, ask HR or McCoy", []),  # stressed, or more than one capital
        ("my old Cat", ["Cat"]),
        ("Ask Ana now please", ["Ana"]),  # the first word's own capital doesn't count
        ("my Cat", []),  # as many capitals as small ones
        ("a. Cat here", []),
        ("", []),
        ("1 + 2", []),
        ("wir sehen Über-Zeichen und die Élysée", ["Über", "Zeichen", "Élysée"]),
    ],
)
def test_names_are_words_with_one_capital_within_a_sentence_of_small_ones(
    text: str, names: list[str]
) -> None:
    assert [name.of(text) for name in names_in(text)] == names
