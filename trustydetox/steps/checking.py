"""What a candidate must not do: stay toxic, bring in something new, lose facts, say too little."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trustydetox.errors import ConfigError
from trustydetox.records import Finding, Rewrite, Toxicity
from trustydetox.roles import Scorer
from trustydetox.steps.holes import dangling
from trustydetox.steps.labels import labels_in
from trustydetox.steps.leaving import deeds_in
from trustydetox.steps.phrasing import in_other_words
from trustydetox.steps.sentences import LONG, said_in
from trustydetox.steps.snippets import HANDLE
from trustydetox.steps.sparing import contexts
from trustydetox.steps.viewing import KnownWords, View


@dataclass(frozen=True, slots=True)
class LessToxic:
    """Toxicity of the rewritten text by a second scorer; below `limit` passes.

    Of a text of `long` sentences or more only those count that an edit touched, the worst of them
    for all. The others are as the guide left them, as in a text that it found clean, and of many
    sentences one looks toxic to any scorer by chance: of 420 rows of civil_comments_toxic_half 280
    are mended if read whole, 288 so (with a limit of 0.5).

    scorer: one with other weights than the guide's, best of another architecture and trained on
        other rows. The guide chose the words to mask, so of its own faults it sees none.
    """

    scorer: Scorer
    limit: float = 0.5
    long: int = LONG
    name: str = "less-toxic"

    def __post_init__(self) -> None:
        _require_share(self.name, "limit", self.limit)

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is a probability."""
        parts = [_touched(rewrite, self.long) for rewrite in rewrites]
        scores = iter(self.scorer.score([text for each in parts for text in each]))
        return [self._one([next(scores) for _ in each]) for each in parts]

    def _one(self, scores: Sequence[Toxicity]) -> Finding:
        worst = max(score.overall for score in scores)
        return Finding(self.name, worst < self.limit, worst, self.limit)


@dataclass(frozen=True, slots=True)
class NothingNew:
    """How many known toxic words the edits brought in; fewer than one passes.

    Words that arise where an edit joins two halves count too. Reading in the detection view
    (`view`) finds disguised ones as well.
    """

    known: KnownWords
    view: Callable[[str], View] = View.of
    name: str = "nothing-new"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is a count."""
        return [_count(self.name, self._new(rewrite)) for rewrite in rewrites]

    def _new(self, rewrite: Rewrite) -> int:
        if not rewrite.edits:
            return 0
        before = Counter(_words(self.view(rewrite.original).text))
        after = Counter(_words(self.view(rewrite.text).text))
        return sum(count for word, count in (after - before).items() if self.known.knows(word))


@dataclass(frozen=True, slots=True)
class FactsKept:
    """How many facts the edits took out or brought in; none passes.

    Facts are numbers with their units, addresses, users' names, code between backticks, words that
    deny (`don't` and `do not` deny alike), words that limit (`must`, `might`) and plain praise or
    assent, which in place of an insult turns what was said into its opposite. So are acts of
    violence and parts of the body in plain words (see `trustydetox.steps.leaving`), the labels of
    a transcript, and signs that a program reads (`|`, `=`, braces, tabs and such), of which no edit
    may leave a pair or an assignment empty. Nor may the edits bring thanks, a yes or other praise,
    or be the first, but in a set phrase said otherwise, to speak of I or you, or to say that
    anybody is a he or a she, a woman, or of which group of people (`the poor` are one, `men` and
    `guys` none). Digits inside a word aren't a number.
    """

    name: str = "facts-kept"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is a count."""
        return [_count(self.name, self._changed(rewrite)) for rewrite in rewrites]

    def _changed(self, rewrite: Rewrite) -> int:
        if not rewrite.edits:
            return 0
        changed = _lost_or_new(rewrite.original, rewrite.text)
        if changed:
            changed = min(changed, _lost_or_new(in_other_words(rewrite.original), rewrite.text))
        return changed


@dataclass(frozen=True, slots=True)
class Whole:
    """How many words the edits left dangling, which ask for a word that isn't there; none passes.

    They are words that can't stand where the edit leaves them: an article, a preposition or a verb
    form right before a sign or the end (also with an adverb, `is just.`), an article or a
    possessive right before a preposition, a verb form or a conjunction, an article and a common
    adjective where the noun should come, a pronoun that is a whole sentence, a modal verb before
    `are bad`, the same word twice, a quotation mark or a bracket without its fellow, and a few
    more that readers found: see `trustydetox.steps.holes`.
    """

    name: str = "whole"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is a count."""
        return [
            _count(self.name, max(0, _dangling(rewrite.text) - _dangling(rewrite.original)))
            for rewrite in rewrites
        ]


@dataclass(frozen=True, slots=True)
class Contained:
    """Share of the text's words that went or came; at most `limit` passes.

    limit: of the words of the original. Case and the place of a word don't count, nor does it that
        an article or an `of`, which belong to a noun, went or came, nor does one word that came,
        or one of several that went for fewer: two in place of one are no other text, however short
        it is, nor is `go away` in place of `go to hell`. Nor do words of a set phrase that is said
        otherwise (see `trustydetox.steps.phrasing`): `Kiss my ass.` may become `Go away.`
    """

    limit: float = 0.5
    name: str = "contained"

    def __post_init__(self) -> None:
        _require_share(self.name, "limit", self.limit)

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is the larger of the two shares; it is above 1 where many words came."""
        return [self._one(rewrite) for rewrite in rewrites]

    def _one(self, rewrite: Rewrite) -> Finding:
        originals = {rewrite.original, in_other_words(rewrite.original)}
        share = min(_changed(original, rewrite.text) for original in originals)
        return Finding(self.name, share <= self.limit, share, self.limit)


