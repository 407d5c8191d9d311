"""What to put in place of masked spans: nothing, or what people put there before.

Every candidate's edits cover whole words, and the spaces and signs that would be left orphaned.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trustydetox.errors import ConfigError, ModelError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller
from trustydetox.spans import Edit, Span
from trustydetox.steps.names import names_in
from trustydetox.steps.viewing import View


@dataclass(frozen=True, slots=True)
class Delete:
    """One candidate: without the masked spans, with spaces, signs and capitals put right.

    A text of which no word would be left gets no candidate.
    """

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """At most one candidate per text."""
        return [_candidates(one, [[""] * len(one.masked)]) for one in masked]


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """Candidates from a learned table of replacements, the likeliest first.

    table: what `trustydetox.training.phrases.learn_phrases` gives: hash of a phrase (alone and
        with a neighbour) -> replacements with counts. Phrases are hashed so that the package
        holds no readable list of insults.
    view: turns a disguised phrase into the plain one to look up.
    candidates: how many to give at most.

    A text none of whose masked spans is in the table gets no candidate; in other texts, spans
    that aren't in it are deleted.
    """

    table: Mapping[str, Sequence[tuple[str, int]]]
    view: Callable[[str], View] = View.of
    candidates: int = 4

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigError(f"candidates must be at least 1, got {self.candidates}")

    @classmethod
    def load(cls, path: Path, *, view: Callable[[str], View] = View.of) -> PhraseTable:
        """The table that `save_phrases` wrote."""
        return cls(load_phrases(path), view)

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Up to `candidates` candidates per text."""
        return [self._one(one) for one in masked]

    def _one(self, masked: MaskedText) -> tuple[Rewrite, ...]:
        options = [self._options(masked.text, span) for span in masked.masked]
        if not any(options):
            return ()
        ranks = min(self.candidates, max(map(len, options)))
        picks = [
            [(each or [""])[min(rank, max(0, len(each) - 1))] for each in options]
            for rank in range(ranks)
        ]
        return _candidates(masked, picks)

    def _options(self, text: str, span: Span) -> list[str]:
        """Replacements of a span, the likeliest first."""
        phrase = self.view(span.of(text)).text
        left, right = _neighbours(text, span)
        scores: dict[str, float] = {}
        for key, weight in (
            (phrase_key(phrase), 1.0),
            (phrase_key(phrase, left=left), 2.0),
            (phrase_key(phrase, right=right), 2.0),
        ):
            found = self.table.get(key, ())
            # Two unseen uses are added to the total: a context seen once proves little.
            total = sum(count for _, count in found) + 2
            for replacement, count in found:
                scores[replacement] = scores.get(replacement, 0.0) + weight * count / total
        return sorted(scores, key=lambda replacement: (-scores[replacement], replacement))


@dataclass(frozen=True, slots=True)
class Together:
    """The candidates of several infillers, those of the first first, none twice."""

    infillers: Sequence[Infiller]

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """All candidates per text."""
        found = [infiller.infill(masked) for infiller in self.infillers]
        return [
            tuple(dict.fromkeys(rewrite for column in found for rewrite in column[at]))
            for at in range(len(masked))
        ]


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The candidates of the first infiller that has any for a text."""

    infillers: Sequence[Infiller]

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Candidates of one infiller per text; later infillers see only what earlier ones left."""
        found: list[tuple[Rewrite, ...]] = [()] * len(masked)
        for infiller in self.infillers:
            open_ = [at for at, each in enumerate(found) if not each]
            for at, each in zip(open_, infiller.infill([masked[at] for at in open_]), strict=True):
                found[at] = each
        return found


def phrase_key(phrase: str, *, left: str | None = None, right: str | None = None) -> str:
    """The name of a phrase, alone or beside one neighbour word, in a phrase table.

    Case and the width of spaces don't count. The empty word stands for the text's border.
    """
    parts = [" ".join(each.casefold().split()) for each in (phrase, left or "", right or "")]
    kind = "left" if left is not None else "right" if right is not None else "alone"
    packed = "\x1f".join((kind, *parts)).encode("utf-8", "replace")
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def save_phrases(table: Mapping[str, Sequence[tuple[str, int]]], path: Path) -> None:
    """Write a phrase table as gzipped JSON, the same bytes for the same table."""
    packed = json.dumps({"version": 1, "phrases": table}, sort_keys=True, ensure_ascii=False)
    path.write_bytes(gzip.compress(packed.encode("utf-8"), mtime=0))


