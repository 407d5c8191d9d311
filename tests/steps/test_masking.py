from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustydetox.errors import ConfigError
from trustydetox.records import Attribution, MaskedText, Veto
from trustydetox.roles import SparingMasker, SteadyMasker
from trustydetox.spans import Span
from trustydetox.steps.masking import ShareOfStrongest, Terms, Threshold, load_words

WEIGHTS = {
    "idiot": 0.9,
    "stupid": 0.6,
    "moron": 0.8,
    "damn": 0.4,
    "gay": 0.7,
    "a$$": 0.8,
    "you're": 0.9,
    "can’t": 0.9,
    "🖕": 0.9,
}


def attributed(text: str) -> Attribution:
    """Units between white space, signs included; the weight is that of the word inside."""
    units = tuple(Span(*match.span()) for match in re.finditer(r"\S+", text))
    words = [unit.of(text).strip('.,:!?"()*').lower() for unit in units]
    return Attribution(text, units, tuple(WEIGHTS.get(word, 0.0) for word in words))


def masked(text: str, masker: Threshold | None = None) -> list[str]:
    masker = masker or Threshold(threshold=0.5, budget=1.0)
    return [span.of(text) for span in masker.mask(attributed(text)).masked]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("That idiot, go away!", ["idiot"]),  # the comma stays
        ("That stupid idiot!", ["stupid idiot"]),  # joined over a space
        ("stupid  \u2009 idiot", ["stupid  \u2009 idiot"]),
        ("stupid\tidiot", ["stupid", "idiot"]),  # a tab ends a column
        ("stupid\nidiot", ["stupid", "idiot"]),  # a line break parts
        ("stupid, idiot", ["stupid", "idiot"]),  # so does a comma
        ('"idiot" (stupid) *moron*', ["idiot", "stupid", "moron"]),
        ("a$$!", ["a$$"]),  # signs that are letters stay
        ("oh 🖕 you", ["🖕"]),
        ("stupid", ["stupid"]),
        ("you're stupid, can’t go", ["stupid"]),  # such words never go alone
        ("damn", []),  # below the threshold
        ("", []),
        ("?! ... --", []),
    ],
)
def test_words_at_the_threshold_are_masked_without_outer_punctuation(
    text: str, spans: list[str]
) -> None:
    assert masked(text) == spans


def test_a_weight_equal_to_the_threshold_is_masked() -> None:
    assert masked("idiot", Threshold(threshold=0.9)) == ["idiot"]


def test_a_unit_of_half_a_word_masks_the_whole_word() -> None:
    attribution = Attribution("the idiots", (Span(4, 6), Span(6, 10)), (0.9, 0.0))
    assert Threshold(threshold=0.5).mask(attribution).masked == (Span(4, 10),)


def test_punctuation_alone_is_never_masked() -> None:
    attribution = Attribution("you !!! **", (Span(4, 7), Span(8, 10)), (0.9, 0.9))
    assert Threshold(threshold=0.5).mask(attribution).masked == ()


def test_the_strongest_span_weighs_one_and_the_others_their_share_of_it() -> None:
    found = Threshold(threshold=0.5, budget=1.0).mask(attributed("stupid, idiot"))
    assert found.weights == pytest.approx((2 / 3, 1.0))


def test_a_joined_span_weighs_what_its_strongest_word_does() -> None:
    found = Threshold(threshold=0.5, budget=1.0).mask(attributed("stupid idiot, moron"))
    assert found.weights == pytest.approx((1.0, 8 / 9))


@pytest.mark.parametrize(
    ("budget", "spans"),
    [
        (0.2, ["idiot"]),  # one of six words: one always may go
        (0.34, ["moron", "idiot"]),
        (0.5, ["stupid", "moron", "idiot"]),
    ],
)
def test_the_budget_takes_the_strongest_words(budget: float, spans: list[str]) -> None:
    masker = Threshold(threshold=0.5, budget=budget)
    assert masked("stupid, a moron, an idiot, x", masker) == spans


