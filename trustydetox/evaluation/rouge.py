"""ROUGE: how many words, pairs of words and words in order a summary shares with a person's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

MEASURES = ("ROUGE-1", "ROUGE-2", "ROUGE-L")
_WORD = re.compile(r"[a-z0-9]+")


def rouge(output: str, references: Iterable[str]) -> tuple[float, float, float]:
    """F1 of ROUGE-1, 2 and L in 0..1, each against the reference that fits best (Lin 2004).

    Words are lower-cased runs of letters and digits, as in the rouge-score package without its
    stemmer.
    """
    ours = _WORD.findall(output.lower())
    best = (0.0, 0.0, 0.0)
    for reference in references:
        theirs = _WORD.findall(reference.lower())
        found = (_runs(ours, theirs, 1), _runs(ours, theirs, 2), _longest(ours, theirs))
        best = (max(best[0], found[0]), max(best[1], found[1]), max(best[2], found[2]))
    return best


def _runs(ours: Sequence[str], theirs: Sequence[str], size: int) -> float:
    a, b = (
        Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
        for words in (ours, theirs)
    )
    return _f1((a & b).total(), a.total(), b.total())


def _longest(ours: Sequence[str], theirs: Sequence[str]) -> float:
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for at, other in enumerate(theirs, 1):
            kept, row[at] = row[at], before + 1 if word == other else max(row[at], row[at - 1])
            before = kept
    return _f1(row[-1], len(ours), len(theirs))


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0
