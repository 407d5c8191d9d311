"""Contexts in which toxic words stay: talked about, quoted or objected to, not said to anyone.

Each is a set of words or a shape of text, no model: it neither understands irony nor knows who is
speaking. The word lists are in `sparing.yaml`, and English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.resources import files
from typing import Any

import yaml

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.records import Attribution, MaskedText, Veto
from trustydetox.roles import Masker, SparingMasker, SteadyMasker
from trustydetox.spans import Span, merge, overlapping
from trustydetox.steps.masking import Terms, is_hollow
from trustydetox.steps.snippets import snippets_in

_QUOTED = re.compile(
    r"“[^“”\n]+”|«[^«»\n]+»|(?<!\w)\"[^\"\n]+\"(?!\w)"
    r"|(?<!\w)(?:'\w+(?: \w+){0,3}'|‘\w+(?: \w+){0,3}’)(?!\w)"
)
# A run of capitalised words and initials that begins with no pronoun, article or the like.
_NAMES = re.compile(
    r"\b(?!(?:You|Your|A|An|The|This|That|Such|What|My|Some|No|Yes|Hey|Oh|Stupid|Little)\b)"
    r"[A-Z](?:[a-z]+|\.)(?: (?:(?:and|van|de) )?[A-Z](?:[a-z]+\b|\.))*"
)
# What stands before a name of one word, and what before none.
_BEFORE_NAME = re.compile(
    r"(?:\b(?:aunt|uncle|cousin|brother|sister|grandpa|dear|named|called)|\b(?:Mrs?|Ms|Dr)\.) $"
)
_NEAR = 12  # characters of the longest of these and a space
_BEFORE_NO_NAME = re.compile(r"\b(?:an?|such|you|your) $", re.IGNORECASE)
_AFTER_NAME = re.compile(r" (?:said|says|told|asked|wrote|replied)\b")
_WORD = re.compile(r"[\w'’]+")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


@dataclass(frozen=True, kw_only=True)
class Sparing:
    """Masks what `masker` masks, but for words in the contexts named by `spare`.

    A masked phrase loses such words, and falls into parts where they stood between others; one of
    nothing else goes unmasked. What was kept joins the `vetoes`, by the context's name.

    spare: of `identity-terms` (words for groups of people), `quotation` (between double quotes or
        guillemets), `names` (of people, where such a word is an insult elsewhere), `homonyms` (set
        terms in which it is none: a garbage truck, jerk chicken),
        `counter-speech` (a sentence that objects to a word), `medical` and `legal` (terms of the
        trade), `code` (see `trustydetox.steps.snippets`: fences, backticks, statements and what is
        indented behind them, names with an underscore, tags, paths, addresses, keys and single
        words of JSON, tables and settings, users' names behind `@`).
    """

    masker: Masker
    spare: tuple[str, ...]
    _contexts: Mapping[str, Callable[[str], list[Span]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        known = contexts()
        for name in self.spare:
            if name not in known:
                raise ConfigError(
                    f"spare: no context is called {name!r}{did_you_mean(name, known)}"
                )
        object.__setattr__(self, "_contexts", {name: known[name] for name in self.spare})

    def mask(self, attribution: Attribution, /) -> MaskedText:
        """The spans of the inner masker, cut down, and the vetoes.

        Where nothing is left of them, the words beside what stays are looked at by themselves.
        """
        found = self._cut(attribution)
        if found.masked or not found.vetoes:
            return found
        beside = self._cut(self._beside(attribution))
        return MaskedText(found.text, beside.masked, beside.weights, found.vetoes)

    def _beside(self, attribution: Attribution) -> Attribution:
        """As if what stays weighed nothing, but for words for groups of people."""
        kept = merge(self.kept(attribution.text))
        weights = (
            0.0 if overlapping(unit, kept) else weight
            for unit, weight in zip(attribution.units, attribution.weights, strict=True)
        )
        return Attribution(attribution.text, attribution.units, tuple(weights))

    def _cut(self, attribution: Attribution) -> MaskedText:
        masked = self.masker.mask(attribution)
        text = masked.text
        kept: list[tuple[Span, float]] = []
        vetoes = {veto.span: veto.rule for veto in masked.vetoes}
        contexts = {name: find(text) for name, find in self._contexts.items() if masked.masked}
        for span, weight in masked.weighted:
            left = [span]
            for name, spared in contexts.items():
                before, left = left, []
                for one in before:
                    pieces = unspared(text, one, spared)
                    vetoes |= dict.fromkeys(_between(text, one, pieces), name)
                    left += pieces
            kept += ((one, weight) for one in left)
        stays = tuple(Veto(span, vetoes[span]) for span in sorted(vetoes))
        return replace(masked.only(kept), vetoes=stays)

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        """What the inner masker says; True where it can't say."""
        if not isinstance(self.masker, SteadyMasker):
            return True
        read = (attribution, self._beside(attribution))
        return any(self.masker.is_near_tie(each, margin) for each in read)

    def kept(self, text: str, /) -> list[Span]:
        """What stays of a text, but for words for groups of people; may overlap."""
        inner = self.masker.kept(text) if isinstance(self.masker, SparingMasker) else []
        found = (find(text) for name, find in self._contexts.items() if name != _GROUPS)
        return [*inner, *(span for spans in found for span in spans)]


# What is said of a group is as toxic as it is of that group.
_GROUPS = "identity-terms"


@cache
def contexts() -> Mapping[str, Callable[[str], list[Span]]]:
    """Name of a context -> what finds it in a text, as disjoint spans in order."""
    words: dict[str, Any] = yaml.safe_load(
        files("trustydetox.steps").joinpath("sparing.yaml").read_text("utf-8")
    )
    objections = Terms.of(words.pop("counter-speech"))
    namesakes = frozenset(words.pop("names"))
    return {
        **{name: Terms.of(terms).find for name, terms in words.items()},
        "counter-speech": partial(_objecting, objections),
        "names": partial(_named, namesakes),
        "quotation": partial(_matches, _QUOTED),
        "code": snippets_in,
    }


def _matches(pattern: re.Pattern[str], text: str) -> list[Span]:
    return [Span(*match.span()) for match in pattern.finditer(text)]


def _objecting(objections: Terms, text: str) -> list[Span]:
    """The sentences in which one of the phrases stands."""
    found = objections.find(text)
    return [
        sentence
        for sentence in _matches(_SENTENCE, text)
        if any(sentence.start <= one.start and one.end <= sentence.end for one in found)
    ]


def _named(namesakes: frozenset[str], text: str) -> list[Span]:
    """The whole names in which such a word stands beside another name, or where one would."""
    return [
        Span(*run.span())
        for run in _NAMES.finditer(text)
        if any(word.casefold() in namesakes for word in run[0].split())
        and not _BEFORE_NO_NAME.search(text, max(0, run.start() - _NEAR), run.start())
        and (
            len(run[0].split()) > 1
            or _BEFORE_NAME.search(text, max(0, run.start() - _NEAR), run.start())
            or _AFTER_NAME.match(text, run.end())
        )
    ]


def unspared(text: str, span: Span, spared: Sequence[Span]) -> list[Span]:
    """The parts of the span that aren't spared, without words that only held it together."""
    there = overlapping(span, spared)
    if not there:
        return [span]
    pieces = (_bare(text, piece) for piece in _outside(span, there))
    return [piece for piece in pieces if piece is not None]


def _outside(span: Span, spared: Sequence[Span]) -> Iterator[Span]:
    """The parts of `span` between and beside the disjoint spans, which are in order."""
    start = span.start
    for one in spared:
        if start < one.start:
            yield Span(start, one.start)
        start = max(start, one.end)
    if start < span.end:
        yield Span(start, span.end)


def _bare(text: str, span: Span) -> Span | None:
    """The span without signs and hollow words at its ends; None where nothing is left.

    What only held the phrase together doesn't stay behind alone.
    """
    start, end = _trimmed(text, span.start, span.end)
    while (first := _WORD.match(text, start, end)) and is_hollow(first[0]):
        start, end = _trimmed(text, first.end(), end)
    while start < end:
        last = end
        while last > start and _WORD.match(text, last - 1, last):
            last -= 1
        if not is_hollow(text[last:end]):
            break
        start, end = _trimmed(text, start, last)
    return Span(start, end) if start < end else None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and _parts(text[start]):
        start += 1
    while start < end and _parts(text[end - 1]):
        end -= 1
    return start, end


def _parts(character: str) -> bool:
    """Whether it stands between words: white space or a sign, but no mark on a letter."""
    return character.isspace() or unicodedata.category(character)[0] == "P"


def _between(text: str, whole: Span, left: Sequence[Span]) -> Iterator[Span]:
    """What of `whole` isn't `left`, without the spaces between them."""
    for piece in _outside(whole, left):
        start, end = _trimmed(text, piece.start, piece.end)
        if start < end:
            yield Span(start, end)