def test_of_equal_words_the_budget_takes_the_first() -> None:
    assert masked("idiot, then idiot", Threshold(threshold=0.5, budget=0.3)) == ["idiot"]
    found = Threshold(threshold=0.5, budget=0.3).mask(attributed("idiot, then idiot"))
    assert found.masked == (Span(0, 5),)


@pytest.mark.parametrize(("floor", "spans"), [(None, []), (0.3, ["damn"]), (0.45, [])])
def test_below_the_threshold_the_strongest_word_goes_if_it_reaches_the_floor(
    floor: float | None, spans: list[str]
) -> None:
    assert masked("oh damn it", Threshold(threshold=0.5, floor=floor)) == spans


def test_a_label_of_a_transcript_stays_whatever_it_weighs() -> None:
    speakers = "Moron: hi, idiot\nBob: no\nMoron: stupid"
    assert masked(speakers) == ["idiot", "stupid"]
    assert masked("Moron: hi, idiot\nBob: no") == ["Moron", "idiot"]
    denying = Threshold(threshold=0.5, budget=1.0, deny=frozenset({"moron"}))
    assert masked(speakers, denying) == ["idiot", "stupid"]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("the idiot", ["idiot"]),
        ("idiot of the moron", ["idiot of the moron"]),
        ("the", []),
        ("b 3", []),
    ],
)
def test_words_that_hold_a_sentence_together_go_only_inside_a_phrase(
    text: str, spans: list[str]
) -> None:
    units = tuple(Span(*match.span()) for match in re.finditer(r"\S+", text))
    found = Threshold(threshold=0.5, budget=1.0).mask(Attribution(text, units, (0.9,) * len(units)))
    assert [span.of(text) for span in found.masked] == spans


def test_the_floor_is_not_used_where_a_word_reaches_the_threshold() -> None:
    masker = Threshold(threshold=0.5, floor=0.3, budget=1.0)
    assert masked("damn, an idiot", masker) == ["idiot"]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Close the door, you idiot!", ["you idiot"]),
        ("close it , you  stupid idiot .", ["you  stupid idiot"]),
        ("You idiot, that was mine", ["You idiot"]),
        ("I see. You idiot", ["You idiot"]),
        ("are you stupid?", ["stupid"]),  # part of the sentence
        ("you idiot bob", ["idiot"]),
        ("thank you, idiot", ["idiot"]),
        ("say, youidiot, idiot!", ["idiot"]),
    ],
)
def test_somebody_addressed_goes_with_the_you(text: str, spans: list[str]) -> None:
    assert masked(text) == spans


def test_an_allowed_you_stays_before_somebody_addressed() -> None:
    allowing = Threshold(threshold=0.5, budget=1.0, allow=frozenset({"You"}))
    assert masked("Close it, you idiot!", allowing) == ["idiot"]


SURE = Threshold(threshold=0.5, budget=1.0, floor=0.3, sure=0.85, long=3)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("idiot. A moron", ["idiot", "moron"]),  # two sentences: the ordinary threshold
        ("idiot. A moron. Bye", ["idiot"]),  # the strongest word, and what weighs 0.85
        ("A moron. Oh. Bye", ["moron"]),  # none weighs that: the strongest goes from 0.5
        ("oh damn. Oh. Bye", []),
        ("oh damn", ["damn"]),  # the ordinary floor
    ],
)
def test_in_a_long_text_only_sure_words_go(text: str, spans: list[str]) -> None:
    assert masked(text, SURE) == spans


def test_what_is_sure_in_a_long_text_is_near_a_tie_there_alone() -> None:
    masker = Threshold(threshold=0.2, budget=1.0, sure=WEIGHTS["moron"], long=3)
    assert masker.is_near_tie(attributed("an idiot. A moron. Bye"), 1e-3)
    assert not masker.is_near_tie(attributed("an idiot. A moron"), 1e-3)


