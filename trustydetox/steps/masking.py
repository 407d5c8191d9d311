"""From weights to the spans that must go: pure arithmetic over words."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from trustydetox.errors import ConfigError
from trustydetox.records import Attribution, MaskedText, Veto
from trustydetox.spans import Span
from trustydetox.steps.labels import labels_in
from trustydetox.steps.sentences import LONG, said_in


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Masks the words that weigh `threshold` or more, the strongest first.

    budget: largest share of a text's words to mask; one word may always go.
    floor: where no word reaches the threshold, the strongest goes if it weighs this or more;
        None masks nothing there.
    sure: in a text of `long` sentences or more this is the threshold, and `threshold` the floor.
        The more words there are, the more of them reach any weight by chance.
    allow: words and phrases never masked; those that would have been are vetoes, `allow-list`.
    deny: words and phrases always masked, whatever they weigh; neither budget nor `allow` saves
        them. Whether a text is looked at at all is the gate's choice, not the masker's.

    Case doesn't count in `allow` and `deny`; they match whole words only.
    """

    threshold: float
    budget: float = 0.5
    floor: float | None = None
    sure: float | None = None
    long: int = LONG
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    _allowed: Terms = field(init=False, repr=False, compare=False)
    _denied: Terms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.budget <= 1.0:
            raise ConfigError(f"budget must be in (0, 1], got {self.budget}")
        if self.floor is not None and not self.floor <= self.threshold:
            raise ConfigError(
                f"floor must be at most the threshold {self.threshold}, got {self.floor}"
            )
        if self.sure is not None and not self.sure >= self.threshold:
            raise ConfigError(
                f"sure must be at least the threshold {self.threshold}, got {self.sure}"
            )
        for name in ("allow", "deny"):
            if isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} must be a set of words, got one str")
        object.__setattr__(self, "allow", frozenset(self.allow))
        object.__setattr__(self, "deny", frozenset(self.deny))
        object.__setattr__(self, "_allowed", Terms.of(self.allow))
        object.__setattr__(self, "_denied", Terms.of(self.deny))

    def mask(self, attribution: Attribution, /) -> MaskedText:
        """Whole words, joined where only spaces or a hyphen part them, without outer punctuation.

        Weights are shares of the strongest masked word's. Somebody addressed (`…, you idiot!`) goes
        with the `you`, which nothing else in the sentence asks for. Labels (see `labels_in`) never
        go, and single letters and words that only hold a sentence together do so inside a masked
        phrase alone.
        """
        text = attribution.text
        labels = _Cover.of(text, labels_in(text))
        words = _words(attribution, labels)
        denied = [span for span in self._denied.find(text) if not labels.touches(span)]
        allowed = self._allowed.find(text)
        hollow = _hollow(text, words)
        threshold, floor = self._limits(text)
        free = _untouched(words, _Cover.of(text, allowed))
        chosen = self._chosen(free, hollow, self._most(len(words)), threshold, floor)
        chosen += _with_strength(denied, words, max(threshold, _EVEN))
        fixed = _Cover.of(text, denied)
        spans: list[Span] = []
        weights: list[float] = []
        for group in _groups(text, sorted(chosen)):
            kept = _trimmed(group, hollow, fixed)
            if kept:
                span = Span(kept[0][0].start, max(span.end for span, _ in kept))
                spans.append(_addressed(text, span, allowed))
                weights.append(max(_EVEN, *(weight for _, weight in kept)))
        strongest = max(weights, default=1.0)
        heavy = _Cover.of(text, (span for span, weight in words if weight >= threshold))
        return MaskedText(
            text,
            tuple(spans),
            tuple(weight / strongest for weight in weights),
            tuple(
                Veto(one, "allow-list")
                for one in allowed
                if heavy.touches(one) and not fixed.touches(one)
            ),
        )

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        """Whether weights that each move by up to `margin` could mask other spans."""
        threshold, floor = self._limits(attribution.text)
        borders = [threshold] if floor is None else [threshold, floor]
        if any(
            abs(weight - border) <= margin for weight in attribution.weights for border in borders
        ):
            return True
        if sum(weight >= borders[-1] for weight in attribution.weights) < 2:
            return False
        # Which words the budget leaves out, or which is the strongest, is a matter of order.
        text = attribution.text
        words = _words(attribution, _Cover.of(text, labels_in(text)))
        allowed = _Cover.of(text, self._allowed.find(text))
        said = _untouched(_untouched(words, allowed), _hollow(text, words))
        free = [weight for _, weight in said]
        rivals = [weight for weight in free if weight >= threshold]
        if not rivals and floor is not None:
            rivals = [weight for weight in free if weight >= floor]
        elif len(rivals) <= self._most(len(words)):
            return False
        rivals.sort()
        return any(high - low <= 2 * margin for low, high in pairwise(rivals))

    def kept(self, text: str, /) -> list[Span]:
        """The words and phrases of `allow`, but for those that `deny` takes all the same."""
        allowed = self._allowed.find(text)
        denied = _Cover.of(text, self._denied.find(text) if allowed else ())
        return [span for span in allowed if not denied.touches(span)]

    def _limits(self, text: str) -> tuple[float, float | None]:
        """Threshold and floor in this text."""
        if self.sure is not None and len(said_in(text)) >= self.long:
            return self.sure, self.threshold
        return self.threshold, self.floor

    def _most(self, words: int) -> int:
        return max(1, int(self.budget * words))

    def _chosen(
        self,
        words: list[tuple[Span, float]],
        hollow: _Cover,
        most: int,
        threshold: float,
        floor: float | None,
    ) -> list[tuple[Span, float]]:
        strongest = sorted(_untouched(words, hollow), key=lambda word: (-word[1], word[0]))
        reached = [word for word in strongest if word[1] >= threshold]
        if not reached and floor is not None:
            reached = [word for word in strongest[:1] if word[1] >= floor]
        picked = reached[:most]
        if not picked:
            return []
        # Hollow words that weigh enough go only inside a masked phrase: see `_trimmed`.
        inner = [word for word in words if word[1] >= threshold and hollow.touches(word[0])]
        return picked + inner[: most - len(picked)]


