from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustydetox.errors import ConfigError, ModelError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Edit, Span
from trustydetox.steps.infilling import (
    Delete,
    FirstOf,
    PhraseTable,
    Together,
    load_phrases,
    mended,
    phrase_key,
    save_phrases,
)
from trustydetox.steps.viewing import DetectionView, KnownWords


def marked(text: str) -> MaskedText:
    """`you <idiot>` -> `you idiot` with its last word masked."""
    spans: list[Span] = []
    plain = ""
    start = 0
    for character in text:
        if character == "<":
            start = len(plain)
        elif character == ">":
            spans.append(Span(start, len(plain)))
        else:
            plain += character
    return MaskedText(plain, tuple(spans))


def deleted(text: str) -> str:
    [candidates] = Delete().infill([marked(text)])
    return candidates[0].text if candidates else "(no candidate)"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("This is <damn> good", "This is good"),  # one space, not two
        ("You <idiot>!", "You!"),  # no space before a sign
        ("you <idiot> !", "you !"),  # but the writer's own stays
        ("you <idiot> :)", "you :)"),
        ("I hate you, <idiot> :-)", "I hate you :-)"),
        ('print("you <idiot>")', 'print("you")'),
        ("She said 'you <idiot>' to me.", "She said 'you' to me."),
        ("'Read it, <moron>', he said.", "'Read it', he said."),
        ('Go, you <idiot> "friend"', 'Go, you "friend"'),
        ("*you <idiot>* ok", "*you* ok"),
        ('"Read it. <You moron>!" he said.', '"Read it." he said.'),
        ("It was a <damn> unimportant game", "It was an unimportant game"),
        ("a <damn> ukulele", "a ukulele"),
        ("a <damn> onerous task", "an onerous task"),
        ("a <damn> one", "a one"),
        ("a <damn> 8 year old", "an 8 year old"),
        ("a <damn> 18", "an 18"),
        ("WAS A <DAMN> UGLY CAR", "WAS AN UGLY CAR"),
        ("A <stupid> IT guy came", "An IT guy came"),
        ("did a <stupid> 180 and a <stupid> 110", "did a 180 and a 110"),
        ("a <stupid> onesie", "a onesie"),
        ("a <stupid> unidirectional link", "a unidirectional link"),
        ("This <freakin>' guy again", "This guy again"),
        ("he said 'you <cretin>' to us", "he said 'you' to us"),
        ("<Idiot>! **read the rules**", "**Read the rules**"),
        ("list: <damn> \U0001f345 and", "list: \U0001f345 and"),
        ("We fed those <morons>' dogs", "We fed those dogs"),
        ("he said 'you <idiots>' to us", "he said 'you' to us"),
        ("Shut up, <idiot>!", "Shut up!"),  # the comma goes too
        ("you, <idiot>, go", "you, go"),
        ("go away, <idiot>", "go away"),
        ("<Idiot>, go away!", "Go away!"),  # capital
        ("Hello. <Idiot>! Bye.", "Hello. Bye."),  # a whole sentence goes
        ("Ok. <Damn>, it works.", "Ok. It works."),
        ("<damn>, it works", "it works"),  # no capital where there was none
        ("<Damn>, iPhone works", "iPhone works"),
        ("<Damn>, example.com works", "example.com works"),
        ("He said (<idiot>) to me", "He said to me"),
        ('Call "<idiot>" now', "Call now"),
        ("**<Idiot>** go", "Go"),
        ("You are an <idiot>.", "You are."),  # an article lost its noun
        ("an <idiotic> plan", "a plan"),
        ("a <stupid> idea", "an idea"),
        ("A <stupid> hour", "An hour"),
        ("an <idiotic> use", "a use"),
        ("<stupid> and <ugly> man", "man"),
        ("you are <stupid>, <dumb>, and <ugly>.", "you are."),
        ("<stupid>-looking man", "looking man"),
        ("bad-<ass>", "bad"),
        ("the <idiot>'s car", "the car"),
        ("one\r\n<idiot>\r\ntwo", "one\r\ntwo"),  # no empty line
        ("the <damn>\nnext", "the\nnext"),
        ("a\tyou <idiot>\tb", "a\tyou\tb"),  # a column stays, and its line
        ("<idiot>\tb", "\tb"),
        ("a\t<idiot>\nb", "a\t\nb"),
        ("a\t<Idiot>, go", "a\tGo"),
        ("the <stupid>,\n<dumb> man", "the,\nman"),
        ("<Idiot>, ls -la lists", "ls -la lists"),  # nor for what is no word
        ("<Idiot>, rm --all", "rm --all"),
        ("<Idiot>, x + y", "x + y"),
        ("<Idiot>, x is 3", "x is 3"),
        ("<Idiot>, name = 3", "name = 3"),
        ("<Idiot>, name += 3", "name += 3"),
        ("<Idiot>, foo(x) is", "foo(x) is"),
        ("<Idiot>, xy^2 is", "xy^2 is"),
        ("<Idiot>, python3 is", "python3 is"),
        ("<Idiot>, a_b is", "a_b is"),
        ("<Idiot>, i - a man - go", "I - a man - go"),
        ("<Idiot>, y'all (you) go", "Y'all (you) go"),
        ("  <idiot> x", "  x"),  # indentation stays
        ("a  <stupid>  c", "a  c"),  # as many spaces as before it
        ("ok?! <Damn>... ok", "ok?! Ok"),
        ("<Idiot>", "(no candidate)"),
        ('"<idiot>"!', "(no candidate)"),
        ("no mask", "(no candidate)"),
        ("", "(no candidate)"),
    ],
)
def test_deleting_puts_spaces_signs_and_capitals_right(text: str, mended: str) -> None:
    assert deleted(text) == mended