ALLOWING = Threshold(threshold=0.5, budget=1.0, allow=frozenset({"GAY", "stupid question"}))


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("I am gay.", []),
        ("gay idiot", ["idiot"]),
        ("stupid gay idiot", ["stupid", "idiot"]),  # nor does it go with others
        ("a stupid question, stupid", ["stupid"]),  # a phrase of the list
        ("Stupid  Questions", ["Stupid"]),  # another word than the list's
    ],
)
def test_allowed_words_are_never_masked(text: str, spans: list[str]) -> None:
    assert masked(text, ALLOWING) == spans


def test_allowed_words_that_would_have_gone_are_vetoes() -> None:
    text = "a gay stupid question, happy gay"
    masker = Threshold(
        threshold=0.5, allow=frozenset({"gay", "stupid question", "happy"}), deny=frozenset({"gay"})
    )
    assert masker.mask(attributed(text)).vetoes == (Veto(Span(6, 21), "allow-list"),)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Go  Away, friend", ["Go  Away"]),  # weighs nothing, any case, any spaces
        ("runaway", []),  # whole words only
        ("go, away", []),
        ("x$y here", ["x$y"]),  # signs in a term
        ("friend", []),
    ],
)
def test_denied_words_are_always_masked(text: str, spans: list[str]) -> None:
    assert masked(text, Threshold(threshold=0.5, deny=frozenset({"go away", "X$Y"}))) == spans


def test_denied_words_are_masked_beyond_the_budget_and_against_the_allow_list() -> None:
    masker = Threshold(
        threshold=0.5, budget=0.1, allow=frozenset({"you"}), deny=frozenset({"you", "there"})
    )
    assert masked("you, idiot, there, x", masker) == ["you", "idiot", "there"]


def test_a_denied_word_without_weight_counts_as_a_word_at_the_threshold() -> None:
    masker = Threshold(threshold=0.45, deny=frozenset({"you"}))
    assert masker.mask(attributed("you, idiot")).weights == (0.5, 1.0)


def test_a_list_given_as_one_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="allow must be a set of words, got one str"):
        Threshold(threshold=0.5, allow="gay")  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", [0.0, -1.0, 1.5, float("nan")])
def test_a_budget_outside_its_range_is_refused(budget: float) -> None:
    with pytest.raises(ConfigError, match="budget must be in"):
        Threshold(threshold=0.5, budget=budget)


def test_a_floor_above_the_threshold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"floor must be at most the threshold 0\.5, got 0\.6"):
        Threshold(threshold=0.5, floor=0.6)


def test_sure_below_the_threshold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sure must be at least the threshold 0\.5, got 0\.4"):
        Threshold(threshold=0.5, sure=0.4)


TEXTS = st.lists(
    st.sampled_from(
        ["you", "idiot,", "stupid", "(moron)", "gay", "damn!", "a$$", "--", "🖕", "\n"]
    ),
    max_size=12,
).map(" ".join)
MASKERS = st.builds(
    Threshold,
    threshold=st.sampled_from([0.3, 0.5, 0.75]),
    budget=st.sampled_from([0.1, 0.4, 1.0]),
    floor=st.sampled_from([None, 0.2]),
    allow=st.sampled_from([frozenset(), frozenset({"gay", "stupid"})]),
)


def broken_laws(found: MaskedText, masker: Threshold, text: str) -> Iterator[str]:
    words = [unit for unit in re.finditer(r"\S+", text) if any(map(str.isalnum, unit[0]))]
    inside = sum(
        any(span.start < word.end() and word.start() < span.end for span in found.masked)
        for word in words
    )
    if inside > max(1, int(masker.budget * (len(words) + text.count("🖕")))):
        yield "budget"
    for span in found.masked:
        masked = span.of(text)
        if masked.strip(".,!?()- \n") != masked:
            yield "edges"
        if masked.split()[0] in masker.allow or masked.split()[-1] in masker.allow:
            yield "allowed"
    if found.masked and max(found.weights) != 1.0:
        yield "scaled"


@given(TEXTS, MASKERS)
def test_masks_keep_budget_edges_allow_list_and_scale(text: str, masker: Threshold) -> None:
    assert set(broken_laws(masker.mask(attributed(text)), masker, text)) == set()


