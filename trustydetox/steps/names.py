"""Words that are written as names: of whom or what, nobody looks up."""

from __future__ import annotations

import re

from trustydetox.spans import Span
from trustydetox.steps.sentences import said_in

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WITHIN = re.compile(r"[\w,;'’)\-][^\S\n]*\Z")


def names_in(text: str) -> list[Span]:
    """Words with a capital letter, and that one alone, within a sentence of small ones.

    The first word of a sentence or of a quotation has its capital in any case, and in a headline
    most words have one: none of those is a name here.
    """
    found: list[Span] = []
    for sentence in said_in(text):
        words = [Span(*word.span()) for word in _WORD.finditer(text, sentence.start, sentence.end)]
        large = [word for word in words[1:] if text[word.start].isupper()]
        if 2 * len(large) < len(words):
            found += (
                word
                for word in large
                if word.of(text)[1:].islower() and _WITHIN.search(text, sentence.start, word.start)
            )
    return found