def test_only_what_had_to_change_is_inside_an_edit() -> None:
    [[rewrite]] = Delete().infill([marked("Well, a  <stupid> idea; and  so on .")])
    assert rewrite.edits == (
        Edit(Span(6, 7), "an"),
        Edit(Span(9, 16), ""),
    )


PIECES = st.sampled_from(
    ["you", "A", "an", "old", "idiot", "(idiot)", '"Moron"', ",", "!", ".", "\n", "  ", "and", "-"]
)
TEXTS = st.lists(PIECES, max_size=14).map(" ".join)


def masked_at_words(text: str) -> MaskedText:
    return MaskedText(text, tuple(Span(*m.span()) for m in re.finditer("idiot|Moron", text)))


def broken_laws(masked: MaskedText, rewrite: Rewrite) -> Iterator[str]:
    """Which laws of deletion a rewrite breaks."""
    text, edits = masked.text, rewrite.edits
    if re.search("idiot|moron", rewrite.text, re.IGNORECASE):
        yield "gone"
    for edit in edits:
        for border in (edit.span.start, edit.span.end):
            if text[max(0, border - 1) : border].isalnum() and text[border : border + 1].isalnum():
                yield "whole words"
    # Without masked words, articles, conjunctions and capitals, the same words are left.
    small = {"a", "an", "and", "idiot", "moron"}
    before = [word for word in re.findall(r"\w+", text.lower()) if word not in small]
    after = [word for word in re.findall(r"\w+", rewrite.text.lower()) if word not in small]
    if before != after:
        yield "other words"


@given(TEXTS)
def test_deleting_touches_no_other_word(text: str) -> None:
    masked = masked_at_words(text)
    [candidates] = Delete().infill([masked])
    for rewrite in candidates:
        assert set(broken_laws(masked, rewrite)) == set()


@pytest.mark.parametrize(
    ("edits", "law"),
    [
        ((), "gone"),
        ((Edit(Span(4, 9), ""), Edit(Span(11, 12), "")), "whole words"),
        ((Edit(Span(0, 9), ""),), "other words"),
    ],
)
def test_the_laws_of_deletion_notice_a_broken_one(edits: tuple[Edit, ...], law: str) -> None:
    text = "you idiot old"
    assert law in set(broken_laws(masked_at_words(text), Rewrite(text, edits)))


def table(**phrases: Sequence[tuple[str, int]]) -> dict[str, Sequence[tuple[str, int]]]:
    return {phrase_key(phrase.replace("_", " ")): found for phrase, found in phrases.items()}


PHRASES = PhraseTable(
    {
        **table(idiot=[("fool", 3), ("", 1)], stupid=[("unwise", 2), ("", 1)], crap=[("", 5)]),
        phrase_key("idiot", right="driver"): [("careless", 6)],
        phrase_key("crap", left="the"): [("things", 9)],
    }
)