@dataclass(frozen=True, kw_only=True)
class ShareOfStrongest:
    """Masks the words that weigh at least `share` of the text's strongest word.

    For weights without a fixed scale, such as gradients, in texts that are toxic: some word is
    always masked where any weighs more than nothing. Other settings are those of `Threshold`.
    """

    share: float
    budget: float = 0.5
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    _threshold: Threshold = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(f"share must be in (0, 1], got {self.share}")
        inner = Threshold(
            threshold=self.share, budget=self.budget, allow=self.allow, deny=self.deny
        )
        object.__setattr__(self, "_threshold", inner)

    def mask(self, attribution: Attribution, /) -> MaskedText:
        """Whole words, joined and trimmed as `Threshold` does."""
        return self._threshold.mask(_scaled(attribution))

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        """Whether weights that each move by up to `margin` could mask other spans."""
        strongest = max(attribution.weights, default=0.0)
        # A weight and the strongest may move apart: twice the margin, in the scale of shares.
        room = 2 * margin / strongest if strongest > margin else 1.0
        return self._threshold.is_near_tie(_scaled(attribution), room)

    def kept(self, text: str, /) -> list[Span]:
        """The words and phrases of `allow`, but for those that `deny` takes all the same."""
        return self._threshold.kept(text)


def _addressed(text: str, span: Span, allowed: Sequence[Span]) -> Span:
    """The span, with the `you` before it where the two are all between two signs."""
    before = _YOU.search(text, max(0, span.start - _NEAR), span.start)
    if before is None or not _SIGN.match(text, span.end):
        return span
    you = Span(*before.span("you"))
    if any(one.start < you.end and you.start < one.end for one in allowed):
        return span
    return Span(you.start, span.end)