def load_phrases(path: Path) -> dict[str, list[tuple[str, int]]]:
    """Read what `save_phrases` wrote."""
    try:
        read: Any = json.loads(gzip.decompress(path.read_bytes()))
        if read["version"] != 1:
            raise ModelError(f"{path} is a phrase table of version {read['version']}, expected 1")
        return {
            key: [(str(replacement), int(count)) for replacement, count in replacements]
            for key, replacements in read["phrases"].items()
        }
    except OSError as error:
        raise ModelError(f"can't read the phrase table {path}: {error}") from error
    except (EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} isn't a phrase table: {type(error).__name__}") from error


def mended(text: str, spans: Sequence[Span], replacements: Sequence[str]) -> Rewrite | None:
    """The text with a replacement for each span, and spaces, signs, capitals and articles put
    right around it; None where no word would be left.
    """
    rewrite = _Draft(text).mended(spans, replacements)
    return rewrite if re.search(r"\w", rewrite.text) else None


def _candidates(masked: MaskedText, picks: Sequence[Sequence[str]]) -> tuple[Rewrite, ...]:
    """One rewrite per list of replacements, without doubles and without emptied texts."""
    if not masked.masked:
        return ()
    rewrites = dict.fromkeys(mended(masked.text, masked.masked, each) for each in picks)
    return tuple(rewrite for rewrite in rewrites if rewrite is not None)


def _neighbours(text: str, span: Span) -> tuple[str, str]:
    # A word next to the span is near it: what lies further off isn't looked at.
    before = text[max(0, span.start - _NEAR) : span.start]
    after = text[span.end : span.end + _NEAR]
    left, right = _LAST_WORD.search(before), _FIRST_WORD.match(after)
    return left[1] if left else "", right[1] if right else ""


_NEAR = 40
_LAST_WORD = re.compile(r"([\w'’]+)\s*\Z")
_FIRST_WORD = re.compile(r"\s*([\w'’]+)")
_ARTICLE = re.compile(r"\ban?(\s+)(\w+)")
_AFTER_ARTICLE = re.compile(r"\s*(?:[*_\"“‘]|<[A-Za-z]\w*>)*([\w'’]+)")

_SPACE = re.compile(r"\s")
_LINE = "\r\n\t"  # a tab ends a column
_STOPS = ".!?…"
_COMMAS = ",;:"
_OPENING = "([{“‘«"
_CLOSING = ")]}”’»"
_PAIRS = frozenset(("()", "[]", "{}", "“”", "‘’", "«»", '""', "''", "**", "__", "~~", "``"))
_ARTICLES = frozenset(("a", "an"))
_OF_MOST = frozenset(("the", "my", "your", "his", "her", "its", "our", "their"))
_DEGREE = re.compile(
    rf"(?<![\w'’])(?:(?:{'|'.join(sorted(_OF_MOST))})[^\S\n]+(?P<most>most)|(?P<more>more))[^\S\n]+\Z",
    re.IGNORECASE,
)
_COMPARATIVE = re.compile(
    r"(?:crappi|crazi|creepi|dens|dumb|foolish|gross|lam|lazi|nasti|nutti|shitti|silli|stupid|ugli)er",
    re.IGNORECASE,
)
_PLAIN = frozenset("foolish ignorant mean naive rude unkind unwise wrong".split())
# `more` of a quality rather than of things.
_ENDS_MORE = re.compile(r"[^\S\n]*(?:[.,;!?)\n]|\Z|(?:than|every|now)\b)")
_COMMA_INSIDE = re.compile(r"(?<=\w),[\"'’”](?=\s)")
_BETWEEN = re.compile(
    r"[^\S\r\n\t]*+(?:(?:,[^\S\r\n\t]*+)?(?:and|or|&)|,)[^\S\r\n\t]*+", re.IGNORECASE
)
# Spoken with a vowel first though not written so, and the other way round.
_SILENT_H = ("hour", "honest", "honor", "honour", "heir")
_SPOKEN_Y = re.compile(
    r"uni(?!m[ap]|n|d(?!i[rm])|ll)|use|usu|uti|ubi|uk|eu|one(?:s|ness)?(?![a-z])|once|onesie|oneself"
)
_SPOKEN_VOWEL = re.compile(r"(?:8\d*|11|18)(?!\d)")