def filled(text: str, phrases: PhraseTable = PHRASES) -> list[str]:
    [candidates] = phrases.infill([marked(text)])
    return [rewrite.text for rewrite in candidates]


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("you <idiot>", ["you fool", "you"]),  # likeliest first
        ("you <IDIOT>", ["you FOOL", "you"]),
        ("<Idiot>, go", ["Fool, go", "Go"]),
        ("go away, <Idiot>", ["go away, fool", "go away"]),  # a capital that only stressed
        ("Go To The <Idiot>", ["Go To The Fool", "Go To The"]),
        ("an <idiot>", ["a fool", "an"]),  # an article fits what follows
        ("a <stupid> man", ["an unwise man", "a man"]),
        ("<stupid> <idiot>!", ["unwise fool!"]),  # both deleted would leave no word
        ("an <idiot> driver", ["a careless driver", "a fool driver", "a driver"]),
        ("the <crap> here", ["the things here", "the here"]),
        ("a <moron>", []),  # not in the table
        ("is a <moron>, a <crap> day", ["is, a day"]),  # deleted beside one that is in it
        ("plain", []),
    ],
)
def test_replacements_come_likeliest_first_in_case_and_with_their_article(
    text: str, rewritten: list[str]
) -> None:
    assert filled(text) == rewritten


def test_a_candidate_limit_is_kept() -> None:
    phrases = PhraseTable(table(idiot=[("fool", 3), ("person", 2), ("man", 1)]), candidates=2)
    assert filled("you <idiot>", phrases) == ["you fool", "you person"]


def test_a_disguised_phrase_is_looked_up_in_plain() -> None:
    view = DetectionView(KnownWords.of(["idiot"]))
    phrases = PhraseTable(table(idiot=[("fool", 3)]), view)
    assert filled("you <i.d.i.o.t>", phrases) == ["you fool"]
    assert filled("you <i.d.i.o.t>", PhraseTable(phrases.table)) == []


def test_a_phrase_table_that_may_give_no_candidate_is_refused() -> None:
    with pytest.raises(ConfigError, match="candidates must be at least 1, got 0"):
        PhraseTable({}, candidates=0)


def test_keys_ignore_case_and_spaces_but_not_the_neighbour() -> None:
    assert phrase_key("Total  Idiot") == phrase_key("total idiot")
    keys = {
        phrase_key("idiot"),
        phrase_key("idiot", left=""),
        phrase_key("idiot", right=""),
        phrase_key("idiot", left="an"),
        phrase_key("idiot", right="an"),
    }
    assert len(keys) == 5


