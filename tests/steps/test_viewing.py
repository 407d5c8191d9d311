from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustydetox.errors import ModelError, SpanError
from trustydetox.spans import Span
from trustydetox.steps import viewing
from trustydetox.steps.viewing import DetectionView, KnownWords, View

KNOWN = KnownWords.of(
    ["idiot", "idiots", "stupid", "moron", "fuck", "fucking", "shit", "ass", "damn", "crap"]
)
view = DetectionView(KNOWN)

WORDS = st.sampled_from(
    ["You", "are", "kind", "the", "assess", "Scunthorpe", "cocktail", "well-known", "it's", "3.5"]
)
PLAIN = st.lists(WORDS, max_size=12).map(" ".join)
# Everything the view looks for, close together.
WILD = st.text(
    alphabet="aidotfuckshAS01345@$*!.-_ "
    "\n\t\u200b\u200d\u00ad\u202e\u202c\u0301\u0336цоаеΑβéﬁ½ｆ𝓯🙂`",
    max_size=40,
)


def original_of(text: str, word: str) -> str:
    """What of `text` an edit of `word`, as the view shows it, would cover."""
    seen = view(text)
    found = re.search(rf"\b{word}\b", seen.text)
    assert found is not None, f"{word!r} isn't in {seen.text!r}"
    return seen.original(*found.span()).of(text)


@pytest.mark.parametrize(
    ("disguised", "word"),
    [
        ("f.u.c.k", "fuck"),
        ("f u c k", "fuck"),
        ("f_u_c_k", "fuck"),
        ("f-u-c-k", "fuck"),
        ("f\nu\nc\nk", "fuck"),  # one letter a line
        ("s h 1 t", "shit"),
        ("id.iot", "idiot"),
        ("fvck", "fuck"),
        ("sh1t", "shit"),
        ("a$$", "ass"),
        ("1diot", "idiot"),
        ("id10t", "idiot"),
        ("sh!t", "shit"),
        ("@ss", "ass"),
        ("M0R0N", "MORON"),
        ("f\u200bu\u200cc\u2060k", "fuck"),  # invisible characters inside
        ("stu\u00adpid", "stupid"),  # soft hyphen
        ("fцck", "fuck"),  # Cyrillic
        ("ѕtuріd", "stupid"),
        ("мorоn", "moron"),
        ("ѕh1t", "shit"),  # two disguises at once
        ("mοrοn", "moron"),  # Greek
        ("ｆｕｃｋ", "fuck"),  # full width
        ("𝓯𝓾𝓬𝓴", "fuck"),  # mathematical
        ("i\u0336d\u0337\u0301i\u0336o\u0302t\u0334", "idiot"),  # stacked marks
        ("fück", "fuck"),
        ("fuuuuck", "fuck"),
        ("stuuuupid", "stupid"),
        ("damnnnnn", "damn"),
        ("f*ck", "fuck"),
        ("sh*t", "shit"),
        ("f**k", "fuck"),
        ("f@#k", "fuck"),  # signs that are letters elsewhere
        ("F#€k", "Fuck"),
        ("f..k", "fuck"),
        ("f--king", "fucking"),
        ("cr#p", "crap"),
        ("stupid", "stupid"),  # no disguise at all
    ],
)
def test_a_disguised_word_is_read_in_plain_and_an_edit_covers_exactly_it(
    disguised: str, word: str
) -> None:
    assert original_of(f"you {disguised}, go", word) == disguised


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("*sh1t*", "*shit*"),
        ("**id10t**!", "**idiot**!"),
        ("(a$$)", "(ass)"),
        ("dumb-a$$", "dumb-ass"),
        ("f*ck,you", "fuck,you"),
        ("f u c k i n g i d i o t", "fucking idiot"),
        ("you a s t u p i d i d i o t!", "you a stupid idiot!"),
        ("<b>sh1t</b>", "<b>shit</b>"),
        ("\u202ekcuf\u202c you", "fuck you"),  # written backwards under an override
        ("Id1ot STUUUPID", "Idiot STUPID"),
    ],
)
def test_only_the_disguised_part_changes(text: str, seen: str) -> None:
    assert view(text).text == seen


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe, Essex, assess, cocktail, Shital and Nishit",
        "order F4G-2231, part T1T5, ref A55",  # identifiers
        "80085 5318008 a55",  # numbers
        "https://example.org/sh1t?a$$=1 www.f-u-c-k.example.com",
        "mail a$$@example.org or sh1t@example.org",
        "/usr/sh1t/a$$ and C:\\sh1t",
        "`a$$ = f.u.c.k`",
        "```\nsh1t = 1\nf u c k\n```",
        "x = id10t(1) && a_s_s::b",
        "[MASK] <mask> <|im_end|> </s> <p class='x'>",
        "A S S E S S and T I T A N",  # spelled out, holding an insult
        "U.S.A. i.e. e.g. a b c d I, a, s",
        "XXXX xxxxx ......",  # blotted out
        "z**z c**",  # no known word fits
        "R&D at H&M, so..it was, rock--the sea, him..her, what!?no, tick@@tock, idi..s",
        "Привет, как дела? Καλημέρα",  # nothing to read as Latin
        "TNF-α and 5 μg of IL-1β",
        "it's 2020's C++ and C# for $5 @home 50% off!",
        "Rønning, Müller, café, naïve, Ærø",
        "they assess a well-known e-mail re-do co-op x-ray",
    ],
)
def test_what_only_looks_like_a_disguise_stays(text: str) -> None:
    assert view(text).text == text