class _Draft:
    """A text being mended: what each of its characters becomes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = list(text)
        self.touched = bytearray(len(text))
        # Of emptied places, which stay so, one that is nearer to what is left.
        self._before: dict[int, int] = {}
        self._behind: dict[int, int] = {}

    def mended(self, spans: Sequence[Span], replacements: Sequence[str]) -> Rewrite:
        """The text with a replacement for each span and what that makes necessary nearby."""
        jobs = _graded(self.text, _joined(self.text, list(zip(spans, replacements, strict=True))))
        jobs = [(self._within_quotation(*job), job[1]) for job in jobs]
        for span, replacement in jobs:
            put = _ARTICLE.sub(_article_of, replacement)
            if put and not self._is_stressed(span):
                put = _cased(put, span.of(self.text))
            self._put(span.start, span.end, self._parted(span, put))
            if put and self._is_apostrophe(span.end):
                self._put(span.end, span.end + 1, self._owner(span, put))
        for span, replacement in jobs:
            if not replacement:
                self._close(span)
            self._fix_article(span)
        return Rewrite(self.text, self._edits())

    def _within_quotation(self, span: Span, replacement: str) -> Span:
        """What goes, without a comma that the sentence around asks for: `"Go, fool," he said`."""
        if replacement or not _COMMA_INSIDE.match(self.text, span.end - 1):
            return span
        return Span(span.start, span.end - 1)

    def _owner(self, span: Span, put: str) -> str:
        """What comes for the apostrophe behind it: the fools' plan, the man's plan, a bad plan."""
        if not span.of(self.text).casefold().endswith("s"):
            return ""  # a dropped g
        mark = self.text[span.end]
        return mark if put.casefold().endswith("s") else f"{mark}s"

    def _parted(self, span: Span, put: str) -> str:
        """What is put in, with a space where it would run into a word beside it."""
        left = " " if put[:1].isalnum() and self._at(span.start - 1).isalnum() else ""
        right = " " if put[-1:].isalnum() and self._at(span.end).isalnum() else ""
        return f"{left}{put}{right}"

    def _is_stressed(self, span: Span) -> bool:
        """Whether it begins with a capital that only stresses it: `what a Moron he is`."""
        return self.text[span.start].isupper() and span.start in self._names

    @cached_property
    def _names(self) -> frozenset[int]:
        return frozenset(name.start for name in names_in(self.text))

    def _put(self, start: int, end: int, replacement: str = "") -> None:
        self.pieces[start:end] = [replacement, *[""] * (end - start - 1)]
        self.touched[start:end] = b"\x01" * (end - start)

    def _edits(self) -> tuple[Edit, ...]:
        edits = [
            Edit(Span(*run.span()), "".join(self.pieces[run.start() : run.end()]))
            for run in re.finditer(rb"\x01+", self.touched)
        ]
        return tuple(edit for edit in edits if edit.replacement != edit.span.of(self.text))

    def _left(self, at: int) -> int:
        """Where the nearest character before `at` is that will be there; -1 if none."""
        return self._nearest(at - 1, -1, self._before)

    def _right(self, at: int) -> int:
        return self._nearest(at, 1, self._behind)

    def _nearest(self, at: int, step: int, known: dict[int, int]) -> int:
        """From `at` on the first place that isn't emptied; what was walked over is jumped later."""
        walked = []
        while 0 <= at < len(self.pieces) and not self.pieces[at]:
            walked.append(at)
            at = known.get(at, at + step)
        known.update(dict.fromkeys(walked, at))
        return at

    def _at(self, at: int) -> str:
        return self.text[at] if 0 <= at < len(self.text) else ""

    def _close(self, span: Span) -> None:
        """Take out what a deleted span leaves orphaned, sign by sign, then see to the capital."""
        space = _SPACE.search(self.text, span.end)
        apart = space.start() if space else len(self.text)
        while (orphan := self._orphan(span, apart)) is not None:
            self._put(*orphan)
        if span.of(self.text)[:1].isupper() and self._begins_sentence(span):
            self._capitalise(self._right(span.end))

    def _orphan(self, span: Span, apart: int) -> tuple[int, int] | None:
        """The next range to take out beside a deleted span, behind which a space is at `apart`."""
        left, right = self._left(span.start), self._right(span.end)
        before, after = self._at(left), self._at(right)
        inline = not before or before in _LINE  # nothing stands before on this line
        # A sign that stood apart from the span, such as `:)`, isn't its punctuation.
        tight = right <= apart
        if _is_gap(after) and (inline or _is_gap(before) or before in _OPENING):
            return right, right + 1
        if _is_gap(before) and (
            not after
            or after in _LINE
            or (tight and (after in _STOPS + _COMMAS or self._closes(right)))
        ):
            return left, left + 1
        if after and before + after in _PAIRS:
            self._put(left, left + 1)
            return right, right + 1
        if inline and after and after in "\r\n" and before != "\t":
            return right, right + 1
        if (
            tight
            and after
            and after in _COMMAS
            and (inline or before in _STOPS + _COMMAS + _OPENING)
        ):
            return right, right + 1
        if (
            before
            and before in _COMMAS
            and (not after or after in _LINE + _STOPS or self._closes(right))
        ):
            return left, left + 1
        if _is_gap(before) and _FACE.match(self.text, right):
            comma = self._left(left)
            if comma >= 0 and self.text[comma] == ",":
                return comma, comma + 1
        if (
            tight
            and after
            and after in _STOPS
            and (inline or before in _STOPS)
            and not self._at(right + 1).isalnum()
        ):
            return right, right + 1
        return self._joint(left, right) or self._article(left, right)

    def _closes(self, at: int) -> bool:
        """Whether a bracket, a quotation mark or a tag ends before this character, or with it."""
        return bool(_CLOSES.match(self.text, at)) and not self._is_apostrophe(at)

    def _is_apostrophe(self, at: int) -> bool:
        """Whether it belongs to the word before, `idiots'` or `freakin'`, and ends no quotation."""
        found = _APOSTROPHE.match(self.text, at)
        return bool(found) and not _QUOTES.search(self.text, max(0, at - _FAR), at)

    def _joint(self, left: int, right: int) -> tuple[int, int] | None:
        """A hyphen, slash or possessive that lost the word it hung on."""
        before, after = self._at(left), self._at(right)
        if after and after in "'’" and (ending := _POSSESSIVE.match(self.text, right)):
            return right, ending.end()
        if self._is_apostrophe(right):
            return right, right + 1
        if after and after in "-/" and self._at(right + 1).isalnum() and not before.isalnum():
            return right, right + 1
        if before and before in "-/" and not after.isalnum() and self._at(left - 1).isalnum():
            return left, left + 1
        return None

    def _article(self, left: int, right: int) -> tuple[int, int] | None:
        """An article that lost its noun: `You are an idiot.`"""
        after = self._at(right)
        if after and after not in _LINE + _STOPS + _COMMAS and not self._closes(right):
            return None
        start = left
        while self._at(start).isalpha() and self.pieces[start]:
            start -= 1
        word = self.text[start + 1 : left + 1].lower()
        # At the start of a line it is rather a list mark or the whole text.
        if word in _ARTICLES and _is_gap(self._at(start)):
            return start + 1, left + 1
        return None

    def _begins_sentence(self, span: Span) -> bool:
        left = self._left(span.start)
        while _is_gap(self._at(left)) or (self._at(left) and self._at(left) in _OPENING + "\"'*_"):
            left = self._left(left)
        before = self._at(left)
        return not before or before in _LINE + _STOPS

    def _capitalise(self, at: int) -> None:
        while _is_gap(self._at(at)) or (self._at(at) and self._at(at) in _OPENING + "\"'*_"):
            if self._closes(at):
                return
            at = self._right(at + 1)
        word = _PLAIN_WORD.match(self.text, at)
        if word and all(self.pieces[at : word.end()]):
            self.pieces[at] = self.text[at].upper()
            self.touched[at : word.end()] = b"\x01" * (word.end() - at)

    def _fix_article(self, span: Span) -> None:
        """`a` or `an` before what now follows it."""
        right = self._right(span.start)
        if _is_gap(self._at(right)) and not self.touched[right]:
            right = self._right(right + 1)
        left = self._left(span.start)
        while left >= 0:
            opened = _OPENED.search(self.text, max(0, left - _NEAR), left + 1)
            if not (opened or _is_gap(self._at(left)) or self._at(left) in '*_"“‘'):
                break
            left = self._left(opened.start() if opened else left)
        start = left
        while self._at(start).isalpha() and self.pieces[start]:
            start -= 1
        start += 1
        article = self.text[start : left + 1]
        if (
            article.lower() not in _ARTICLES
            or self.touched[start]
            or not _is_gap(self._at(left + 1))
        ):
            return
        following = _AFTER_ARTICLE.match("".join(self.pieces[right : right + _NEAR]))
        if following is None or not following[1][0].isalnum():
            return
        wanted = "an" if _sounds_like_vowel(following[1].lower()) else "a"
        if article.lower() != wanted:
            is_loud = article.isupper() and span.of(self.text).isupper() and len(span) > 1
            self._put(start, left + 1, wanted.upper() if is_loud else _cased(wanted, article[:1]))


