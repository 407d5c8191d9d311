from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from trustydetox.errors import ConfigError
from trustydetox.records import Finding, Rewrite, Toxicity
from trustydetox.roles import Check
from trustydetox.spans import Edit, Span
from trustydetox.steps.checking import (
    Contained,
    FactsKept,
    LessToxic,
    NotEmptied,
    NothingNew,
    Whole,
)
from trustydetox.steps.viewing import DetectionView, KnownWords

KNOWN = KnownWords.of(["idiot", "moron", "damn"])


def rewritten(text: str, *changes: tuple[str, str]) -> Rewrite:
    """The text with each first occurrence of a part replaced."""
    edits = [Edit(Span(text.index(old), text.index(old) + len(old)), new) for old, new in changes]
    return Rewrite(text, tuple(sorted(edits)))


def finding(check: Check, rewrite: Rewrite) -> Finding:
    [found] = check.check([rewrite])
    assert found.check == check.name
    return found


@dataclass(frozen=True)
class LengthScorer:
    """Toxicity = share of 10 characters."""

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        return [Toxicity(min(1.0, len(text) / 10)) for text in texts]


@pytest.mark.parametrize(("left", "passed"), [("a" * 4, True), ("a" * 5, False), ("a" * 6, False)])
def test_the_rewritten_text_must_score_below_the_limit(left: str, passed: bool) -> None:
    rewrite = rewritten("b" * 10, ("b" * 10, left))
    assert finding(LessToxic(LengthScorer(), 0.5), rewrite) == Finding(
        "less-toxic", passed, len(left) / 10, 0.5
    )


@dataclass
class KeepingScorer:
    """Never toxic; keeps what it was asked about."""

    asked: list[str]

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        self.asked += texts
        return [Toxicity(0.0) for _ in texts]


@pytest.mark.parametrize(
    ("rewrite", "read"),
    [
        (rewritten("One. Two odd. Three. Four.", ("odd", "o")), "Two o. "),
        (rewritten("A b c. Two odd. Three. Four.", ("b", "bb"), ("odd", "")), "A bb c. |Two . "),
        (rewritten("One. Two. Three. Four odd", (" odd", "")), "Four"),
        # Where a sentence went, its neighbours are read.
        (rewritten("One. Odd! Two. Three. Four.", ("Odd! ", "")), "One. |Two. "),
        (rewritten("Odd! One. Two. Three. Four.", ("Odd! ", "")), "One. "),
        (rewritten("One. Two odd. odd. Four.", ("odd. odd", "o. o")), "Two o. |o. "),
        (rewritten("One. Odd two. Three. Four.", ("Odd two", "A two")), "A two. "),
        (rewritten("One.\n\nOdd!\n\nTwo. Three. Four.", ("Odd!", "")), "One.\n\n\n\n"),
        (rewritten("One. Two. Three. Four."), "One. Two. Three. Four."),  # nothing was touched
        # The control: of a short text all of it.
        (rewritten("One. Two odd. Three.", ("odd", "o")), "One. Two o. Three."),
        (rewritten("One. Two. Odd. Three.", (" Odd.", "")), "One. Two. Three."),
    ],
)
def test_of_a_long_text_the_sentences_that_an_edit_touched_are_scored(
    rewrite: Rewrite, read: str
) -> None:
    scorer = KeepingScorer([])
    assert finding(LessToxic(scorer), rewrite).passed
    assert "|".join(scorer.asked) == read


def test_the_worst_sentence_that_an_edit_touched_counts() -> None:
    rewrite = rewritten("Aaa odd. B odd. Cccccccc. D.", ("Aaa odd", "Aaa"), ("B odd", "B"))
    assert finding(LessToxic(LengthScorer(), 0.9), rewrite).value == 0.5  # "Aaa. "
    # The controls: the longest sentence wasn't touched; read whole the text is worse.
    assert finding(LessToxic(LengthScorer(), 0.9, long=9), rewrite).value == 1.0