def test_a_phrase_table_comes_back_from_a_file_without_its_phrases(tmp_path: Path) -> None:
    path = tmp_path / "phrases.json.gz"
    saved = {phrase_key("idiot"): [("fool", 3), ("", 1)]}
    save_phrases(saved, path)
    assert load_phrases(path) == saved
    assert PhraseTable.load(path).table == saved
    assert b"idiot" not in gzip.decompress(path.read_bytes())
    first = path.read_bytes()
    save_phrases(saved, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (gzip.compress(b'{"version": 2, "phrases": {}}', mtime=0), "of version 2, expected 1"),
        (gzip.compress(b'{"version": 1}', mtime=0), "isn't a phrase table: KeyError"),
        (gzip.compress(b"[]", mtime=0), "isn't a phrase table: TypeError"),
        (
            gzip.compress(json.dumps({"version": 1, "phrases": {"a": 3}}).encode(), mtime=0),
            "TypeError",
        ),
        (gzip.compress(b"{}", mtime=0)[:-4], "EOFError"),
        (b"plain", "can't read the phrase table"),
    ],
)
def test_a_file_that_is_no_phrase_table_is_refused(
    packed: bytes, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "phrases.json.gz"
    path.write_bytes(packed)
    with pytest.raises(ModelError, match=problem):
        load_phrases(path)


@dataclass(frozen=True)
class Fixed:
    """Replaces the first masked span by each of `words`; none for texts with `refused`."""

    words: tuple[str, ...]
    refused: str = "\0"

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [
            ()
            if self.refused in one.text
            else tuple(Rewrite(one.text, (Edit(one.masked[0], word),)) for word in self.words)
            for one in masked
        ]


def test_together_gives_all_candidates_in_order_and_none_twice() -> None:
    both = Together([Fixed(("fool", "man")), Fixed(("man", "child"))])
    [candidates] = both.infill([marked("you <idiot>")])
    assert [rewrite.text for rewrite in candidates] == ["you fool", "you man", "you child"]


def test_the_first_infiller_with_a_candidate_is_the_one_heard() -> None:
    either = FirstOf([Fixed(("fool",), refused="no"), Fixed(("man", "child"))])
    found = either.infill([marked("you <idiot>"), marked("no <idiot>"), marked("a <moron>")])
    assert [[rewrite.text for rewrite in each] for each in found] == [
        ["you fool"],
        ["no man", "no child"],
        ["a fool"],
    ]


@pytest.mark.parametrize("infiller", [Delete(), PHRASES, Together([Delete()]), FirstOf([Delete()])])
def test_an_empty_batch_gives_an_empty_answer(
    infiller: Delete | PhraseTable | Together | FirstOf,
) -> None:
    assert infiller.infill([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "you, an idiot, and an idiot! " * 3_400,
        "idiot " * 20_000 + "you",
        "you " + "'" * 30_000 + "idiot" + "'" * 30_000,
    ],
    ids=["clauses", "nothing else", "pairs"],
)
def test_a_long_text_takes_bounded_time(text: str) -> None:
    masked = masked_at_words(text)
    started = time.process_time()
    Delete().infill([masked])
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize(
    ("text", "new", "said"),
    [
        ("the <dumbest> plan ever", "bad", "the worst plan ever"),
        ("YOUR  MOST <STUPID> PLAN", "bad", "YOUR  WORST PLAN"),
        ("most <stupid> plans", "bad", "most bad plans"),  # of them
        ("the most <stupid> plan", "naive", "the most naive plan"),
        ("it is more <stupid> than that", "bad", "it is worse than that"),
        ("even more <stupid>!", "bad", "even worse!"),
        ("more <stupid> plans", "bad", "more bad plans"),
        ("Your <DUMBEST> plan", "bad", "Your WORST plan"),
        ("a <pest> of a plan", "bad", "a bad of a plan"),  # ends like one, and is none
        ("the <dumbest> plan ever", "first", "the first plan ever"),
        ("a <dumb> plan", "bad", "a bad plan"),
        ("a <stupider> plan than that", "bad", "a worse plan than that"),
        ("you're <DUMBER> than that", "naive", "you're MORE NAIVE than that"),
        ("an even <uglier> plan", "person", "an even person plan"),
        ("it is <more stupid> than that", "bad", "it is worse than that"),
        ("<more stupid> people than that", "bad", "bad people than that"),
        ("the <idiots>' plan", "people", "the people's plan"),
        ("the <idiots>' plan", "fools", "the fools' plan"),
        ("a <freakin>' plan", "bad", "a bad plan"),  # no owner
        ("he said 'the <idiots>' to us", "people", "he said 'the people' to us"),
        ("<'Idiot>,' she said", "yes", "Yes,' she said"),
        ("an *<idiot>*!", "bad person", "a *bad person*!"),
        ("such <a moron> here", "an bad person", "such a bad person here"),
        ("thinking<, moron>?", "with", "thinking with?"),
        ("mother<fucker>s", "person", "mother person s"),
    ],
)
def test_bad_comes_in_the_degree_of_what_it_replaces(text: str, new: str, said: str) -> None:
    masked = marked(text)
    rewrite = mended(masked.text, masked.masked, [new])
    assert rewrite is not None
    assert rewrite.text == said


@pytest.mark.parametrize(
    ("text", "word", "new", "said"),
    [
        ("an <b>idiot</b>", "idiot", "person", "a <b>person</b>"),
        ("a <i>*moron*</i>", "moron", "evil man", "an <i>*evil man*</i>"),
        ("an x<b>idiot</b>", "idiot", "person", "an x<b>person</b>"),
        ("an idiotic <b>plan</b>", "idiotic", "", "a <b>plan</b>"),
        ('"Shut up, idiot," he said', ", idiot,", "", '"Shut up," he said'),
        ('"Shut up, idiot," he said', ", idiot,", ", man,", '"Shut up, man," he said'),
        ("Shut up, idiot, he said", ", idiot,", "", "Shut up he said"),
    ],
)
def test_articles_are_seen_through_markup_and_commas_stay_in_a_quotation(
    text: str, word: str, new: str, said: str
) -> None:
    start = text.index(word)
    rewrite = mended(text, [Span(start, start + len(word))], [new])
    assert rewrite is not None
    assert rewrite.text == said


def test_a_degree_that_goes_anyway_is_left_to_its_own_edit() -> None:
    rewrite = mended("so the most stupid plan", [Span(3, 11), Span(12, 18)], ["a", "bad"])
    assert rewrite is not None
    assert rewrite.text == "so a bad plan"


def test_no_space_is_left_before_a_tag_that_closes() -> None:
    rewrite = mended("<i>you idiot</i> <b>", [Span(7, 12)], [""])
    assert rewrite is not None
    assert rewrite.text == "<i>you</i> <b>"
