"""What of a text a rewrite must keep or must not leave behind, told by plain rules.

Sources are often lower-case with spaces around signs, human rewrites cased and set normally; all
comparisons are made on `tokens`, in which the two look the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

_APOSTROPHE = re.compile(r"\s*['’`´]\s*(?=(?:t|s|re|m|ll|ve|d)\b)")
_TOKEN = re.compile(r"\w+(?:['*@$]+\w+)*|([^\w\s])\1*")
_SENTENCE = re.compile(r"[.!?:\"“”]\s*$")
_JOINT = re.compile(
    r"(?<!\w)(?:a|an|the|is|are|was|were|be|such|your|of|to)(?=\s*(?:[,.!?;]|$))", re.IGNORECASE
)
_RESIDUE = re.compile(
    r"\[(?:MASK|UNK|PAD|CLS|SEP|BLANK|removed)\]|</?s>|<(?:mask|unk|pad|extra_id_\d+)>|##\w|▁|Ġ",
    re.IGNORECASE,
)
_LOOSE = {
    **{
        word.replace("'", ""): word
        for word in (
            "don't doesn't didn't isn't aren't wasn't weren't can't couldn't wouldn't shouldn't "
            "haven't hasn't hadn't ain't i'm i've you're you've they're they've that's there's "
            "what's let's he's"
        ).split()
    },
    "won't": "won't",
}
_FUNCTION = frozenset(
    """
    a about after again all also although am an and another any are as at be because been before
    being both but by can could did do does doing done down each even ever every few for from get
    gets getting go goes going gone got had has have having he her here hers him his how i if in
    into is it its itself just like made make makes many may me might more most much must my myself
    no nor not now of off on once one only or other our ours out over own really said same say says
    shall she should so some such than that the their theirs them then there these they this those
    through to too two under until up us very was way we were what when where which while who whom
    whose why will with without would yes yet you your yours yourself
    """.split()
)
_NEGATIONS = frozenset(
    "no not never none nobody nothing neither nor nowhere cannot without".split()
)


def tokens(text: str) -> list[str]:
    """Words and signs in lower case; contractions are joined, a repeated sign counts once."""
    plain = unicodedata.normalize("NFKC", text).lower()
    found = (match[0] for match in _TOKEN.finditer(_APOSTROPHE.sub("'", plain)))
    return [_LOOSE.get(each, each) if any(map(str.isalnum, each)) else each[0] for each in found]


def joints(text: str) -> int:
    """How often an article, preposition or verb stands right before a sign or the end."""
    return len(_JOINT.findall(text))


def residues(text: str) -> int:
    """How many marks of a model's own vocabulary stand in the text."""
    return len(_RESIDUE.findall(text))


def is_empty(text: str) -> bool:
    """Whether no letter or digit is left."""
    return not any(map(str.isalnum, text))


def content_words(words: Iterable[str]) -> Counter[str]:
    """The tokens that carry meaning, without the ending `'s`."""
    return Counter(
        stem
        for word in words
        if word[0].isalnum()
        and (stem := word.removesuffix("'s")) not in _FUNCTION
        and "'" not in stem
    )


def kept_by_all(words: Sequence[str], rewrites: Collection[Sequence[str]]) -> Counter[str]:
    """The content words of a text that all of its rewrites keep; none without a rewrite."""
    common = content_words(words) if rewrites else Counter[str]()
    for rewrite in rewrites:
        common &= content_words(rewrite)
    return common


def negations(words: Iterable[str]) -> int:
    """How many words deny."""
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words)


def facts(words: Iterable[str], names: Collection[str]) -> Counter[str]:
    """The numbers among the tokens, and the names."""
    return Counter(
        stem for word in words if (stem := word.removesuffix("'s"))[0].isdigit() or stem in names
    )


def learn_names(texts: Iterable[str], is_ordinary: Callable[[str], bool]) -> frozenset[str]:
    """Words that stand capitalised inside sentences, 3 times or more and 19 times out of 20.

    So that a name is known in a lower-case text too. is_ordinary: words that are none whatever.
    """
    capital: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for text in texts:
        for match in re.finditer(r"[A-Za-z][a-z]+\b", text):
            # The first word of a sentence says nothing.
            if match.start() and not _SENTENCE.search(text[: match.start()][-4:]):
                word = match[0].lower()
                seen[word] += 1
                capital[word] += match[0][0].isupper()
    return frozenset(
        word
        for word, count in capital.items()
        if count >= 3
        and count >= 0.95 * seen[word]
        and word not in _FUNCTION
        and not is_ordinary(word)
    )