def _scaled(attribution: Attribution) -> Attribution:
    strongest = max(attribution.weights, default=0.0)
    # Where nothing speaks for toxicity nothing is masked: weights at or below 0 stay there.
    divisor = strongest if strongest > 0.0 else 1.0
    weights = tuple(min(weight / divisor, 1.0) for weight in attribution.weights)
    return Attribution(attribution.text, attribution.units, weights)


@dataclass(frozen=True, slots=True)
class Terms:
    """A list of words and phrases, found in a text in linear time; case doesn't count."""

    by_first: dict[str, tuple[tuple[str, ...], ...]]

    @classmethod
    def of(cls, terms: Iterable[str]) -> Terms:
        """The list of these terms; blank ones are left out."""
        by_first: dict[str, list[tuple[str, ...]]] = {}
        for term in sorted(terms):
            pieces = tuple(match.group().casefold() for match in _PIECE.finditer(term))
            if pieces:
                by_first.setdefault(pieces[0], []).append(pieces)
        return cls(
            {first: tuple(sorted(set(each), key=len)[::-1]) for first, each in by_first.items()}
        )

    def find(self, text: str) -> list[Span]:
        """Where the terms are, the longest first from left to right, disjoint."""
        if not self.by_first:
            return []
        pieces = [(match.group().casefold(), match.span()) for match in _PIECE.finditer(text)]
        found: list[Span] = []
        at = 0
        while at < len(pieces):
            for term in self.by_first.get(pieces[at][0], ()):
                if tuple(piece for piece, _ in pieces[at : at + len(term)]) == term:
                    found.append(Span(pieces[at][1][0], pieces[at + len(term) - 1][1][1]))
                    at += len(term)
                    break
            else:
                at += 1
        return found