@pytest.mark.parametrize(
    ("found", "law"),
    [
        (MaskedText("you idiot, damn", (Span(0, 3), Span(4, 9)), (1.0, 1.0)), "budget"),
        (MaskedText("you idiot, damn", (Span(4, 10),), (1.0,)), "edges"),
        (MaskedText("you idiot, damn", (Span(0, 3),), (1.0,)), "allowed"),
        (MaskedText("you idiot, damn", (Span(4, 9),), (0.9,)), "scaled"),
    ],
)
def test_the_laws_of_masks_notice_a_broken_one(found: MaskedText, law: str) -> None:
    masker = Threshold(threshold=0.5, budget=0.4, allow=frozenset({"you"}))
    assert law in set(broken_laws(found, masker, found.text))


@given(TEXTS, MASKERS, st.integers(0, 1000))
def test_where_the_masker_sees_no_tie_noise_changes_no_span(
    text: str, masker: Threshold, seed: int
) -> None:
    attribution = attributed(text)
    margin = 2e-3
    chance = random.Random(seed)
    noisy = Attribution(
        text,
        attribution.units,
        tuple(weight + chance.uniform(-margin, margin) for weight in attribution.weights),
    )
    if not masker.is_near_tie(attribution, margin):
        assert masker.mask(noisy).masked == masker.mask(attribution).masked


@pytest.mark.parametrize(
    ("weights", "masker"),
    [
        ((0.5005, 0.0), Threshold(threshold=0.5)),  # at the threshold
        ((0.3, 0.2005), Threshold(threshold=0.5, floor=0.2)),  # at the floor
        ((0.8, 0.801), Threshold(threshold=0.5, budget=0.5)),  # one of the two may go
        ((0.3, 0.301), Threshold(threshold=0.5, floor=0.2)),  # the strongest of the two goes
    ],
)
def test_a_near_tie_is_seen(weights: tuple[float, float], masker: Threshold) -> None:
    attribution = Attribution("one two", (Span(0, 3), Span(4, 7)), weights)
    assert masker.is_near_tie(attribution, 2e-3)


@pytest.mark.parametrize(
    ("text", "weights", "masker"),
    [
        # A label is no word of the budget: one of the two may go.
        ("Human: one\nAssistant: two", (0.0, 0.8, 0.0, 0.801), Threshold(threshold=0.5)),
        # Nor is it what reaches the threshold: the strongest of the two goes by the floor.
        ("Human: one two", (0.8, 0.3, 0.301), Threshold(threshold=0.5, floor=0.2)),
        # So it is with a word that never goes alone.
        (
            "fine one two",
            (0.8, 0.3, 0.301),
            Threshold(threshold=0.5, floor=0.2, allow=frozenset({"fine"})),
        ),
    ],
)
def test_a_near_tie_is_one_of_the_words_that_may_go(
    text: str, weights: tuple[float, ...], masker: Threshold
) -> None:
    units = tuple(Span(*match.span()) for match in re.finditer(r"\w+", text))
    assert masker.is_near_tie(Attribution(text, units, weights), 2e-3)


@pytest.mark.parametrize(
    ("weights", "masker"),
    [
        ((0.8, 0.801), Threshold(threshold=0.5, budget=1.0)),  # both go whatever their order
        ((0.1, 0.101), Threshold(threshold=0.5)),  # neither goes
        ((0.8, 0.1), Threshold(threshold=0.5, floor=0.2)),
    ],
)
def test_what_noise_cannot_change_is_no_tie(
    weights: tuple[float, float], masker: Threshold
) -> None:
    attribution = Attribution("one two", (Span(0, 3), Span(4, 7)), weights)
    assert not masker.is_near_tie(attribution, 2e-3)


def test_the_masker_plays_the_steady_role() -> None:
    assert isinstance(Threshold(threshold=0.5), SteadyMasker)


def test_a_text_of_twenty_thousand_words_takes_bounded_time() -> None:
    text = "you stupid idiot gay " * 5_000
    masker = Threshold(threshold=0.5, allow=frozenset({"gay"}), deny=frozenset({"you", "go away"}))
    attribution = attributed(text)
    started = time.process_time()
    masker.mask(attribution)
    assert time.process_time() - started < 5.0