@dataclass(frozen=True, slots=True)
class NotEmptied:
    """Number of words left, as a share of the original's; `limit` or more passes.

    least: words that must be left whatever the share.
    """

    limit: float = 0.2
    least: int = 1
    name: str = "not-emptied"

    def __post_init__(self) -> None:
        _require_share(self.name, "limit", self.limit)
        if self.least < 1:
            raise ConfigError(f"{self.name}: least must be at least 1, got {self.least}")

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """The value is a share; 0 where fewer than `least` words are left."""
        return [self._one(rewrite) for rewrite in rewrites]

    def _one(self, rewrite: Rewrite) -> Finding:
        left = sum(1 for _ in _words(rewrite.text))
        share = left / max(1, sum(1 for _ in _words(rewrite.original)))
        share = share if left >= self.least else 0.0
        return Finding(self.name, left >= self.least and share >= self.limit, share, self.limit)


def _changed(original: str, text: str) -> float:
    """Share of the original's words that changed."""
    before, after = Counter(_words(original)), Counter(_words(text))
    went, came = (_but_articles(each) for each in (before - after, after - before))
    return max(went - (0 < came < went), came - 1) / max(1, before.total())


def _dangling(text: str) -> int:
    return dangling(text.replace("\t", "\n"))  # a column ends as a line does


def _count(name: str, value: int) -> Finding:
    return Finding(name, value < 1, float(value), 1.0)


def _touched(rewrite: Rewrite, long: int) -> list[str]:
    """The sentences that an edit changed, and those beside a cut; of a short text the whole."""
    text = rewrite.text
    said = said_in(text)
    if len(said) < long:
        return [text]
    starts, ends = [each.start for each in said], [each.end for each in said]
    touched: set[int] = set()
    shift = 0
    for edit in rewrite.edits:
        start = edit.span.start + shift
        end = start + len(edit.replacement)
        if edit.replacement:
            touched.update(range(bisect_right(ends, start), bisect_left(starts, end)))
        else:
            touched.update(range(bisect_left(ends, start), bisect_right(starts, end)))
        shift += len(edit.replacement) - len(edit.span)
    return [said[i].of(text) for i in sorted(touched)] or [text]


