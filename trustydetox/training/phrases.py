"""Learning what people put in place of toxic phrases, from pairs of a text and its rewrites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from trustydetox.steps.editing import STILTED
from trustydetox.steps.infilling import phrase_key
from trustydetox.steps.viewing import KnownWords


def learn_phrases(
    pairs: Iterable[tuple[str, Sequence[str]]],
    *,
    known: KnownWords,
    least: int = 2,
    share: float = 0.25,
    longest: int = 4,
    choices: int = 6,
) -> dict[str, list[tuple[str, int]]]:
    """Hash of a phrase (alone, or with its left or right neighbour) -> replacements with counts.

    pairs: a toxic text and its rewrites.
    known: a replacement that holds one of these words is never learned, nor a stilted one.
    least: how often a phrase must have gone, and a replacement must have been chosen.
    share: of all uses of the phrase in the toxic texts, the least share that must have gone;
        words that people keep (`is`, `you`) fall out here.
    longest: words of a phrase or of a replacement.
    choices: most replacements to keep per phrase.
    """
    gone: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    replaced: dict[str, Counter[str]] = {}
    beside: dict[tuple[str, str, str], Counter[str]] = {}
    for toxic, rewrites in pairs:
        before = _tokens(toxic)
        for rewrite in rewrites:
            for size in range(1, longest + 1):
                uses.update(
                    " ".join(before[at : at + size]) for at in range(len(before) - size + 1)
                )
            for left, phrase, right, replacement in _changes(before, _tokens(rewrite)):
                words = len(phrase.split())
                if words > longest or len(replacement.split()) > longest:
                    continue
                gone[phrase] += 1
                if any(known.knows(word) or word in STILTED for word in replacement.split()):
                    continue
                shown = _CONTRACTED.sub(r"\1", _LONE_I.sub("I", replacement))
                replaced.setdefault(phrase, Counter())[shown] += 1
                beside.setdefault((phrase, "left", left), Counter())[shown] += 1
                beside.setdefault((phrase, "right", right), Counter())[shown] += 1

    table: dict[str, list[tuple[str, int]]] = {}
    learned: set[str] = set()
    for phrase, counts in replaced.items():
        if gone[phrase] >= least and gone[phrase] >= share * uses[phrase]:
            kept = _best(counts, least, choices)
            if kept:
                learned.add(phrase)
                table[phrase_key(phrase)] = kept
    for (phrase, side, neighbour), counts in beside.items():
        kept = _best(counts, least, choices)
        # A neighbour that changes nothing about the first choice isn't worth its place.
        if phrase in learned and kept and kept[0][0] != table[phrase_key(phrase)][0][0]:
            table[phrase_key(phrase, **{side: neighbour})] = kept
    return table


def _best(counts: Counter[str], least: int, choices: int) -> list[tuple[str, int]]:
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [each for each in ranked if each[1] >= least][:choices]


def _changes(before: list[str], after: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Left neighbour, phrase, right neighbour and replacement of each change of words."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, low, high in matcher.get_opcodes():
        if kind in ("replace", "delete") and all(map(_is_word, before[start:end])):
            replacement = after[low:high]
            if all(map(_is_word, replacement)):
                left = before[start - 1] if start and _is_word(before[start - 1]) else ""
                right = before[end] if end < len(before) and _is_word(before[end]) else ""
                yield left, " ".join(before[start:end]), right, " ".join(replacement)


def _tokens(text: str) -> list[str]:
    return [match.group().casefold() for match in _TOKEN.finditer(text)]


def _is_word(token: str) -> bool:
    return token[0].isalnum()


_TOKEN = re.compile(r"\w[\w'’\-]*|[^\w\s]")
_LONE_I = re.compile(r"\bi\b")
_CONTRACTED = re.compile(r"(\w+)\s+(?=['’])")
