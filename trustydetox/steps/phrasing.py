"""Oaths that insult nobody: set phrases, and words that only make others strong.

No single word of a set phrase can be taken out, so all of it is said in other words; the others go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller
from trustydetox.spans import Edit, Span, apply_edits, overlapping
from trustydetox.steps.infilling import mended
from trustydetox.steps.viewing import KnownWords

_MOST = 4


@dataclass(frozen=True, slots=True)
class Idioms:
    """Set phrases in other words, the rest by another infiller; then that infiller's candidates.

    `they don't give a damn about it` becomes `they don't care about it`, where a word alone would
    leave a hole or a patch, and `bloody phones` becomes `phones`, where people seldom say
    another word instead. The list is in `idioms.yaml`, and English. Only a phrase that a masked
    span touches is changed, and a word that makes others strong only where that span holds no
    known toxic word beside it. Texts with such a phrase and another masked span ask the infiller
    twice.
    """

    infiller: Infiller
    known: KnownWords

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """The infiller's candidates per text, behind those with phrases in other words."""
        said = [_found(one, self.known) for one in masked]
        rest = [_without(one, phrases) for one, phrases in zip(masked, said, strict=True)]
        asked = [one for one, phrases in zip(rest, said, strict=True) if phrases and one.masked]
        mended_rest = iter(self.infiller.infill(asked) if asked else [])
        whole = self.infiller.infill(masked)
        found: list[tuple[Rewrite, ...]] = []
        for phrases, left, theirs in zip(said, rest, whole, strict=True):
            if not phrases:
                found.append(theirs)
                continue
            others = next(mended_rest)[:_MOST] if left.masked else (Rewrite(left.text, ()),)
            ours = [_with(other, phrases) for other in others]
            found.append(tuple(dict.fromkeys([*filter(None, ours), *theirs])))
        return found


def in_other_words(text: str) -> str:
    """The text with every set phrase in other words, whatever is masked."""
    edits = [
        Edit(phrase, instead) for phrase, instead, is_strong in _phrases(text) if not is_strong
    ]
    return apply_edits(text, edits)


def _found(masked: MaskedText, known: KnownWords) -> list[tuple[Span, str]]:
    """The set phrases that a masked span touches, in order, and what is said instead."""
    found = []
    for phrase, instead, is_strong in _phrases(masked.text):
        spans = [s for s in masked.masked if s.start < phrase.end and phrase.start < s.end]
        is_mild = not is_strong or not any(
            known.knows(word) or known.knows(word.removesuffix("s"))
            for span in spans
            for word in _words_beside(masked.text, span, phrase)
        )
        if spans and is_mild:
            found.append((phrase, instead))
    return found


def _words_beside(text: str, span: Span, phrase: Span) -> list[str]:
    """The words of a span that aren't the phrase's."""
    before, after = text[span.start : phrase.start], text[phrase.end : span.end]
    return _WORD.findall(f"{before} {after}")


def _without(masked: MaskedText, phrases: Sequence[tuple[Span, str]]) -> MaskedText:
    """The mask without the spans that touch a phrase."""
    said = [one for one, _ in phrases]
    return masked.only(
        [(span, weight) for span, weight in masked.weighted if not overlapping(span, said)]
    )


def _with(rewrite: Rewrite, phrases: Sequence[tuple[Span, str]]) -> Rewrite | None:
    """The rewrite with the phrases in other words too; edits that touch one give way."""
    jobs = [
        (edit.span, edit.replacement)
        for edit in rewrite.edits
        if not any(edit.span.start <= one.end and one.start <= edit.span.end for one, _ in phrases)
    ]
    jobs = sorted([*jobs, *phrases])
    return mended(rewrite.original, [span for span, _ in jobs], [new for _, new in jobs])


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A pattern whose groups are the lists' words in it, and what is said instead of it."""

    pattern: str
    instead: str

    def at(self, text: str, start: int) -> tuple[Span, str] | None:
        """The phrase that begins there, and what is said instead."""
        match = _compiled(self.pattern).match(text, start)
        if match is None:
            return None
        chosen = {name: _normal(word) for name, word in match.groupdict().items()}
        return Span(*match.span()), self.instead.format(**chosen)


