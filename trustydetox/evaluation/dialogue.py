"""Clean dialogue, of which next to nothing should be changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trustydetox.evaluation.identity import is_changed
from trustydetox.evaluation.intervals import Estimate, wilson
from trustydetox.records import Record

_WORD = re.compile(r"[a-z0-9]+")
_PLAIN = re.compile(r"[a-z][a-z0-9' -]*")


INSULTS = frozenset(
    _WORD.findall(
        """
        arrogant bastard brainless brat clown clueless coward crap crappy creep cretin damn damned
        dimwit dork dumb dumber dumbest dummy fool foolish freak halfwit hypocrite idiocy idiot
        idiotic idiots ignorant imbecile insane jerk jerks liar liars loser losers lunatic moron
        moronic morons nasty nerd nutcase pathetic pig psycho rubbish simpleton stink stupid
        stupidity suck sucker sucks trash twit ugly vile weirdo wimp worthless
        """
    )
)
"""Mild, common words of abuse, which the profanity lexicons partly lack."""


@dataclass(frozen=True)
class Wordlist:
    """Finds whether a text holds any of some terms: words, phrases or signs such as emoji."""

    phrases: frozenset[tuple[str, ...]]
    signs: frozenset[str]
    longest: int

    @classmethod
    def of(cls, terms: Iterable[str]) -> Wordlist:
        """From terms in any case; one with other signs than letters must stand between spaces."""
        lowered = {term.lower().strip() for term in terms} - {""}
        plain = {term for term in lowered if _PLAIN.fullmatch(term)}
        phrases = frozenset(tuple(_WORD.findall(term)) for term in plain)
        return cls(phrases, frozenset(lowered - plain), max(map(len, phrases), default=0))

    def is_in(self, text: str) -> bool:
        """Whether any term stands in the text as whole words."""
        lowered = text.lower()
        if not self.signs.isdisjoint(lowered.split()):
            return True
        words = _WORD.findall(lowered)
        return any(
            tuple(words[start : start + size]) in self.phrases
            for size in range(1, self.longest + 1)
            for start in range(len(words) - size + 1)
        )


@dataclass(frozen=True)
class DialogueResult:
    """How many dialogues of a source are changed.

    plain: those that hold no word of the lexicons and no common insult; worded: the others.
    """

    source: str
    plain: Estimate
    worded: Estimate


def measure_dialogue(
    source: str, records: Sequence[Record], lexicon: Iterable[str]
) -> DialogueResult:
    """Shares of changed records of clean dialogues."""
    words = Wordlist.of((*lexicon, *INSULTS))
    plain: list[bool] = []
    worded: list[bool] = []
    for record in records:
        (worded if words.is_in(record.original) else plain).append(is_changed(record))
    return DialogueResult(source, wilson(sum(plain), len(plain)), wilson(sum(worded), len(worded)))
