"""Set phrases in other words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from tests.fakes import Deleter
from trustydetox.records import MaskedText, Rewrite, Veto
from trustydetox.spans import Edit, Span
from trustydetox.steps.phrasing import Idioms
from trustydetox.steps.viewing import KnownWords

KNOWN = KnownWords.of(["idiot", "thug", "damn", "stupid"])


@dataclass
class Noting:
    """Deletes, and notes what it was asked to."""

    asked: list[list[str]] = field(default_factory=list)

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        self.asked += [[span.of(one.text) for span in one.masked] for one in masked]
        return Deleter().infill(masked)


class Patching(Noting):
    """Puts an x in place of each span, which no phrase does."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        super().infill(masked)
        return [
            (Rewrite(one.text, tuple(Edit(span, "x") for span in one.masked)),) for one in masked
        ]


def masking(text: str, *words: str) -> MaskedText:
    found = re.finditer("|".join(map(re.escape, words)), text)
    return MaskedText(text, tuple(Span(*match.span()) for match in found))


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("I don't give a damn about it", "damn", "I don't care about it"),
        ("Who  gives a  damn?", "damn", "Who  cares?"),
        ("scared the hell out of me", "hell", "scared me"),
        ("What the hell is that?", "hell", "What is that?"),
        ("it is cold as hell.", "hell", "it is cold."),
        ("a pain in the ass", "ass", "a nuisance"),
        ("He called me stupid in front of her", "stupid", "He called me names in front of her"),
        ("I was called an idiot by him", "idiot", "I was called names by him"),
        ("Our mayor is a pathetic liar.", "pathetic liar", "Our mayor is dishonest."),
        ("They are damn crooks", "damn crooks", "They are dishonest"),
        ("They are all cowards, and he’s a jerk!", "cowards", "They are fearful, and he’s a jerk!"),
        (
            "Only idiots say so, and this idiot",
            "idiots",
            "Only naive people say so, and this idiot",
        ),
        ("Those damn jerks ruined it", "damn jerks", "Those people ruined it"),
        ("I hate that stupid bitch", "stupid bitch", "I hate that person"),
        ("What kind of moron says so?", "moron", "What kind of person says so?"),
        ("That movie sucked balls.", "sucked balls", "That movie was bad."),
        ("He is a corrupt piece of trash.", "corrupt", "He is bad."),
        ("Some jerk stole it", "jerk", "Somebody stole it"),
        ("It’s a load of crap, really", "crap", "It’s nonsense, really"),
        ("You acted like a jerk there", "jerk", "You acted unkindly there"),
        ("Get your head out of your ass", "ass", "Wake up"),
        ("You're a hypocrite and you know it", "hypocrite", "You're inconsistent and you know it"),
        ("How stupid do you think I am?", "stupid", "How naive do you think I am?"),
        ("it would be stupid not to go", "stupid", "it would be unwise not to go"),
        ("a stupid-looking hat", "stupid", "an odd-looking hat"),
        ("Cut the crap, please", "crap", "Get to the point, please"),
        ("they call me stupid.", "stupid", "they call me names."),
        ("I was called stupid by him", "stupid", "I was called names by him"),
        ("What an idiot I was to go", "idiot", "How wrong I was to go"),
        ("How stupid is that?", "stupid", "How bad is that?"),
        ("Damned if you do, damned if you don't", "Damned", "You lose either way"),
        ("Get your head out of your ass and read", "ass", "Wake up and read"),
        ("she is on his butt about it", "butt", "she is on his case about it"),
        ("he lost his shit", "shit", "he lost his temper"),
        ("The Most  stupid plan", "stupid", "The worst plan"),
        ("it is more stupid than that", "stupid", "it is worse than that"),
        ("for fuck’s sake, go", "fuck", "for goodness' sake, go"),
        ("laughing her ass off", "ass", "laughing"),
        ("fuck it, we fucked it up", "fuck", "forget it, we messed it up"),
        ("it gets its ass kicked", "ass", "it gets beaten"),
        ("treated like crap by many", "crap", "treated badly by many"),
        ("what in the hell kind of plan", "hell", "what kind of plan"),
        ("stay the hell out of it", "hell", "stay out of it"),
        ("Leave her the fuck alone", "fuck", "Leave her alone"),
        ("this shit happens", "shit", "this stuff happens"),
        ("Get me the hell outta here", "hell", "Get me out of here"),
        ("get the fuck outta my house", "fuck", "get out of my house"),
        ("it is true ignorance", "ignorance", "it is true lack of knowledge"),
        ("with that level of stupidity", "stupidity", "with that lack of judgement"),
        ("a crook as well as a liar", "liar", "a crook as well as a dishonest person"),
        ("all these lying liars here", "liars", "all these dishonest people here"),
        ("It should be hung.", "hung", "It should be punished."),
        ("a donkey or some shit", "shit", "a donkey or something"),
        ("What a moron he is!", "moron", "How naive he is!"),
        ("What an idiot!", "idiot", "How naive!"),
        ("What a jerk, really", "jerk", "How unkind, really"),
        ("She is a real bitch.", "bitch", "She is unkind."),
        ("I am shit at this", "shit", "I am bad at this"),
        ("He is a crook and a liar.", "liar", "He is dishonest."),
        # What only makes the next word strong goes, and that word stays.
        ("carry their fucking inhalers", "fucking", "carry their inhalers"),
        ("mother fucking tickets", "fucking", "tickets"),
        ("them damn mosquitoes", "damn mosquitoes", "them mosquitoes"),
        ("Bloody phones are loud", "Bloody", "Phones are loud"),
        ("a cheap ass phone", "ass", "a cheap phone"),
        ("a long-ass way", "ass", "a long way"),
        # A whole sentence.
        ("You idiot!", "idiot", "You are naive!"),
        ("He sold it. You filthy liar.", "filthy liar", "He sold it. You are dishonest."),
        ("“You big coward!” he said", "coward", "“You are fearful!” he said"),
        ("Well… Idiots.", "Idiots", "Well… How naive."),
        ("shut up you dumb idiot", "idiot", "be quiet"),
        ("it tastes like garbage to me", "garbage", "it tastes bad to me"),
        ("How dumb do you have to be?", "dumb", "How naive do you have to be?"),
        ("Where is that son of a bitch?", "bitch", "Where is that person?"),
        ("He is such an idiot.", "idiot", "He is so naive."),
        ("I married such an idiot.", "idiot", "I married somebody so naive."),
        # What is bad, said of it alone.
        ("This plan sucks!", "sucks", "This plan is bad!"),
        ("it sucks to wait", "sucks", "it is bad to wait"),
        ("I suck at chess", "suck", "I am bad at chess"),
        ("The cowboys suck", "suck", "The cowboys are bad"),
        ("it doesn't suck anyway", "suck", "it isn't bad anyway"),
        ("It might suck, I fear", "suck", "It might be bad, I fear"),
        ("It'll suck.", "suck", "It'll be bad."),
        ("I do suck at this", "suck", "I am bad at this"),
        ("You make it suck.", "suck", "You make it bad."),
        ("it is as crap as it gets", "crap", "it is as bad as it gets"),
        ("Does it suck?", "suck", "Is it bad?"),
        ("busy as hell this spring", "hell", "busy this spring"),
        ("he is as damn good as you", "damn", "he is as good as you"),
    ],
)
def test_a_set_phrase_is_said_in_other_words(text: str, word: str, said: str) -> None:
    [candidates] = Idioms(Deleter(), KNOWN).infill([masking(text, word)])
    assert candidates[0].text == said
    # The other infiller's candidates come behind it.
    assert candidates[1:] == Deleter().infill([masking(text, word)])[0]