def test_terms_are_found_longest_first_and_apart() -> None:
    text = "New York, new york city"
    found = Terms.of(["new york", "new york city", "york"]).find(text)
    assert [span.of(text) for span in found] == ["New York", "new york city"]


def test_blank_terms_find_nothing() -> None:
    assert Terms.of(["", "  "]).find("a b") == []


def test_a_word_list_holds_one_term_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffgay\r\n\n# a note\n breast cancer \nété".encode())
    assert load_words(path) == {"gay", "breast cancer", "été"}


def test_a_comment_behind_a_term_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("idiot # not bad\n  # a note\nc#\nbig fool\t#\n")
    assert load_words(path) == {"idiot", "c#", "big fool"}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a note\n"])
def test_a_word_list_without_a_word_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"words\.txt holds no word: expected one a line"):
        load_words(path)


def test_a_missing_word_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_words(tmp_path / "none.txt")


def test_a_word_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"ok\n\xe9t\xe9")
    with pytest.raises(ConfigError, match="isn't UTF-8 \\(at byte 3\\)"):
        load_words(path)


FOUR = tuple(Span(*span) for span in ((0, 3), (4, 8), (9, 14), (15, 18)))


def test_a_share_of_the_strongest_word_is_what_counts_whatever_the_scale() -> None:
    masker = ShareOfStrongest(share=0.5)
    small = Attribution("you dumb silly cat", FOUR, (0.0, 0.04, 0.02, 0.01))
    large = Attribution("you dumb silly cat", FOUR, (0.0, 4.0, 2.0, 1.0))
    assert masker.mask(small).masked == masker.mask(large).masked == (Span(4, 14),)


def test_where_nothing_speaks_for_toxicity_no_share_is_masked() -> None:
    attribution = Attribution("you dumb silly cat", FOUR, (-1.0, 0.0, -0.5, -2.0))
    assert ShareOfStrongest(share=0.5).mask(attribution).masked == ()


def test_a_share_is_near_a_tie_in_the_scale_of_the_weights() -> None:
    masker = ShareOfStrongest(share=0.5)
    attribution = Attribution("you dumb silly cat", FOUR, (0.0, 4.0, 2.001, 1.0))
    assert masker.is_near_tie(attribution, 2e-3)
    assert not masker.is_near_tie(attribution, 2e-4)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="share must be in"):
        ShareOfStrongest(share=share)


@pytest.mark.parametrize(
    ("text", "unit", "masked"),
    [
        ("**you fool**, go", "fool**,", "fool"),
        ("_you fool_", "fool_", "fool"),
        ("* so idio* here", "idio*", "idio*"),
        ("that cr*p is idio*", "idio*", "idio*"),
        ("*a* and *b* idio*", "idio*", "idio*"),
        ("so f***, go", "f***,", "f***"),
        ("**you f***** go", "f*****", "f*****"),
    ],
)
def test_what_ends_a_stressed_passage_is_not_part_of_its_last_word(
    text: str, unit: str, masked: str
) -> None:
    start = text.index(unit)
    attribution = Attribution(text, (Span(start, start + len(unit)),), (0.9,))
    found = Threshold(threshold=0.5).mask(attribution)
    assert [span.of(text) for span in found.masked] == [masked]


ALLOWED = frozenset({"dumb luck", "silly"})
DENIED = frozenset({"so silly"})


@pytest.mark.parametrize(
    "masker",
    [
        Threshold(threshold=0.5, allow=ALLOWED, deny=DENIED),
        ShareOfStrongest(share=0.5, allow=ALLOWED, deny=DENIED),
    ],
)
def test_it_says_which_allowed_words_it_keeps(masker: SparingMasker) -> None:
    text = "Silly me: dumb luck, dumb, so silly"
    assert [span.of(text) for span in masker.kept(text)] == ["Silly", "dumb luck"]
    assert masker.kept("fine") == []
