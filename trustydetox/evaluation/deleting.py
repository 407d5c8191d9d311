"""Rewriting by leaving words out: what a rewriter has to beat, and what no deletion can pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from random import Random

from trustydetox.detoxifier import Detoxifier
from trustydetox.evaluation.dialogue import Wordlist
from trustydetox.spans import Span
from trustydetox.steps.infilling import Delete

_PIECE = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"[a-z0-9]+")
_WINDOW = 256


def delete_listed(text: str, listed: Wordlist) -> str:
    """The text without every listed term, the longest first."""
    lowered = text.lower()
    words = [Span(*match.span()) for match in _WORD.finditer(lowered)]
    gone = [
        Span(*match.span()) for match in re.finditer(r"\S+", lowered) if match[0] in listed.signs
    ]
    at = 0
    while at < len(words):
        size = next(
            (
                size
                for size in range(min(listed.longest, len(words) - at), 0, -1)
                if tuple(word.of(lowered) for word in words[at : at + size]) in listed.phrases
            ),
            0,
        )
        gone += words[at : at + size]
        at += max(size, 1)
    return _without(text, gone)


def delete_masked(detoxifier: Detoxifier, texts: Sequence[str]) -> list[str]:
    """What is left when the spans that a recipe masks are deleted, checks or no checks.

    A text of which nothing would be left stays as it was.
    """
    outputs: list[str] = []
    for start in range(0, len(texts), _WINDOW):
        for found in detoxifier.find(texts[start : start + _WINDOW]):
            proposals = Delete().infill([found.masked])[0] if found.masked else ()
            outputs.append(proposals[0].text if proposals else found.text)
    return outputs


def keep_common(text: str, reference: str) -> str:
    """The words and signs of a text that a reference keeps in their order: perfect deletion."""
    pieces = list(_PIECE.finditer(text))
    matcher = SequenceMatcher(
        None,
        [piece[0].lower() for piece in pieces],
        [piece.lower() for piece in _PIECE.findall(reference.replace("’", "'"))],
        autojunk=False,
    )
    kept = {at for a, _, size in matcher.get_matching_blocks() for at in range(a, a + size)}
    return _without(
        text, [Span(*piece.span()) for at, piece in enumerate(pieces) if at not in kept]
    )


def delete_random(text: str, words: int, random: Random) -> str:
    """The text without so many words drawn at random; one word always stays."""
    pieces = [Span(*match.span()) for match in _PIECE.finditer(text) if match[0][0].isalnum()]
    return _without(text, random.sample(pieces, max(0, min(words, len(pieces) - 1))))


def count_words(text: str) -> int:
    """How many words a text has."""
    return sum(match[0][0].isalnum() for match in _PIECE.finditer(text))


def _without(text: str, spans: Sequence[Span]) -> str:
    if not spans:
        return text
    letters = list(text)
    for span in spans:
        letters[span.start : span.end] = [" "] * len(span)
    return " ".join("".join(letters).split())