_FACE = re.compile(r"(?:[:;=]['^]?-?[()\[\]DPpOo]|[\U0001f300-\U0001faff])")
_OPENED = re.compile(r"<[A-Za-z]\w*>\Z")
_POSSESSIVE = re.compile(r"['’]s\b")
_APOSTROPHE = re.compile(r"(?:(?<=s)|(?<=[a-z]in))['’](?=[^\S\n]\w)", re.IGNORECASE)
_CLOSES = re.compile(rf"[{re.escape(_CLOSING)}]|</|(?!['’]s\b)([\"'*_])\1{{0,3}}+(?![^\W_])")
_FAR = 200  # characters in which the start of a quotation is sought
_QUOTES = re.compile(r"(?<!\w)['‘](?=\w)")
# No letter of a formula, no command, nothing that is given a value or called.
_PLAIN_WORD = re.compile(
    r"(?:[ai]|[a-z]{2,}|[a-z](?=['’]))(?:['’][a-z]+)*+"
    r"(?![\w@/:(^]|['’]\w|[.\-_]\w|[^\S\n]-{1,2}\w|[^\S\n]?[+*]?=|[^\S\n]?\+)"
)


def _is_gap(character: str) -> bool:
    return character.isspace() and character not in _LINE


def _sounds_like_vowel(word: str) -> bool:
    if word.startswith(_SILENT_H) or _SPOKEN_VOWEL.match(word):
        return True
    return word[0] in "aeiou" and not _SPOKEN_Y.match(word)