def test_a_word_of_latin_and_cyrillic_letters_is_folded_though_unknown() -> None:
    assert view("pаypаl").text == "paypal"


def test_a_word_of_one_other_alphabet_stays_in_a_text_of_that_alphabet() -> None:
    known = DetectionView(KnownWords.of(["coc"]))
    assert known("сос пришёл").text == "сос пришёл"
    assert known("you are a сос, really").text == "you are a coc, really"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("cafe\u0301", "café"),  # decomposed accent: one letter
        ("½ … ﬁ ②", "1⁄2 ... fi 2"),
        ("a\u00a0b\u3000c\u2028d", "a b c d"),
        ("a\tb\r\nc\n\n  d", "a\tb\r\nc\n\n  d"),  # ASCII white space stays
        ("id\x00iot", "idiot"),
        ("a¨b", "a¨b"),  # would fold to a space and a mark
        ("👨\u200d👩\u200d👧 ok ☀\ufe0f", "👨\u200d👩\u200d👧 ok ☀\ufe0f"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),  # spelling, not disguise
        ("क\u094dष", "क\u094dष"),
        ("", ""),
        ("🙂", "🙂"),
    ],
)
def test_characters_are_folded_but_spelling_stays(text: str, seen: str) -> None:
    assert view(text).text == seen


def test_an_edit_never_cuts_a_letter_from_its_marks() -> None:
    text = "e\u0301\u0336t"
    assert view(text).original(0, 1) == Span(0, 3)


def test_invisible_characters_go_with_the_word_they_are_in_but_directions_stay() -> None:
    text = "\u202eidiot\u200b\u202c!"
    assert original_of(text, "idiot") == "idiot\u200b"


def broken_laws(text: str, seen: View) -> Iterator[str]:
    """Which laws of views this one breaks."""
    ranges = list(zip(seen.starts, seen.ends, strict=True))
    if any(not 0 <= start < end <= len(text) for start, end in ranges):
        yield "inside"
    for (start, end), (next_start, next_end) in pairwise(ranges):
        if next_start < start or next_end < end:
            yield "monotone"
        if next_start < end and (start, end) != (next_start, next_end):
            yield "apart"
    covered = {at for start, end in ranges for at in range(start, end)}
    # What no view character stands for is invisible or part of an undone disguise.
    left = [each for at, each in enumerate(text) if at not in covered]
    if any(each.isalnum() for each in left):
        yield "covered"


@given(WILD)
def test_a_view_maps_every_range_into_its_text(text: str) -> None:
    assert set(broken_laws(text, view(text))) == set()


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (View("ab", (0, 1), (1, 3)), "inside"),
        (View("ab", (1, 0), (2, 1)), "monotone"),
        (View("ab", (0, 1), (2, 2)), "apart"),
        (View("a", (0,), (1,)), "covered"),
    ],
)
def test_the_laws_of_views_notice_a_broken_one(broken: View, law: str) -> None:
    assert law in set(broken_laws("ab", broken))


