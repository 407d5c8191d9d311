"""Code and data in a text: what is surely some, and prose that only looks like it."""

from __future__ import annotations

import time

import pytest

from trustydetox.steps.snippets import snippets_in


def found(text: str, word: str) -> list[bool]:
    """Whether each occurrence of the word lies in code."""
    spans = snippets_in(text)
    places = (at for at in range(len(text)) if text.startswith(word, at))
    return [any(one.start <= at and at + len(word) <= one.end for one in spans) for at in places]


@pytest.mark.parametrize(
    "text",
    [
        "for fool in fools:\n    print(fool)",
        "if fool > 3:\n    fool += 1",
        "while fool:\n\n    fool.append(1)\n    fool",
        "while fool < 3: fool()",
        "for (const fool of x) {\n  fool;\n}",
        "fool -= 1",
        "lambda fool: fool + 1",
        'String fool = "fool";',
        "public static class fool {\n  int fool;\n}",
        "CREATE TABLE fool (fool INT);",
        "fool = 3",
        "fool = {'a': fool}",
        "export FOO=fool",
        "SELECT * FROM fools WHERE name = 'fool';",
        "SELECT fool,\n  name\nFROM fools\nWHERE x = 'fool'\n  AND y = 'fool';",
        "INSERT INTO t (a) VALUES ('fool');",
        "UPDATE fools SET fool = 1",
        "DELETE FROM fools",
        "The variable fool_count and the fool() function",
        "call max_fool",
        '<div class="fool">hi</div>',
        "a <fool>b</fool> c",
        "<fool/>",
        "</fool>",
        r"in C:\Users\fool\file.txt.",
        "see /srv/fool/notes: none",
        "~/fool and ./fool",
        "data/fool/x.csv",
        "run fool.py",
        '{"fool": 1, "b": "fool"}',
        "{'fool': 'fool'}",
        '{\n  "a": ["fool", "fool"],\n  "fool": true\n}',
        "x is {\"a\": 'fool'} here",
        "| fool | bad |\n|---|---|\n| a | fool |",
        "[fool](https://x.example/a)",
        "[fool](#a)",
        "fool: true\nname: fool",
        "name,label\nJohn,fool\nMary,kind",
        "name\tlabel\r\nJohn\tfool\r\n",
    ],
)
def test_what_a_program_reads_is_code(text: str) -> None:
    assert all(found(text, "fool"))


@pytest.mark.parametrize(
    "text",
    [
        "and/or a fool/clown and/or fool",
        "fool: shut it",
        "Anna: fool\nBen: fool",
        "You fool (yes) go",
        "you fool() go, you fool(s)",
        "for fools in this town: shut up",
        "while you fools slept: we worked",
        "if you fool > me, then go",
        "if that fool calls:\n    run, fool",
        "He = fool",
        "you = 'fool'",
        "select the fool from this list",
        "SELECT THE FOOL FROM THIS LIST fool",
        "update: fool",
        "I hate you, you_fool, a fool_face, fool_you",
        "_fool_ and f_o_o_l fool #big_fool",
        "you <fool> stop, 1 < fool > 2",
        "<you fool>",
        "You fool | you fool",
        "||fool|| and |fool|",
        "| you fool | a fool |",
        "[fool](you)",
        "fool,fool,clown",
        'he said "fool", "fool"',
        '[1] "fool"',
        "what fool.He is a fool.You",
        "stupid /fool",
        'go {"text": "you are a fool"}',
        '<img alt="what a fool">',
    ],
)
def test_prose_that_looks_like_code_is_none(text: str) -> None:
    assert not any(found(text, "fool"))


def test_a_value_of_several_words_is_prose_and_its_key_and_a_single_word_are_not() -> None:
    text = '{"fool": "you are a fool", "label": "fool"}'
    assert found(text, "fool") == [True, False, True]


def test_what_follows_a_block_is_prose_again() -> None:
    text = "for x in y:\n    fool\nYou fool\n    fool"
    assert found(text, "fool") == [True, False, False]


@pytest.mark.parametrize(
    "unit",
    [
        "ab_",
        "<a x=",
        "[",
        '["',
        "{\n",
        "{'a",
        "| a ",
        "/a",
        "a,",
        "a: b\n",
        "if a < b(",
        "a()",
        " ",
        "\n",
    ],
)
@pytest.mark.parametrize("start", ["", "SELECT a FROM b ", "<a alt='"])
def test_a_long_text_takes_bounded_time(start: str, unit: str) -> None:
    text = start + unit * (40_000 // len(unit)) + "!"
    started = time.process_time()
    snippets_in(text)
    assert time.process_time() - started < 2.0
