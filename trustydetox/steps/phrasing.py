"""Oaths that insult nobody: set phrases, and words that only make others strong.

No single word of a set phrase can be taken out, so all of it is said in other words; the others go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import yaml

from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller
from trustydetox.spans import Span
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


def _found(masked: MaskedText, known: KnownWords) -> list[tuple[Span, str]]:
    """The set phrases that a masked span touches, in order, and what is said instead."""
    phrases = _phrases()
    found = []
    for match in phrases.pattern.finditer(masked.text):
        phrase = Span(*match.span())
        spans = [s for s in masked.masked if s.start < phrase.end and phrase.start < s.end]
        is_mild = match["strong"] is None or not any(
            known.knows(word) or known.knows(word.removesuffix("s"))
            for span in spans
            for word in _words_beside(masked.text, span, phrase)
        )
        if spans and is_mild:
            found.append((phrase, phrases.instead[_normal(match[0])]))
    return found


def _words_beside(text: str, span: Span, phrase: Span) -> list[str]:
    """The words of a span that aren't the phrase's."""
    before, after = text[span.start : phrase.start], text[phrase.end : span.end]
    return _WORD.findall(f"{before} {after}")


def _without(masked: MaskedText, phrases: Sequence[tuple[Span, str]]) -> MaskedText:
    """The mask without the spans that touch a phrase."""
    weights = masked.weights or (1.0,) * len(masked.masked)
    kept = [
        (span, weight)
        for span, weight in zip(masked.masked, weights, strict=True)
        if not any(span.start < one.end and one.start < span.end for one, _ in phrases)
    ]
    return replace(
        masked,
        masked=tuple(span for span, _ in kept),
        weights=tuple(weight for _, weight in kept),
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


def _normal(phrase: str) -> str:
    return " ".join(phrase.casefold().replace("’", "'").split())


@dataclass(frozen=True, slots=True)
class _Phrases:
    """What finds a phrase (group `strong`: one that makes the next word strong), what is said."""

    pattern: re.Pattern[str]
    instead: Mapping[str, str]


@cache
def _phrases() -> _Phrases:
    read: dict[str, Any] = yaml.safe_load(
        files("trustydetox.steps").joinpath("idioms.yaml").read_text("utf-8")
    )
    idioms, said, strong = (
        _spelt(read[kind], read["words"]) for kind in ("idioms", "predicates", "intensifiers")
    )
    ends, goes_on = (
        "|".join(map(re.escape, read[kind])) for kind in ("not_strong_before", "clause")
    )
    return _Phrases(
        re.compile(
            rf"(?<![\w'’])(?:(?:{_any_of(idioms)})(?![\w'’])"
            rf"|(?:{_any_of(said)})(?=[^\S\n]*(?:[,.;:!?…)\]”\"\n]|\Z)|\s+(?:{goes_on})(?![\w'’]))"
            rf"|(?P<strong>{_any_of(strong)})(?=[^\S\n]+(?!(?:{ends})(?![\w'’]))[^\W\d_]))",
            re.IGNORECASE,
        ),
        strong | said | idioms,
    )


def _spelt(phrases: Mapping[str, str | None], words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each phrase with each word of the lists that it names; twice the same name, the same word."""
    return {
        phrase.format(**chosen): (new or "").format(**chosen)
        for phrase, new in phrases.items()
        for names in [[name for name in words if f"{{{name}}}" in phrase]]
        for each in product(*(words[name] for name in names))
        for chosen in [dict(zip(names, each, strict=True))]
    }


def _any_of(phrases: Collection[str]) -> str:
    """A pattern of any of them, the longest first; between words may be any space in a line."""
    return "|".join(
        r"[^\S\n]+".join(map(re.escape, phrase.split())).replace("'", "['’]")
        for phrase in sorted(phrases, key=len, reverse=True)
    )


_WORD = re.compile(r"\w+")