@given(PLAIN)
def test_plain_text_is_its_own_view(text: str) -> None:
    assert view(text) == View.of(text)


@given(PLAIN, PLAIN, st.sampled_from(["sh1t", "f.u.c.k", "fцck", "a$$", "stuuupid", "i d i o t"]))
def test_a_disguise_between_plain_words_changes_nothing_else(
    before: str, after: str, disguised: str
) -> None:
    text = f"{before}, {disguised}, {after}"
    seen = view(text)
    head = len(before) + 2
    assert seen.text[:head] == text[:head]
    assert seen.text.endswith(f", {after}")
    word = seen.original(head, len(seen.text) - len(after) - 2)
    assert word.of(text) == disguised


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "a." * 50_000,
        "a " * 50_000,
        "a1" * 50_000,
        "f*" * 50_000,
        "аa" * 50_000,
        "a\u0336" * 50_000,
        "a s s " * 17_000,
        "`" * 99_999,
        "fu" + "c" * 100_000 + "k",
    ],
    ids=lambda text: repr(text[:6]),
)
def test_a_hundred_thousand_characters_in_one_go_take_bounded_time(text: str) -> None:
    started = time.process_time()
    view(text)
    assert time.process_time() - started < 10.0


def test_plain_text_takes_the_quick_way() -> None:
    text = "The quick brown fox jumps over the lazy dog; don't you think so, Mr. Bean? " * 20
    best = min(_seconds(text) for _ in range(20))
    # 5 microseconds for 100 characters, as measured; more than 30 means that words were looked up.
    assert best / len(text) * 100 < 30e-6


def _seconds(text: str) -> float:
    started = time.process_time()
    view(text)
    return time.process_time() - started


def test_characters_called_plain_stand_for_themselves() -> None:
    plain = [chr(code) for code in range(0x3000) if viewing._PLAIN.fullmatch(chr(code))]
    assert len(plain) > 200
    assert [each for each in plain if unicodedata.normalize("NFKC", each) != each] == []


def test_a_view_needs_a_start_and_an_end_for_each_character() -> None:
    with pytest.raises(SpanError, match="2 view characters but 1 starts"):
        View("ab", (0,), (1, 2))


@pytest.mark.parametrize(("start", "end"), [(1, 1), (-1, 1), (0, 3)])
def test_a_range_outside_the_view_has_no_original(start: int, end: int) -> None:
    with pytest.raises(SpanError, match=f"got {start}:{end}"):
        View.of("ab").original(start, end)


def test_known_words_are_asked_in_any_case() -> None:
    known = KnownWords.of(["Idiot"])
    assert known.knows("IDIOT")
    assert not known.knows("idiots")


def test_known_words_come_back_from_a_file_that_holds_no_word(tmp_path: Path) -> None:
    path = tmp_path / "known.bin"
    KNOWN.save(path)
    assert KnownWords.load(path) == KNOWN
    assert b"idiot" not in path.read_bytes()
    assert path.stat().st_size == 8 * len(KNOWN.hashes)


def test_a_cut_file_of_known_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "known.bin"
    path.write_bytes(b"1234567")
    with pytest.raises(ModelError, match="it has 7 bytes"):
        KnownWords.load(path)


def test_a_missing_file_of_known_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        KnownWords.load(tmp_path / "none.bin")


def test_a_disguise_that_is_itself_known_is_undone() -> None:
    known = DetectionView(KnownWords.of(["1diot", "fvck", "fck", "idiot", "fuck"]))
    assert known("1diot FVCK fck f.ck").text == "idiot FUCK fuck fuck"


@pytest.mark.parametrize("word", ["btch", "b.tch", "BTCH", "fcking", "bstrd"])
def test_a_left_out_vowel_is_put_back(word: str) -> None:
    known = DetectionView(KnownWords.of(["bitch", "fucking"]))
    undone = {"btch": "bitch", "b.tch": "bitch", "BTCH": "BITCH", "fcking": "fucking"}
    assert known(f"a {word}").text == f"a {undone.get(word, word)}"


def test_a_long_word_with_a_lookalike_takes_bounded_time() -> None:
    started = time.process_time()
    view("fck" * 60_000 + "é")
    assert time.process_time() - started < 5.0