@pytest.mark.parametrize(
    ("rewrite", "count"),
    [
        (rewritten("you idiot", ("idiot", "fool")), 0),
        (rewritten("you fool", ("fool", "idiot")), 1),
        (rewritten("you fool", ("fool", "damn Moron")), 2),
        (rewritten("idiot, you fool", ("fool", "idiot")), 1),  # one was there, now there are two
        (rewritten("idiot, you fool", ("idiot, ", ""), ("fool", "idiot")), 0),  # only moved
        (rewritten("id xx iot", (" xx ", "")), 1),  # two halves joined
        (rewritten("an idiot"), 0),  # nothing edited
    ],
)
def test_toxic_words_that_came_in_are_counted(rewrite: Rewrite, count: int) -> None:
    assert finding(NothingNew(KNOWN), rewrite) == Finding(
        "nothing-new", count == 0, float(count), 1.0
    )


def test_a_disguised_word_that_came_in_is_seen_in_the_detection_view() -> None:
    rewrite = rewritten("you fool", ("fool", "1diot"))
    assert finding(NothingNew(KNOWN), rewrite).passed
    assert not finding(NothingNew(KNOWN, DetectionView(KNOWN)), rewrite).passed


@pytest.mark.parametrize(
    ("text", "old", "new", "count"),
    [
        ("a damn 25 times", "damn ", "", 0),
        ("a damn 25 times", "damn 25 ", "", 1),  # a number went
        ("a damn 25 times", "damn 25", "24", 2),  # one went and one came
        ("costs $3.50, idiot", ", idiot", "", 0),
        ("costs $3.50, idiot", "$3.50, idiot", "much", 1),
        ("you 1diot", "1diot", "fool", 0),  # a digit inside a word
        ("see https://a.org/x?y=1, idiot", ", idiot", "", 0),
        ("see https://a.org/x?y=1, idiot", "https://a.org/x?y=1, idiot", "it", 1),
        ("mail damn@idiot.org now", "damn@idiot.org ", "", 1),
        ("you are not an idiot", "not an idiot", "calm", 1),  # a negation went
        ("you are an idiot", "an idiot", "not calm", 1),  # a negation came
        ("don't be an idiot", "don't be an idiot", "do not be rude", 0),  # the same negation
        ("dont damn do it", "dont damn", "do not", 0),
        ("no idiot here", "no idiot", "nobody", 0),
        ("a knot, a note, nota", "a knot", "it", 0),  # words that hold one
        ("a damn 5kg weight", "damn 5kg ", "", 1),  # a number with its unit
        ("a damn 5kg weight", "5kg", "5lb", 2),
        ("you 4ss", "4ss", "fool", 0),  # no unit
        ("run `rm damn` now", "damn", "it", 2),  # code went and other code came
        ("it must damn work", "must damn", "might", 2),
        ("he is a traitor", "traitor", "good person", 1),  # praise in place of an insult
        ("Ridiculous. The film is long", "Ridiculous", "I agree", 2),  # and assent
        ("young and dumb", "dumb", "intelligent", 1),
        ("a good damn dog", "damn ", "", 0),
        ("he aint stupid", "aint stupid", "wise", 2),
        ("it wasn 't damn hot", "wasn 't damn", "was", 1),
        ("the moron paid", "the moron", "he", 1),  # nobody said that it was a man
        ("the moron paid", "the moron", "the person", 0),
        ("the moron lost her bag", "the moron", "she", 0),
        # Nor does a group of people come that the text doesn't name, but for men and guys.
        ("an idiot of a pole", "an idiot", "a Catholic", 1),
        ("those idiots", "idiots", "men", 0),
        ("those idiots", "idiots", "women", 1),
        ("those bitches", "bitches", "girls", 0),
        ("the bitch lost", "the bitch", "she", 1),
        ("the bitch lost", "the bitch", "the girl", 0),
        ("the bitch lost her bag", "the bitch", "the girl", 0),
        ("the fool lost her bag", "the fool", "the girl", 0),
        ("the thugs should be shot", "be shot", "be punished", 0),
        ("the thugs were shot", "were shot", "were punished", 1),
        ("stupid Mexicans", "stupid Mexicans", "Mexican", 0),
        ("a Catholic idiot", "Catholic idiot", "man", 0),
        ("RT @idiot: no", " @idiot", "", 1),
        ("you @ssh0le", "@ssh0le", "fool", 0),  # a word in disguise
        # Nor praise of any other kind; but what there was may go.
        ("that would be stupid", "stupid", "fun", 1),
        ("they keep us stupid", "stupid", "Strong", 1),
        ("Right, that is stupid", "stupid", "right", 1),  # as often as it was said before
        ("damn you", "damn", "thank", 1),
        ("oh damn", "damn", "yeah", 1),
        ("you're dumber than him", "dumber", "smarter", 1),
        ("damn these plans", "damn", "I like", 2),
        ("kick that man like I did", "kick that man", "beat them", 0),
        ("a cool damn idiot", "cool damn idiot", "person", 0),
        ("a cool damn idiot", "damn idiot", "person", 0),
        ("come at 5 pm", "5 pm", "5 am", 2),
        ("I lost 10 damn lbs", "damn ", "", 0),
        ("they are cowards", "cowards", "brave", 1),
        ("it is -5 here", "-5", "5", 2),
        ("2-5 men", "men", "people", 0),
        ("the moron lost her bag", "the moron", "he", 1),
        ("he and the moron", "the moron", "herself", 1),
        ("kill the bug.", "bug", "poor", 1),
        ("kill the bug.", "bug", "sick people", 1),
        ("the bug is dumb", "bug", "Elderly", 1),
        ("the bug wall", "bug", "old", 0),
        ("the poor, the moron", "the moron", "the poor", 0),
        # A set phrase said otherwise doesn't praise, but part of it would.
        ("your ignorance", "ignorance", "lack of knowledge", 0),
        ("your ignorance", "ignorance", "knowledge", 1),
        # Nor is anybody the first to be spoken to, or of.
        ("I hate stupidity", "stupidity", "you", 1),
        ("you go, idiot", "go, idiot", "I go", 1),
        ("y'all idiots go", "idiots", "you", 0),
        ("fuck you and that", "fuck you", "I'm tired of you", 0),
        ("fuck that", "fuck that", "I'm tired of that", 1),
        # Acts and parts of the body in plain words are what is spoken of.
        ("I may kill him", "kill", "see", 1),
        ("I may kill him", "kill", "murder", 2),
        ("he kills bugs", "kills", "killed", 0),
        ("the serial rapist", "rapist", "guy", 1),
        ("a sexual damn joke", "sexual damn", "sex", 1),
        ("your damn penis", "damn penis", "arm", 1),
        ("what a damn rapper", "rapper", "singer", 0),
        ("skill is dumb", "skill", "art", 0),
        # Signs that a program reads; but a quotation of prose may go.
        ("| a | dumb b |", "a | dumb", "a", 1),
        ("a\tdumb\tb", "dumb\t", "", 1),
        ('{"a": "dumb", "b": 1}', '"dumb", ', "", 1),
        ("x = y and z = dumb", "= dumb", "", 1),
        (r"a\dumb\b", "dumb\\", "", 1),
        ("a dumb b", "dumb", "<b>", 2),
        ('the word "dumb" is old', '"dumb" ', "", 0),
        ('say "dumb", and', '"dumb"', "it", 0),
        ("the dumb(x) way", "dumb(x) ", "", 0),
        # Nor is anything left empty.
        ("call f(dumb) now", "dumb", "", 1),
        ("a [dumb] b", "dumb", " ", 1),
        ('the "dumb" b', "dumb", "", 1),
        ("x = dumb", "dumb", "", 1),
        ("<b class=dumb>", "dumb", "", 1),
        ("| dumb | b |", "dumb ", "", 1),
        ("dumb\ta\tb", "dumb", "", 1),
        ("a\tdumb\tb", "dumb", " ", 1),
        ("a\tdumb\nb", "dumb", "", 1),
        ("\tdumb a", "dumb ", "", 0),
        ("f() is dumb", "dumb", "bad", 0),
    ],
)
def test_numbers_addresses_and_negations_that_went_or_came_are_counted(
    text: str, old: str, new: str, count: int
) -> None:
    assert finding(FactsKept(), rewritten(text, (old, new))) == Finding(
        "facts-kept", count == 0, float(count), 1.0
    )