def _require_share(check: str, setting: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{check}: {setting} must be in [0, 1], got {value}")


def _but_articles(words: Counter[str]) -> int:
    return words.total() - sum(words[word] for word in ("a", "an", "the", "of"))


def _words(text: str) -> Iterator[str]:
    return (match.group().casefold() for match in _WORD.finditer(text))


def _facts(text: str) -> Iterator[str]:
    for label in labels_in(text):
        yield f"{label.of(text)}:"
    for _, stem in deeds_in(text):
        yield stem
    for match in _FACT.finditer(text):
        if match["negation"]:
            yield "not"
        else:
            yield match.group().casefold().rstrip(".,:;!?")


def _lost_or_new(original: str, text: str) -> int:
    """How many facts of `original` aren't in `text`, or the other way round."""
    before, after = Counter(_facts(original)), Counter(_facts(text))
    changed = (before - after).total() + (after - before).total()
    said = _claims(original)
    if "she" in said:
        said.add("woman")
    invented = _claims(text) - said
    praise = _praise(text) - _praise(original)
    emptied = max(0, _emptied(text) - _emptied(original))
    return changed + emptied + len(invented) + praise.total()


def _claims(text: str) -> set[str]:
    """What no edit may be the first to say: I or you, who is a he or a she, and of what group.

    Groups are without the s of the plural, and genders are none.
    """
    groups = (span.of(text) for span in contexts()["identity-terms"](text))
    return {
        *(match.lastgroup or "" for match in _PERSON.finditer(text)),
        *({group.casefold().removesuffix("s") for group in groups} - _OF_A_GENDER),
        *(match[1].casefold() for match in _THE_POOR.finditer(text)),
    }


def _emptied(text: str) -> int:
    """How many brackets, quotation marks, cells and assignments hold nothing."""
    return sum(1 for _ in _NOTHING.finditer(text))


def _praise(text: str) -> Counter[str]:
    return Counter(match[0].casefold() for match in _PRAISE.finditer(text))


# Signs that a program reads: a column, a tag or a value goes with any of them. A quotation mark is
# one beside another.
_SIGN = r"[={\[:][^\S\n]?\"|\"(?:[:}\]]|,[^\S\n]*\")|[|={}\[\]<>\\\t]"
_NOTHING = re.compile(
    r"\(\s*\)|\[\s*\]|\{\s*\}|\"\"|''|=[^\S\n]*(?=>|$)|\|[^\S\n]*(?=\|)"
    r"|(?:^|\t)[^\S\n\t]*(?=\t)|\t[^\S\n\t]*$",
    re.MULTILINE,
)
_OF_A_GENDER = frozenset("boy girl lady ladie man men woman women male female".split())
# Where no noun follows that isn't people.
_THE_POOR = re.compile(
    r"\bthe (poor|poorest|rich|richest|sick|ill|disabled|handicapped|old|elderly|aged|young|weak"
    r"|weakest|blind|deaf|mute|homeless|needy|hungry|jobless|unemployed|insane|mad|dead|dying"
    r"|injured|wounded|obese|fat|uneducated|illiterate|underprivileged|vulnerable|powerless|masses)"
    r"(?=[^\S\n]*(?:[.,;:!?)\n\"”]|\Z)|[^\S\n]+(?:people|folks?|men|women|guys|is|are|was|were|will|would|can|could|should|must"
    r"|do|does|did|don['’]t|have|had|and|or|but|who|that|in|on|of|to|from|by|at|with|for|as)\b)",
    re.IGNORECASE,
)
# A `guy` is anybody, but not a `lady`.
_PERSON = re.compile(
    r"\b(?:(?P<I>i|i[md]|ive|me|my|mine|myself|we|us|ours?|ourselves)"
    r"|(?P<you>you|yours?|yourself|yourselves|youre|youve|y['’]?all|yo|ya|u|ur)"
    r"|(?P<he>he|him|his|himself)"
    r"|(?P<she>she|her|hers|herself)"
    r"|(?P<woman>wom[ae]n|girls?|girlfriends?|lady|ladies|females?|wife|wives|mothers?|moms?|mums?"
    r"|daughters?|sisters?|aunts?|grandmas?|queens?|chicks?|bitch|bitches|biatch|cunts?|hoes?|hookers?"
    r"|prostitutes?|skanks?|sluts?|thots?|whores?))\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
# Further praise than `_FACT` has, which an edit may take out: it often goes with an insult.
_PRAISE = re.compile(
    r"\b(?:admirable|admires?|adores?|angel|brighter|capable|champion|congrats|congratulations|cool"
    r"|correct|cute|decent|easy|enjoys?|enjoyed|fair|fantastic|favou?rite|fine|fun|funny|generous"
    r"|genius|glad|gorgeous|handsome|happy|healthy|hero|heroes|hilarious|impressive|important"
    r"|interesting|kinder|legend|legit|logical|lucky|nicer|noble|popular|proud|qualified|reasonable"
    r"|respects?|respected|rich|right|sane|sensible|smarter|special|stronger|strong|successful|superb"
    r"|sweet|talented|thanks?|true|trusts?|trusted|useful|valid|welcome|well|winner|wiser|worthy|yeah"
    r"|yes|i like|(?<!lack of )(?:insight|intelligence|judge?ment|knowledge|wisdom))\b",
    re.IGNORECASE,
)
_UNITS = (
    "[kmgt]?b|[mckµ]?m|[mk]?g|m?l|m?s|k?w|k?hz|lbs?|oz|ft|mph|km/h|hrs?|min"
    "|[ap]m|bn|k|st|nd|rd|th|x|px"
)
_FACT = re.compile(
    r"`[^`\n]+`|" + HANDLE + r"|\b(?:https?://|www\.)[^\s<>\"]+"
    # Behind no such sign: else a long run of them is tried from each of its places.
    r"|(?<![\w.+\-])[\w.+\-]+@[\w\-]+\.[\w.\-]+"
    r"|(?:(?<![\w\-])-)?(?<![^\W_])[$€£]?\d+(?:[.,:/]\d+)*"
    r"(?:%|°[cf]|" + _UNITS + r")?(?!\w)"
    r"|(?<=\d )[ap]m(?!\w)|\b(?:kg|km|cm|mm|mph|km/h|lbs?|hrs?|[kmgt]b)\b"
    r"|\b(?:must|might|should|shall|ought)\b"
    r"|\b(?:good|great|nice|best|better|smart|wise|lovely|wonderful|excellent|beautiful|perfect"
    r"|intelligent|clever|brilliant|honest|brave|courageous|amazing|awesome|loves?|loved|agree[ds]?|underst(?:ands?|ood))\b"
    r"|(?P<negation>\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot"
    r"|(?:\w+n ?['’]t|(?:ai|ca|wo|do|does|did|is|are|was|were|has|have|had|should|would|could)nt))"
    r"\b)|" + _SIGN,
    re.IGNORECASE,
)