def load_words(path: Path) -> frozenset[str]:
    """The terms of a file with one word or phrase a line; blank lines and comments are skipped.

    A comment starts with a `#`, at the start of a line or after a space. ConfigError where there
    is no term.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise ConfigError(f"can't read the word list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the word list {path} isn't UTF-8 (at byte {error.start}): save it as UTF-8"
        ) from error
    terms = frozenset(term for line in lines if (term := _COMMENT.sub("", line).strip()))
    if not terms:
        raise ConfigError(
            f"the word list {path} holds no word: expected one a line; without words leave it out"
        )
    return terms


_COMMENT = re.compile(r"(?:^|\s)#.*")
_PIECE = re.compile(r"\w+|[^\w\s]")
_JOIN = re.compile(r"[^\S\n\r\t]*|[-/'’]")
_EVEN = 1e-6  # the strength of a word that weighs nothing and goes all the same
# Closed classes of English: nothing toxic is said by one of these, whatever it weighs.
_HOLLOW = frozenset(
    """
    a an the and or but if of to in on at by for with from as than is are was were be been am it
    its this that these those he she they we you i me him her them us my your his their our so
    do does did has have had will would can could should what who which how when where why there
    here then can't won't ain't
    """.split()
)
_CONTRACTED = re.compile(r"(?:n't|'(?:re|s|ll|ve|d|m))\Z")  # behind one of them
# `you` between a sign and a span, and a sign behind the span.
_YOU = re.compile(r"(?:\A|[,;.!?\n\t])[^\S\n\t]*(?P<you>you)[^\S\n\t]+\Z", re.IGNORECASE)
_SIGN = re.compile(r"[^\S\n\t]*(?:[,.!?\n\t]|\Z)")
_NEAR = 12  # characters in which such a `you` is sought
# Signs that stand for letters: never taken for punctuation at the end of a word.
_LETTERLIKE = frozenset("@#*%&")
_EMPHASIS = frozenset("*_~#")


def _core(text: str, unit: Span) -> Span | None:
    """The unit as a whole word without outer punctuation; None where nothing else is in it."""
    start, end = unit.start, unit.end
    while start > 0 and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    while start < end:
        if _outer(text[start]) or (
            text[start] in _EMPHASIS and (end - start == 1 or text[end - 1] == text[start])
        ):
            paired = text[start] in _EMPHASIS and end - start > 1
            start, end = start + 1, end - (paired and text[end - 1] == text[start])
        elif _outer(text[end - 1]):
            end -= 1
        elif closing := _emphasis(text, start, end):
            end -= closing
        else:
            return Span(start, end) if any(map(_says, text[start:end])) else None
    return None


def _emphasis(text: str, start: int, end: int) -> int:
    """How many signs behind a word end what was stressed before it: `**you fool**`, not `f**`."""
    sign = text[end - 1]
    if sign not in "*_":
        return 0
    size = end - start - len(text[start:end].rstrip(sign))
    signs = re.escape(sign * size)
    line = text[text.rfind("\n", 0, start) + 1 : start]
    opened = len(re.findall(rf"(?<![\w*_]){signs}(?=\w)", line))
    return size if opened > len(re.findall(rf"(?<=\w){signs}(?![\w*_])", line)) else 0


def is_hollow(word: str) -> bool:
    """Whether it only holds a sentence together, or is a single letter: never masked alone."""
    plain = word.casefold().replace("’", "'")
    return (
        plain in _HOLLOW
        or _CONTRACTED.sub("", plain) in _HOLLOW
        or (len(word) == 1 and word.isalnum())
    )


def _says(character: str) -> bool:
    """Whether it is a letter, a digit or a picture, rather than a sign."""
    return character.isalnum() or unicodedata.category(character) == "So"


def _outer(character: str) -> bool:
    return character.isspace() or (
        unicodedata.category(character)[0] == "P" and character not in _LETTERLIKE
    )


@dataclass(frozen=True, slots=True)
class _Cover:
    """Which characters of a text lie in some spans."""

    flags: bytearray

    @classmethod
    def of(cls, text: str, spans: Iterable[Span]) -> _Cover:
        flags = bytearray(len(text))
        for span in spans:
            flags[span.start : span.end] = b"\x01" * len(span)
        return cls(flags)

    def touches(self, span: Span) -> bool:
        return self.flags.find(1, span.start, span.end) >= 0


def _words(attribution: Attribution, labels: _Cover) -> list[tuple[Span, float]]:
    """The units as words, which the budget counts, with their weights; labels are none."""
    return [
        (span, weight)
        for unit, weight in zip(attribution.units, attribution.weights, strict=True)
        if (span := _core(attribution.text, unit)) is not None and not labels.touches(span)
    ]


def _hollow(text: str, words: list[tuple[Span, float]]) -> _Cover:
    """Where words are that go inside a masked phrase only."""
    return _Cover.of(text, (span for span, _ in words if is_hollow(span.of(text))))


def _untouched(words: list[tuple[Span, float]], cover: _Cover) -> list[tuple[Span, float]]:
    return [word for word in words if not cover.touches(word[0])]


def _with_strength(
    denied: list[Span], words: list[tuple[Span, float]], least: float
) -> list[tuple[Span, float]]:
    """Deny-listed spans with the weight of their strongest word, but at least `least`."""
    strength = [least] * len(denied)
    starts = [span.start for span in denied]
    for span, weight in words if denied else []:
        at = bisect_left(starts, span.end) - 1
        if at >= 0 and denied[at].end > span.start:
            strength[at] = max(strength[at], weight)
    return list(zip(denied, strength, strict=True))


def _groups(text: str, words: list[tuple[Span, float]]) -> Iterator[list[tuple[Span, float]]]:
    """Words with nothing but spaces or one joining sign between them, together."""
    group: list[tuple[Span, float]] = []
    end = 0
    for span, weight in words:
        if group and not (span.start < end or _JOIN.fullmatch(text, end, span.start)):
            yield group
            group = []
        group.append((span, weight))
        end = max(end, span.end) if len(group) > 1 else span.end
    if group:
        yield group


def _trimmed(
    group: list[tuple[Span, float]], hollow: _Cover, fixed: _Cover
) -> list[tuple[Span, float]]:
    """A group without the hollow words at its ends."""
    keep = [
        at for at, (span, _) in enumerate(group) if fixed.touches(span) or not hollow.touches(span)
    ]
    return group[keep[0] : keep[-1] + 1] if keep else []