def test_only_what_an_edit_left_dangling_counts() -> None:
    assert not finding(Whole(), rewritten("You are an idiot.", ("an idiot", "an"))).passed
    assert finding(Whole(), rewritten("You idiot are the.", ("idiot ", ""))).passed
    assert finding(Whole(), rewritten("You are an idiot.", ("an idiot", "wrong"))).value == 0.0
    assert not finding(Whole(), rewritten('You are "dumb".', ('"dumb', ""))).passed
    assert not finding(Whole(), rewritten("You are dumb\tno", ("dumb", ""))).passed
    assert finding(Whole(), rewritten('"You are dumb', ("dumb", "wrong"))).passed


@pytest.mark.parametrize("unit", ["= ", '": "', "| ", "\t ", "( ", "the poor ", " "])
def test_facts_of_a_long_text_take_bounded_time(unit: str) -> None:
    text = "=" + unit * (100_000 // len(unit)) + "dumb"
    started = time.process_time()
    assert finding(FactsKept(), rewritten(text, ("dumb", "bad"))).passed
    assert time.process_time() - started < 3.0


def test_facts_of_an_unedited_text_are_kept() -> None:
    assert finding(FactsKept(), rewritten("not 5")).passed


@pytest.mark.parametrize(
    ("rewrite", "share", "passed"),
    [
        (rewritten("you are so odd", ("odd", "droll")), 0.25, True),
        (rewritten("you are so odd", ("are so odd", "rude")), 0.5, True),  # at the limit
        (rewritten("go to heck", ("to heck", "away")), 1 / 3, True),  # fewer words for several
        (rewritten("you are so odd", ("are so odd", "")), 0.75, False),
        (rewritten("he is a fine fool", ("a fine fool", "rude")), 0.2, True),  # articles go along
        (rewritten("the idiot", ("idiot", "fool")), 0.5, True),  # and those that stay are words,
        (rewritten("Idiot, go", ("Idiot, go", "Go")), 0.5, True),  # case is no change
        (rewritten("hey idiot", ("idiot", "you are not so kind")), 2.0, False),
        (rewritten("this plan stinks", ("stinks", "is bad")), 1 / 3, True),
        (rewritten("it stinks", ("stinks", "is a bad one")), 1.0, False),
        (rewritten("Kiss my ass.", ("Kiss my ass", "Go away")), 0.0, True),  # a set phrase
        (rewritten("you idiot"), 0.0, True),
        (rewritten("!", ("!", "?")), 0.0, True),  # no words
    ],
)
def test_the_share_of_changed_words_is_bounded(
    rewrite: Rewrite, share: float, passed: bool
) -> None:
    assert finding(Contained(0.5), rewrite) == Finding("contained", passed, share, 0.5)


@pytest.mark.parametrize(
    ("rewrite", "share", "passed"),
    [
        (rewritten("you are an idiot", (" an idiot", "")), 0.5, True),  # at the limit
        (rewritten("you are an idiot", (" are an idiot", "")), 0.25, False),
        (rewritten("you idiot", ("you idiot", "...")), 0.0, False),
        (rewritten("idiot", ("idiot", "kind person")), 2.0, True),
    ],
)
def test_enough_words_must_be_left(rewrite: Rewrite, share: float, passed: bool) -> None:
    assert finding(NotEmptied(0.5), rewrite) == Finding("not-emptied", passed, share, 0.5)


def test_a_least_number_of_words_must_be_left_whatever_the_share() -> None:
    rewrite = rewritten("you idiot", (" idiot", ""))
    assert finding(NotEmptied(0.5, least=2), rewrite) == Finding("not-emptied", False, 0.0, 0.5)
    assert finding(NotEmptied(0.5), rewrite).passed


def test_a_limit_that_is_no_share_is_refused() -> None:
    for make in (lambda: LessToxic(LengthScorer(), 1.5), lambda: Contained(-0.1)):
        with pytest.raises(ConfigError, match=r"limit must be in \[0, 1\]"):
            make()
    with pytest.raises(ConfigError, match="least must be at least 1, got 0"):
        NotEmptied(least=0)


@pytest.mark.parametrize(
    "check",
    [LessToxic(LengthScorer()), NothingNew(KNOWN), FactsKept(), Whole(), Contained(), NotEmptied()],
    ids=lambda check: check.name,
)
def test_checks_answer_one_finding_per_candidate_in_order(check: Check) -> None:
    rewrites = [rewritten("you idiot, go", (" idiot", "")), rewritten(""), rewritten("x")]
    together = check.check(rewrites)
    assert together == [check.check([rewrite])[0] for rewrite in rewrites]
    assert check.check([]) == []


def test_a_long_run_of_signs_that_begins_no_address_is_read_once() -> None:
    # Tried from each of its places it takes half an hour.
    text = "-" * 200_000 + " you idiot"
    rewrite = Rewrite(text, (Edit(Span(len(text) - 6, len(text)), ""),))
    assert [finding.value for finding in FactsKept().check([rewrite])] == [0.0]