def _article_of(match: re.Match[str]) -> str:
    return ("an" if _sounds_like_vowel(match[2].lower()) else "a") + match[1] + match[2]


def _graded(text: str, jobs: Sequence[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """`bad` in the degree of what it replaces: `the dumbest plan`, `the most stupid plan`.

    Another plain adjective gets `more` where a comparative went: `dumber than that`.
    """
    graded: list[tuple[Span, str]] = []
    end = 0  # of the job before
    for span, replacement in jobs:
        if replacement == "bad":
            if degree := _DEGREE.search(text, max(end, span.start - _NEAR), span.start):
                word, put = ("most", "worst") if degree["most"] else ("more", "worse")
                if degree["most"] or _ENDS_MORE.match(text, span.end):
                    span, replacement = Span(degree.start(word), span.end), put
            elif (
                span.of(text).casefold().endswith("est")
                and _neighbours(text, span)[0].casefold() in _OF_MOST
            ):
                replacement = "worst"
            elif _is_comparative(text, span):
                replacement = "worse"
        elif replacement in _PLAIN and _is_comparative(text, span):
            replacement = f"more {replacement}"
        graded.append((span, replacement))
        end = span.end
    return graded


def _is_comparative(text: str, span: Span) -> bool:
    said = span.of(text)
    if said.casefold().startswith("more "):
        return _ENDS_MORE.match(text, span.end) is not None
    return _COMPARATIVE.fullmatch(said) is not None


def _cased(replacement: str, original: str) -> str:
    """The replacement in the case of what it replaces."""
    letters = [each for each in original if each.isalpha()]
    if len(letters) > 1 and all(map(str.isupper, letters)):
        return replacement.upper()
    if letters and letters[0].isupper():
        return replacement[:1].upper() + replacement[1:]
    return replacement


def _joined(text: str, jobs: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """Deletions with nothing but `and`, `or` or a comma between them, as one."""
    joined: list[tuple[Span, str]] = []
    for span, replacement in jobs:
        if joined and not replacement and not joined[-1][1]:
            last = joined[-1][0]
            if _BETWEEN.fullmatch(text, last.end, span.start):
                joined[-1] = (Span(last.start, span.end), "")
                continue
        joined.append((span, replacement))
    return joined