def test_the_rest_of_a_text_is_left_to_the_other_infiller() -> None:
    noting = Noting()
    masked = masking("what the hell, you idiot bob", "hell", "idiot")
    [candidates] = Idioms(noting, KNOWN).infill([masked])
    assert candidates[0].text == "what, you bob"
    assert noting.asked == [["idiot"], ["hell", "idiot"]]


def test_the_other_infiller_learns_what_a_rule_spares() -> None:
    masked = masking("what the hell, gay idiot bob", "hell", "idiot")
    masked = replace(masked, weights=(0.5, 1.0), vetoes=(Veto(Span(15, 18), "rule"),))
    heard: list[MaskedText] = []

    class Hearing(Deleter):
        def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
            heard.extend(masked)
            return super().infill(masked)

    Idioms(Hearing(), KNOWN).infill([masked])
    assert heard[0] == replace(masked, masked=masked.masked[1:], weights=(1.0,))


class Widening:
    """Takes out a masked word and three characters on each side."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [
            (Rewrite(one.text, tuple(Edit(Span(s.start - 3, s.end + 3), "") for s in one.masked)),)
            for one in masked
        ]


def test_an_edit_that_touches_a_phrase_gives_way_to_it() -> None:
    text = "oh, bad what the hell now"
    masked = MaskedText(text, (Span(4, 7), Span(17, 21)))
    [(first, *_)] = Idioms(Widening(), KNOWN).infill([masked])
    assert first.text == "oh, bad what now"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("what the hell, idiot", "idiot"),  # the phrase isn't masked
        ("to hell he went", "hell"),  # no set phrase
        ("giveadamn", "damn"),
        # Meant literally.
        ("run when the crap hits the fan", "crap"),
        ("I don't like crap", "crap"),
        ("he is a fraud about that", "fraud"),
        ("she was a bully boy", "bully"),
        ("it is where the crap is", "crap"),
        ("I give a damnable cat", "damnable"),
        # Oaths that make nothing strong, and one beside a word that is toxic itself.
        ("damn it all", "damn"),
        ("stop fucking around", "fucking"),
        ("you are so fucking", "fucking"),
        ("it is damn\nphones ring", "damn"),
        ("oh damn , no phones", "damn"),
        ("a halfdamn phone", "damn"),
        ("the fucking idiot", "fucking idiot"),
        ("the fucking thugs", "fucking thugs"),
        ("kiss my cheap ass", "ass"),
        # No whole sentence.
        ("idiot", "idiot"),
        ("Shit! I did it too.", "Shit"),
        ('the word "idiot" is old', "idiot"),
        ("I believe you idiots!", "idiots"),
        ("you idiot, go home", "idiot"),
        ("and you idiot", "idiot"),
        ("the idiot", "idiot"),
        ("you idiot boy", "idiot"),
        # Of somebody else than who is called so.
        ("I called her stupid boyfriend", "stupid"),
        ("she was called stupid cow", "stupid"),
        ("he called me stupid things", "stupid"),
        ("they treat me like stupid people do", "stupid"),
        ("how stupid is that man?", "stupid"),
        ("what an idiot I was told about", "idiot"),
        ("it sucks air", "sucks"),
        ("they suck the juice", "suck"),
        ("they suck in air", "suck"),
        ("you suck-up", "suck"),
    ],
)
def test_where_no_masked_phrase_is_the_other_infiller_is_asked_once(text: str, word: str) -> None:
    patching = Patching()
    masked = masking(text, word)
    assert Idioms(patching, KNOWN).infill([masked]) == Patching().infill([masked])
    assert len(patching.asked) == 1


def test_texts_stay_apart() -> None:
    texts = [
        masking("the idiot", "idiot"),
        masking("give a damn", "damn"),
        masking("idiot, give a damn", "idiot", "damn"),
    ]
    assert Idioms(Deleter(), KNOWN).infill(texts) == [
        Idioms(Deleter(), KNOWN).infill([one])[0] for one in texts
    ]
    assert Idioms(Deleter(), KNOWN).infill([]) == []
