"""The text as a detector should read it, with a map back to the original's offsets.

Disguises (other alphabets' lookalikes, digits for letters, dots or spaces between letters,
invisible characters, stretched letters, stars) are undone in the view only; the text itself is
never changed. A disguise of a word is undone only where that gives a known toxic word, so names,
identifiers, numbers, addresses and code read as they are. Not undone: ROT13, base64, URL escapes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from pathlib import Path

from trustydetox.errors import ModelError, SpanError
from trustydetox.spans import Span


@dataclass(frozen=True, slots=True)
class View:
    """A text to read, each character of which knows its range in the original.

    starts, ends: `starts[i]:ends[i]` is the original range of view character `i`; both never
        decrease. Characters that came from one original character share its range.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def __post_init__(self) -> None:
        if not len(self.text) == len(self.starts) == len(self.ends):
            raise SpanError(
                f"{len(self.text)} view characters but {len(self.starts)} starts "
                f"and {len(self.ends)} ends"
            )

    @classmethod
    def of(cls, text: str) -> View:
        """The text as it is."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def original(self, start: int, end: int) -> Span:
        """The original characters behind the non-empty view range `start:end`."""
        if not 0 <= start < end <= len(self.text):
            raise SpanError(
                f"expected 0 <= start < end <= {len(self.text)} in the view, got {start}:{end}"
            )
        return Span(self.starts[start], self.ends[end - 1])


@dataclass(frozen=True, slots=True)
class KnownWords:
    """A set of toxic word forms that can be asked but not read: it holds only 64-bit hashes."""

    hashes: frozenset[int]

    @classmethod
    def of(cls, words: Iterable[str]) -> KnownWords:
        """The set of these words; case doesn't count."""
        return cls(frozenset(map(_hash, words)))

    @classmethod
    def load(cls, path: Path) -> KnownWords:
        """Read what `save` wrote."""
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise ModelError(f"can't read the known words {path}: {error.strerror}") from error
        if len(packed) % 8:
            raise ModelError(f"{path} isn't a list of 8-byte hashes: it has {len(packed)} bytes")
        return cls(
            frozenset(
                int.from_bytes(packed[at : at + 8], "little") for at in range(0, len(packed), 8)
            )
        )

    def save(self, path: Path) -> None:
        """Write the hashes, sorted, as little-endian 64-bit numbers."""
        path.write_bytes(b"".join(key.to_bytes(8, "little") for key in sorted(self.hashes)))

    def knows(self, word: str) -> bool:
        """Whether `word`, in any case, is one of the words."""
        return _hash(word) in self.hashes


@lru_cache(maxsize=16384)  # words are many and mostly seen once: more only costs memory
def _hash(word: str) -> int:
    digest = hashlib.blake2b(word.casefold().encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True, slots=True)
