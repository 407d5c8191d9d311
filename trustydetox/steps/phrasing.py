"""Set phrases around an oath, said in other words: no single word of them can be taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller
from trustydetox.spans import Span
from trustydetox.steps.infilling import mended

_MOST = 4


@dataclass(frozen=True, slots=True)
class Idioms:
    """Set phrases in other words, the rest by another infiller; then that infiller's candidates.

    `they don't give a damn about it` becomes `they don't care about it`, where a word alone would
    leave a hole or a patch. The list is in `idioms.yaml`, and English. Only a phrase that a masked
    span touches is changed. Texts with such a phrase and another masked span ask the infiller
    twice.
    """

    infiller: Infiller

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """The infiller's candidates per text, behind those with phrases in other words."""
        said = [_found(one) for one in masked]
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


def _found(masked: MaskedText) -> list[tuple[Span, str]]:
    """The set phrases that a masked span touches, in order, and what is said instead."""
    pattern, instead = _phrases()
    return [
        (Span(*match.span()), instead[_normal(match[0])])
        for match in pattern.finditer(masked.text)
        if any(span.start < match.end() and match.start() < span.end for span in masked.masked)
    ]


def _without(masked: MaskedText, phrases: Sequence[tuple[Span, str]]) -> MaskedText:
    """The mask without the spans that touch a phrase."""
    weights = masked.weights or (1.0,) * len(masked.masked)
    kept = [
        (span, weight)
        for span, weight in zip(masked.masked, weights, strict=True)
        if not any(span.start < one.end and one.start < span.end for one, _ in phrases)
    ]
    return MaskedText(
        masked.text, tuple(span for span, _ in kept), tuple(weight for _, weight in kept)
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


@cache
def _phrases() -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds a phrase, and what is said instead of each."""
    read: dict[str, Any] = yaml.safe_load(
        files("trustydetox.steps").joinpath("idioms.yaml").read_text("utf-8")
    )
    instead = {
        phrase.format(**dict.fromkeys(read["words"], word)): new or ""
        for phrase, new in read["idioms"].items()
        for word in next((w for name, w in read["words"].items() if f"{{{name}}}" in phrase), [""])
    }
    words = (
        r"[^\S\n]+".join(map(re.escape, phrase.split())).replace("'", "['’]")
        for phrase in sorted(instead, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w'’])(?:{'|'.join(words)})(?![\w'’])", re.IGNORECASE), instead
