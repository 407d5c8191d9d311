"""Where the sentences of a text begin, by their signs and lines alone."""

from __future__ import annotations

import re
from itertools import pairwise

from trustydetox.errors import ConfigError
from trustydetox.spans import Span

LONG = 4
"""From so many sentences on a text counts as long: one of any weight turns up in it by chance."""
MANY = 13
"""From so many on, lines among them, a text is a whole chat or page rather than a paragraph."""

_END = re.compile(r"(?<=[.!?…])\s+|\n+")


def sentences_in(text: str) -> list[Span]:
    """The sentences in order, each with the white space behind it: together the whole text."""
    borders = dict.fromkeys([0, *(match.end() for match in _END.finditer(text)), len(text)])
    return [Span(start, end) for start, end in pairwise(borders)]


def said_in(text: str) -> list[Span]:
    """The sentences that aren't blank."""
    return [span for span in sentences_in(text) if span.of(text).strip()]


def sure_in(sentences: int, sure: float, surer: float | None) -> float:
    """`surer` in a text of `MANY` sentences and more, where it is said; else `sure`."""
    return surer if surer is not None and sentences >= MANY else sure


def require_surer(sure: float, surer: float | None) -> None:
    """Refuse a `surer` that asks for less than `sure`, or for more than there is."""
    if surer is not None and not sure <= surer < 1.0:
        raise ConfigError(f"surer must be in [{sure}, 1), as sure is, got {surer}")
