"""A contract that nothing can break says nothing: here each promise meets a step that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract import promises
from tests.contract.promises import MASKER_PROMISES, PROMISES, TEXTS, long_text, wanted
from tests.fakes import (
    Deleter,
    KeepingWordMasker,
    NoisyScorer,
    SteadyWordMasker,
    WordAttributor,
    WordMasker,
    WordScorer,
    WordsKept,
    words,
)
from trustydetox.records import Attribution, Finding, MaskedText, Rewrite, Toxicity
from trustydetox.spans import Edit, Span

GOOD: dict[str, Any] = {
    "scorers": WordScorer(),
    "attributors": WordAttributor(),
    "infillers": Deleter(),
    "checks": WordsKept(limit=0.55),
}
# The fakes' words are runs of letters; the texts of the contract hold signs and joiners too.
PLAIN = ("", " ", "hello there", "you stupid idiot", long_text(300))


@dataclass
class Spoilt:
    """A good step, spoilt on the way in or out; it may remember."""

    step: Any
    spoil: Callable[[Any, Callable[[Any], Any], list[Any]], Any]
    memory: list[Any] = field(default_factory=list)
    name: str = "words-kept"

    def __getattr__(self, verb: str) -> Any:
        return lambda batch: self.spoil(self, lambda b: getattr(self.step, verb)(b), batch)


def short(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return call(batch)[:-1]


def loose(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return tuple(call(batch))


def needy(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return call(batch) or [None]


def fussy(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return call(batch) if len(batch) > 2 else []


def sorting(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return call(sorted(batch, key=repr))


def sociable(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    return call([batch[0]] * len(batch)) if len(batch) > 1 else call(batch)


def forgetful(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    step.memory.append(len(batch))
    return call(batch) if len(step.memory) % 2 else call(batch[::-1])


def greedy(step: Spoilt, call: Any, batch: list[Any]) -> Any:
    results = call(batch)
    batch.clear()
    return results


SPOILT = {
    "gives_one_result_per_input": (short, loose),
    "gives_nothing_for_an_empty_batch": (needy,),
    "takes_a_blank_text_alone": (fussy,),
    "keeps_the_order": (sorting,),
    "gives_the_same_alone": (sociable,),
    "gives_the_same_again": (forgetful,),
    "leaves_its_inputs": (greedy,),
}


@pytest.mark.parametrize("group", PROMISES)
def test_good_steps_keep_every_promise(group: str) -> None:
    for promise in PROMISES[group]:
        promise(group, GOOD[group], PLAIN)


@pytest.mark.parametrize("group", PROMISES)
@pytest.mark.parametrize(
    ("promise", "spoil"),
    [(name, spoil) for name, spoils in SPOILT.items() for spoil in spoils],
)
def test_a_spoilt_step_breaks_its_promise(group: str, promise: str, spoil: Any) -> None:
    with pytest.raises(AssertionError):
        getattr(promises, promise)(group, Spoilt(GOOD[group], spoil), list(PLAIN))


def test_noise_within_the_dead_band_is_allowed_and_more_is_not() -> None:
    promises.gives_the_same_alone("scorers", NoisyScorer(WordScorer(), 1e-3), PLAIN)
    with pytest.raises(AssertionError):
        promises.gives_the_same_alone("scorers", NoisyScorer(WordScorer(), 0.1), PLAIN)


@dataclass(frozen=True)
class Attributing:
    """Says of any text what it was told to say."""

    say: Callable[[str], Attribution]

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        return [self.say(text) for text in texts]


def test_an_attributor_of_other_texts_is_caught() -> None:
    with pytest.raises(AssertionError):
        promises.attributes_the_text_it_was_given(
            "attributors", Attributing(lambda text: Attribution(text.upper(), (), ())), PLAIN
        )


def test_an_attributor_of_blanks_or_nothing_at_all_is_caught() -> None:
    with pytest.raises(AssertionError):
        promises.finds_words_and_no_blanks(
            "attributors",
            Attributing(lambda text: Attribution(text, (Span(0, 1),), (0.0,))),
            [" a"],
        )
    with pytest.raises(AssertionError):
        promises.finds_words_and_no_blanks(
            "attributors",
            Attributing(lambda text: Attribution(text, (Span(0, 1),), (float("nan"),))),
            ["a"],
        )


def test_an_attributor_that_truncates_is_caught() -> None:
    (whole,) = WordAttributor().attribute([long_text(300)])
    with pytest.raises(AssertionError):
        promises.reads_a_long_text_to_its_end(
            "attributors",
            Attributing(lambda text: Attribution(text, whole.units[:128], whole.weights[:128])),
            PLAIN,
        )


@dataclass(frozen=True)
class Infilling:
    """Proposes for any text what it was told to propose."""

    propose: Callable[[MaskedText], Any]

    def infill(self, masked: Sequence[MaskedText], /) -> list[Any]:
        return [self.propose(one) for one in masked]


def test_an_infiller_of_other_texts_is_caught() -> None:
    for propose in (lambda one: (Rewrite("other", ()),), lambda one: ("other",)):
        with pytest.raises(AssertionError):
            promises.proposes_for_the_text_it_was_given("infillers", Infilling(propose), PLAIN)


def test_an_infiller_that_edits_where_nothing_is_masked_is_caught() -> None:
    def propose(one: MaskedText) -> tuple[Rewrite, ...]:
        return (Rewrite(one.text, (Edit(Span(0, 1), "x"),)),) if one.text else ()

    with pytest.raises(AssertionError):
        promises.changes_nothing_where_nothing_is_masked("infillers", Infilling(propose), PLAIN)


@dataclass(frozen=True)
class Saying:
    """Finds of any rewrite what it was told to find."""

    finding: Finding
    name: str = "saying"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        return [self.finding for _ in rewrites]


@pytest.mark.parametrize(
    "finding",
    [
        Finding("other", True, 0.0, 0.5),
        Finding("saying", True, float("nan"), 0.5),
        Finding("saying", True, 0.0, float("inf")),
    ],
)
def test_a_check_with_another_name_or_no_number_is_caught(finding: Finding) -> None:
    with pytest.raises(AssertionError):
        promises.signs_its_findings("checks", Saying(finding), PLAIN)


def test_good_maskers_keep_every_promise() -> None:
    for promise in MASKER_PROMISES:
        promise(WordMasker(limit=0.31), TEXTS)
        promise(SteadyWordMasker(limit=0.31), TEXTS)
        promise(KeepingWordMasker(), (*TEXTS, "damn, a damn idiot"))


@dataclass(frozen=True)
class Masking:
    """Masks what it was told to mask."""

    choose: Callable[[Attribution], MaskedText]
    told: bool = False

    def mask(self, attribution: Attribution, /) -> MaskedText:
        return self.choose(attribution)


@dataclass(frozen=True)
class Overconfident(WordMasker):
    """Never sees a tie."""

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        return False


@dataclass(frozen=True)
class Forgetful(WordMasker):
    """Masks what it says it keeps."""

    def kept(self, text: str, /) -> list[Span]:
        return list(words(text))


@pytest.mark.parametrize(
    ("promise", "step"),
    [
        ("masks_the_text_it_was_given", Masking(lambda a: MaskedText("other", ()))),
        ("masks_no_blank", Masking(lambda a: MaskedText("a b", (Span(1, 3),)))),
        (
            "weighs_its_masks_from_zero_to_one",
            Masking(lambda a: MaskedText("a", (Span(0, 1),), (0.9,))),
        ),
        ("weighs_its_masks_from_zero_to_one", Masking(lambda a: MaskedText("a", (Span(0, 1),)))),
        (
            "weighs_its_masks_from_zero_to_one",
            Masking(lambda a: MaskedText("a b", (Span(0, 1), Span(2, 3)), (1.0, -1.0))),
        ),
        ("masks_the_same_in_spite_of_noise", Overconfident(limit=0.5)),
        ("masks_nothing_of_what_it_keeps", Forgetful()),
    ],
)
def test_a_masker_that_breaks_its_promise_is_caught(promise: str, step: Any) -> None:
    with pytest.raises(AssertionError):
        getattr(promises, promise)(step, ("a b",) if isinstance(step, Masking) else TEXTS)


def test_a_masker_that_changes_its_mind_is_caught() -> None:
    flips: list[int] = []

    def choose(attribution: Attribution) -> MaskedText:
        flips.append(1)
        return MaskedText("a", (Span(0, 1),) if len(flips) % 2 else ())

    with pytest.raises(AssertionError):
        promises.masks_the_same_again(Masking(choose), ("a",))


def test_the_long_text_is_as_long_as_it_says() -> None:
    assert len(long_text(5_000).split()) == 5_000
    assert long_text(300) in wanted(300)
    assert Toxicity(0.9, {"insult": 0.9}) in WordScorer().score(wanted(300))