def _phrases(text: str) -> Iterator[tuple[Span, str, bool]]:
    """Phrases from left to right, what is said instead, and whether one makes a word strong.

    The longest of each place; none overlap.
    """
    by_first, end = _by_first_word(), 0
    for first in _FIRST.finditer(text):
        if first.start() < end:
            continue
        for kind, phrases in by_first.get(first[0].casefold(), {}).items():
            there = [one for phrase in phrases if (one := phrase.at(text, first.start()))]
            if there:
                span, instead = max(there, key=lambda one: one[0].end)
                end = span.end
                yield span, instead, kind == "intensifiers"
                break


@cache
def _by_first_word() -> Mapping[str, Mapping[str, Sequence[_Phrase]]]:
    """The phrases of `idioms.yaml` by their first word, and by kind in the order of the kinds.

    There are thousands if each word of the lists is counted: all in one pattern would each be
    tried at every place.
    """
    read: dict[str, Any] = yaml.safe_load(
        files("trustydetox.steps").joinpath("idioms.yaml").read_text("utf-8")
    )
    words: Mapping[str, Sequence[str]] = read["words"]
    ends, goes_on = (_any_of(read[kind]) for kind in ("not_strong_before", "clause"))
    behind = {
        "sentences": r"(?=[^\S\n]*(?:[.!?…\n]|\Z))",
        "exclamations": r"(?=[^\S\n]*[.!?…])",
        "idioms": r"(?![\w'’])",
        "predicates": rf"(?=[^\S\n]*(?:[,.;:!?…)\]”\"\n]|\Z)|\s+(?:{goes_on})(?![\w'’]))",
        "intensifiers": rf"(?=[^\S\n]+(?!(?:{ends})(?![\w'’]))[^\W\d_])",
    }
    found: dict[str, dict[str, list[_Phrase]]] = {}
    # A sign that ends a sentence, an opening one, or nothing at all stands before a whole sentence.
    begins = r"(?<![^\s\"“(\[])(?<![^\s.!?…\"“][^\S\n])"
    before = {"sentences": begins, "exclamations": begins}
    for kind, after in behind.items():
        for phrase, instead in read[kind].items():
            pattern = before.get(kind, "") + _pattern(phrase, words) + after
            made = _Phrase(pattern, instead or "")
            for first in _first_words(phrase, words):
                found.setdefault(first, {}).setdefault(kind, []).append(made)
    return found


def _first_words(phrase: str, words: Mapping[str, Sequence[str]]) -> set[str]:
    begun = _LIST.match(phrase)
    starts = words[begun[1]] if begun else [phrase]
    return {first[0].casefold() for start in starts if (first := _FIRST.match(start))}


def _pattern(phrase: str, words: Mapping[str, Sequence[str]]) -> str:
    """A group for each list that the phrase names; twice the same name is the same word twice."""
    spelt, named = [], set()
    for at, piece in enumerate(_LIST.split(phrase)):
        if at % 2 == 0:
            spelt.append(_literal(piece))
        elif piece in named:
            spelt.append(f"(?P={piece})")
        else:
            named.add(piece)
            spelt.append(f"(?P<{piece}>{_any_of(words[piece])})")
    return "".join(spelt)


def _any_of(phrases: Collection[str]) -> str:
    """A pattern of any of them, the longest first."""
    return "|".join(_literal(phrase) for phrase in sorted(phrases, key=len, reverse=True))


def _literal(phrase: str) -> str:
    """Between words may be any space in a line."""
    return r"[^\S\n]+".join(map(re.escape, phrase.split(" "))).replace("'", "['’]")


def _normal(phrase: str) -> str:
    return " ".join(phrase.casefold().replace("’", "'").split())


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_LIST = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"\w+")
_FIRST = re.compile(r"(?<![\w'’])\w+")