class DetectionView:
    """Text -> View in time linear in the text; plain text is returned as it is.

    White space keeps its count; every kind but the ASCII ones becomes a plain space.
    """

    known: KnownWords

    def __call__(self, text: str) -> View:
        """The view of one text."""
        view = View.of(text) if _PLAIN.fullmatch(text) else _fold_characters(text)
        overridden = "\u202e" in text
        if not overridden and not _is_suspect(view.text):
            return view
        words = list(self._disguised(view.text, overridden))
        return _replace(view, words) if words else view

    def _disguised(self, text: str, overridden: bool) -> Iterator[tuple[int, int, str]]:
        """Start, end and plain form of each disguised word, in order, disjoint."""
        found = [*self._spelled_out(text), *self._in_tokens(text)]
        if found:
            code = bytearray(len(text))
            for match in _CODE.finditer(text):
                code[match.start() : match.end()] = b"\x01" * len(match.group())
            for match in _TOKEN.finditer(text):
                if _ADDRESS.search(match.group()):
                    code[match.start() : match.end()] = b"\x01" * len(match.group())
            found = [word for word in found if code.find(1, word[0], word[1]) < 0]
        if overridden:
            found += self._reversed(text)
        last = 0
        for start, end, word in sorted(found, key=lambda each: (each[0], -each[1])):
            if start >= last:
                yield start, end, word
                last = end

    def _spelled_out(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Words written as single letters: `i d i o t`, `i.d.i.o.t`."""
        for run in _SPELLED.finditer(text):
            at = [match.start() for match in _LETTER.finditer(text, *run.span())]
            letters = "".join(text[each] for each in at)
            if letters.isalpha():
                for first, last in self._segments(letters):
                    yield at[first], at[last - 1] + 1, letters[first:last]
            elif (word := self._plain_form(letters)) is not None:
                yield at[0], at[-1] + 1, word

    def _segments(self, letters: str) -> list[tuple[int, int]]:
        """The known words in a row of letters, if it is made of them and small words only.

        The whole row must come out even: the letters of `a s s e s s` hold no insult.
        """
        size = len(letters)
        # For each place: where the word that ends there began, and whether it was a known one.
        came: list[tuple[int, bool] | None] = [(0, False), *[None] * size]
        for start in range(size):
            if came[start] is None:
                continue
            for end in range(min(size, start + _LONGEST), start, -1):
                if came[end] is None:
                    word = letters[start:end].lower()
                    if word in _SMALL_WORDS:
                        came[end] = (start, False)
                    elif end - start >= 3 and self.known.knows(word):
                        came[end] = (start, True)
        words: list[tuple[int, int]] = []
        end = size
        while end and (step := came[end]) is not None:
            if step[1]:
                words.append((step[0], end))
            end = step[0]
        return words[::-1]

    def _in_tokens(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Words disguised without white space: `1diot`, `id.iot`, `idiooot`, `id*ot`."""
        latin: bool | None = None
        for token in _TOKEN.finditer(text):
            whole = token.group()
            if not _is_suspect(whole):
                continue
            if latin is None and not whole.isascii():
                latin = _mostly_latin(text)
            for chunk in _CHUNK.finditer(whole):
                found = self._in_chunk(chunk.group(), latin is not False)
                if found is not None:
                    start, end, word = found
                    base = token.start() + chunk.start()
                    yield base + start, base + end, word

    def _in_chunk(self, chunk: str, latin: bool) -> tuple[int, int, str] | None:
        if not chunk.isascii():
            folded = chunk.translate(_LOOKALIKES)
            mixed = _CYRILLIC.search(chunk) is not None and _LATIN.search(chunk) is not None
            bare = "".join(unicodedata.normalize("NFD", each)[0] for each in folded)
            for start, end in _cores(chunk):
                core = bare[start:end]
                if (latin or mixed) and core != chunk[start:end]:
                    if self.known.knows(core):
                        return start, end, core
                    # Signs that are letters elsewhere are only signs in `f#€k`.
                    word = self._plain_form(core) or self._complete(chunk[start:end].lower())
                    if word is not None:
                        return start, end, _cased_like(word, core)
            # Latin and Cyrillic in one word is a disguise even where what it hides is unknown;
            # Latin and Greek is mathematics.
            return (0, len(chunk), folded) if mixed and folded.isascii() else None
        parts = [match.span() for match in _PART.finditer(chunk)] if "-" in chunk else []
        if sum(not chunk[start:end].isalpha() for start, end in parts) > 1:
            parts = []  # an identifier
        for start, end in (*_cores(chunk), *parts):
            word = self._plain_form(chunk[start:end])
            if word is not None:
                return start, end, word
        return None

    def _plain_form(self, core: str) -> str | None:
        """The known word that `core` disguises, in its case; None where there is none."""
        short = _RUN.sub(r"\1\1\1", core).lower()
        if not 3 <= len(short) <= 2 * _LONGEST:
            return None
        letters = sum(map(str.isalpha, short))
        digits = sum(map(str.isdigit, short))
        # Identifiers: `F4G`, `T1T5`. A disguise is mostly letters, and a known word is longer.
        if digits and (len(short) < 4 or letters < digits + core.isupper()):
            return None
        if len(set(short)) == 1:  # `xxxx` blots something out
            return None
        for form in dict.fromkeys((short, self._joined(short))):
            for word in islice(_spellings(form), _TRIES):
                # Lists of toxic words hold disguises too, and a reader knows the word better.
                if word != core.lower() and self.known.knows(word):
                    return _cased_like(self._complete(word) or word, core)
        whole = self._complete(short)
        return None if whole is None else _cased_like(whole, core)

    def _complete(self, form: str) -> str | None:
        """The known word of which letters of `form` are starred or left out."""
        if len(form) > 2 * _LONGEST:  # none is as long, and looking takes its square
            return None
        filled = islice(_filled(form), _STAR_TRIES)
        return next(filter(self.known.knows, filled), None)

    def _joined(self, short: str) -> str:
        """Without the signs that cut a word into scraps; compounds of whole words stay."""
        parts = _JOINTS.split(short)
        if min(map(len, parts)) > 2 or any(
            len(each) > 2 and self.known.knows(each) for each in parts
        ):
            return short
        return "".join(parts)

    def _reversed(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Words written backwards for a right-to-left override to turn round."""
        for match in _WORD.finditer(text):
            word = match.group()
            if not self.known.knows(word) and self.known.knows(word[::-1]):
                yield match.start(), match.end(), word[::-1]


_LONGEST = 16  # letters of a word worth looking up
_TRIES = 96  # look-ups for digits, symbols and stretched letters of one word
_STAR_TRIES = 26 * 26 + 6 * 6  # two stars

# Characters that stand for themselves; a text with any other needs a look at each character.
_PLAIN = re.compile(
    "[\t\n\r\x20-\x7e\xa1-\xa7\xc0-\xd6\xd8-\xf6\xf8-\xff\u0100-\u0131\u0134-\u013e"
    "\u0410-\u044f\u2010\u2013-\u2016\u2018-\u2022]*"
)
_ODD = re.compile(_PLAIN.pattern.replace("[", "[^", 1).removesuffix("*"))

_SPELLED = re.compile(
    r"(?<![A-Za-z0-9'’@$])[A-Za-z0-9@$](?:[\s._\-*~|,/]{1,3}[A-Za-z0-9@$](?![A-Za-z0-9'’@$])){2,}"
)
_LETTER = re.compile(r"[A-Za-z0-9@$]")
# What a word in disguise shows at least. Each starts with what is rare in plain text, which makes
# six searches four times as fast as one alternation.
_SUSPECT = (
    re.compile(r"[0-9@$*#|+!%][A-Za-z]"),
    re.compile(r"[0-9@$*#|+%](?<=[A-Za-z].)"),
    re.compile(r"(.)\1\1(?<=[A-Za-z])"),
    re.compile(r"[._~^=\-](?<=[A-Za-z._~^=\-].)[A-Za-z]"),
    re.compile(r"[\s._\-*~|,/][b-hj-zB-HJ-Z0-9@$](?=[\s._\-*~|,/])"),
    re.compile(r"[vV][b-df-hj-np-tw-xzB-DF-HJ-NP-TW-XZ]"),
    re.compile(r"[fF][cC][kK]|[bB](?:[tT][cC][hH]|[sS][tT][rR][dD])"),
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_TOKEN = re.compile(r"[^\s<>]+")
_ADDRESS = re.compile(
    r"://|www\.|\w@[\w-]+\.\w|[{}=;\\]\w|\w\(|::|->|&&|\|\||\w/\w+/|^[~.]{0,2}/\w"
    r"|\.(?:com|org|net|edu|gov|io|co|uk|de|info|html?|php|py|js|json|txt|csv|pdf|png|jpe?g)\b",
    re.IGNORECASE,
)
_CHUNK = re.compile(r"[^()\[\]{}\"“”„«»,;:?…—–/]+")
_PART = re.compile(r"[^-]+")
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL | re.IGNORECASE)
_JOINTS = re.compile(r"[._~^=\-]+")
_LATIN = re.compile("[A-Za-z]")
_FOREIGN = re.compile(r"[^\W\d_A-Za-z]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_WORD = re.compile(r"\b[A-Za-z]{3,32}\b")

_SMALL_WORDS = frozenset(
    ("a", "i", "u", "r", "you", "your", "the", "off", "it", "is", "are", "me", "my", "this", "that")
)

_DIGITS_AND_SIGNS = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "il", "+": "t", "v": "vu",
}  # fmt: skip


def _is_suspect(text: str) -> bool:
    for pattern in _SUSPECT:
        if pattern.search(text):
            return True
    return not text.isascii() and _UNUSUAL.search(text) is not None


def _cores(chunk: str) -> Iterator[tuple[int, int]]:
    """Where in a chunk the word may lie: with the signs that can be letters, then without."""
    seen = (0, 0)
    for signs in (".'’`_~-=^&%", ".'’`_~-=^&%!*#+|"):
        start = len(chunk) - len(chunk.lstrip(signs))
        end = len(chunk.rstrip(signs))
        if start < end and (start, end) != seen:
            yield start, end
        seen = (start, end)


def _spellings(form: str) -> Iterator[str]:
    """What a lower-case word may stand for, nearest first."""
    choices = [_DIGITS_AND_SIGNS.get(each, each) for each in form]
    for letters in islice(product(*choices), 16):
        word = "".join(letters)
        if not word.isalpha():
            return
        yield word
        runs = re.findall(r"((.)\2*)", word)
        if any(len(run) > 2 for run, _ in runs):
            # One letter first: most stretched words have a single one.
            lengths = [(1, 2) if len(run) > 2 else (len(run),) for run, _ in runs]
            for counts in product(*lengths):
                yield "".join(run[0] * count for (run, _), count in zip(runs, counts, strict=True))
            yield "".join(run[0] for run, _ in runs)


_STARRED = re.compile(
    r"([a-z]+)([*#%]|[*#%@$&!^+€£]{2}|(?<![a-z]{3})(?:\.\.|--|__)(?=[a-z]{1,3}(?:ing|er|ers|ed|s)?\Z))([a-z]*)"
)


def _filled(form: str) -> Iterator[str]:
    """A word with one or two letters starred out or one left out, likely letters tried first.

    `id*ot`, `b@#ch`, `b.tch`, and `btch`, where letters stand side by side as in no English word.
    """
    match = _STARRED.fullmatch(form)
    if match and (match[3] or match[2] == "**"):
        letters = "uiahoesnlrtcdbfgjkmpqvwxyz"
        stars = len(match[2])
        for fill in product(letters, repeat=stars):
            yield match[1] + "".join(fill) + match[3]
        return
    match = re.fullmatch(r"([a-z]{1,4})[.\-]([a-z]{1,4}(?:ing|er|ers|ed|s)?)", form)
    match = match or re.fullmatch(r"([a-z]*(?:f(?=ck)|b(?=tch|strd)))([a-z]+)", form)
    if match and len(form) > 2:
        for vowel in "uiaoey":
            yield match[1] + vowel + match[2]


def _cased_like(word: str, model: str) -> str:
    letters = [each for each in model if each.isalpha()]
    if len(letters) > 1 and all(map(str.isupper, letters)):
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word


def _replace(view: View, words: Sequence[tuple[int, int, str]]) -> View:
    """The view with words put in place of view ranges.

    Inside a word the characters share its range evenly: only its two borders mean something.
    """
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    kept = 0

    def keep(stop: int) -> None:
        pieces.append(view.text[kept:stop])
        starts.extend(view.starts[kept:stop])
        ends.extend(view.ends[kept:stop])

    for start, end, word in words:
        keep(start)
        pieces.append(word)
        step = (end - start) / len(word)
        cuts = [start + int(at * step) for at in range(len(word))]
        starts.extend(view.starts[cut] for cut in cuts)
        stops = [*cuts[1:], end]
        ends.extend(view.ends[max(cut, stop - 1)] for cut, stop in zip(cuts, stops, strict=True))
        kept = end
    keep(len(view.text))
    return View("".join(pieces), tuple(starts), tuple(ends))


def _fold_characters(text: str) -> View:
    """NFKC of each character, without invisible characters and stacked marks.

    Joiners stay where they are spelling (Persian, Hindi) or hold an emoji together.
    """
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in _ODD.finditer(text):
        at, each = match.start(), match.group()
        pieces.extend(text[done:at])
        starts.extend(range(done, at))
        ends.extend(range(done + 1, at + 1))
        done = at + 1
        last = pieces[-1] if pieces else " "
        if each in _MARKS:
            # The mark belongs to its letter; a second mark is decoration.
            if pieces and ends[-1] == at and _plain_script(last):
                composed = unicodedata.normalize("NFC", last + each)
                if len(composed) == 1:
                    pieces[-1] = composed
                _lengthen(starts, ends)
                continue
        elif each in _INVISIBLE and _plain_script(last):
            if each not in _DIRECTIONS and pieces and ends[-1] == at and not last.isspace():
                _lengthen(starts, ends)
            continue
        folded = _fold(each)
        pieces.extend(folded)
        starts.extend([at] * len(folded))
        ends.extend([at + 1] * len(folded))
    pieces.extend(text[done:])
    starts.extend(range(done, len(text)))
    ends.extend(range(done + 1, len(text) + 1))
    return View("".join(pieces), tuple(starts), tuple(ends))


def _lengthen(starts: list[int], ends: list[int]) -> None:
    """One more original character for the last view character and those that share its range."""
    end, at = ends[-1] + 1, len(starts) - 1
    start = starts[at]
    while at >= 0 and starts[at] == start:
        ends[at] = end
        at -= 1


@lru_cache(maxsize=65536)
def _fold(character: str) -> str:
    if character.isspace():
        return " "
    folded = unicodedata.normalize("NFKC", character)
    # Some spacing accents become a space and a mark, which would cut a word in two.
    return character if " " in folded else folded


def _plain_script(character: str) -> bool:
    """Whether invisible characters beside it mean nothing: Latin, Greek, Cyrillic, signs."""
    return character < "\u0590" or "\u1e00" <= character < "\u2070"


def _mostly_latin(text: str) -> bool:
    return len(_LATIN.findall(text)) > len(_FOREIGN.findall(text))


def _characters(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(chr(code) for first, last in ranges for code in range(first, last + 1))


_MARKS = _characters(
    (0x300, 0x36F), (0x483, 0x489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)  # fmt: skip
_DIRECTIONS = _characters((0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069), (0x61C, 0x61C))
_INVISIBLE = _DIRECTIONS | _characters(
    (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200D), (0x2060, 0x2065), (0x206A, 0x206F),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB),
    (0x1D173, 0x1D17A), (0xE0000, 0xE01EF),
)  # fmt: skip

# Letters that look like Latin ones: a selection of the confusables of Unicode Technical Standard
# #39 (confusables.txt), plus those used as disguise though only similar (such as U+0446 for u).
# Full-width, circled and mathematical letters need no entry: NFKC folds them.
_LOOKALIKES = {
    ord(lookalike): latin
    for latin, lookalikes in {
        "a": "аӑӓαάɑᴀ", "b": "вьбβʙɓƀᏏ", "c": "сςϲᴄ¢ƈ", "d": "ԁдđɗɖᴅ", "e": "еёҽэєεέəɛᴇ€",
        "f": "ƒꜰ", "g": "ɡɢցɠ", "h": "нһħʜհ", "i": "іїıιίɪɨ¡", "j": "јʝᴊȷյ", "k": "кκᴋƙ",
        "l": "ӏʟłɭ£", "m": "мᴍɱ", "n": "пηήռոɴŋ", "o": "оοόσøօᴏө", "p": "рρᴘþ", "q": "ԛգ",
        "r": "гяʀɾɼ",
        "s": "ѕꜱʂ§", "t": "тτᴛŧ", "u": "цийυύʋսᴜʉμ", "v": "ѵνᴠ", "w": "шщѡԝωώᴡա", "x": "хχҳ",
        "y": "уүұγʏ¥", "z": "ᴢƶʐ",
        "A": "АΑᎪ", "B": "ВΒᏴ", "C": "СϹᏟ", "D": "ᎠĐ", "E": "ЕЁΕᎬ", "F": "Ϝ", "G": "ԌᏀ", "H": "НΗᎻ",
        "I": "ІЇΙӀ", "J": "ЈᎫ", "K": "КΚᏦ", "L": "ᏞŁ", "M": "МΜᎷ", "N": "Ν", "O": "ОΟՕØ",
        "P": "РΡᏢ", "Q": "Ԛ", "R": "ЯᏒ", "S": "ЅՏᏚ", "T": "ТΤᎢ", "U": "ЦՍ", "V": "ѴᏙ", "W": "ШԜᎳ",
        "X": "ХΧ", "Y": "УҮΥϒ", "Z": "ΖᏃ",
    }.items()
    for lookalike in lookalikes
}  # fmt: skip
# Letters that can hide a Latin one: the above and accented ones.
_UNUSUAL = re.compile("[\xc0-\u024f\u1e00-\u1eff" + "".join(map(chr, _LOOKALIKES)) + "]")
