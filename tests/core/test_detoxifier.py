from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from tests.fakes import (
    Deleter,
    KeepingWordMasker,
    Lacks,
    Replacer,
    ScoredAgain,
    SteadyWordMasker,
    WordAttributor,
    WordMasker,
    WordScorer,
    WordsKept,
    detoxifier,
    words,
)
from trustydetox.detoxifier import Detoxifier, Found, never
from trustydetox.errors import ConfigError, ContractError
from trustydetox.records import (
    Attribution,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
    Veto,
)
from trustydetox.roles import Check
from trustydetox.spans import Edit, Span


def only(pipeline: Detoxifier, text: str) -> Record:
    (record,) = pipeline.run([text])
    return record


@dataclass(frozen=True)
class Strongest:
    """Masks only the strongest word, so that one round mends one word."""

    def mask(self, attribution: Attribution, /) -> MaskedText:
        weight, unit = max(zip(attribution.weights, attribution.units, strict=True))
        masked = (unit,) if weight > 0 else ()
        return MaskedText(attribution.text, masked, (1.0,) * len(masked))


@dataclass(frozen=True)
class Bare:
    """Masks without saying how strongly."""

    masker: Strongest = Strongest()

    def mask(self, attribution: Attribution, /) -> MaskedText:
        return MaskedText(attribution.text, self.masker.mask(attribution).masked)


@dataclass(frozen=True)
class Nothing:
    """Proposes nothing."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [() for _ in masked]


@dataclass(frozen=True)
class Whole:
    """Proposes given texts, each as one edit of all that there is."""

    texts: tuple[str, ...]

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [
            tuple(Rewrite(one.text, (Edit(Span(0, len(one.text)), text),)) for text in self.texts)
            for one in masked
        ]


@dataclass(frozen=True)
class Watched:
    """A check that remembers what it was asked."""

    seen: list[list[tuple[str, str]]] = field(default_factory=list)
    name: str = "watched"

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        self.seen.append([(rewrite.original, rewrite.text) for rewrite in rewrites])
        return [Finding(self.name, True, 0.123, 0.5) for _ in rewrites]


# ---------------------------------------------------------------------------------- the gate


@pytest.mark.parametrize(("tries", "verdict"), [(1, Verdict.UNRESOLVED), (2, Verdict.REWRITTEN)])
def test_only_the_first_candidates_of_a_round_are_tried(tries: int, verdict: Verdict) -> None:
    infiller = Replacer({"idiot": ["moron", "friend"]})
    record = only(
        detoxifier(
            scorer=WordScorer({"idiot": 0.9, "moron": 0.9}),
            infiller=infiller,
            tries=tries,
            rounds=1,
        ),
        "a idiot",
    )
    assert record.verdict is verdict
    assert len(record.misses) == 1


def test_a_clean_text_leaves_as_it_came() -> None:
    assert only(detoxifier(), "  Hello there!\r\n") == Record(
        "  Hello there!\r\n",
        Verdict.CLEAN,
        "  Hello there!\r\n",
        Toxicity(0.0, {"insult": 0.0}),
    )


def test_a_text_exactly_on_the_threshold_is_toxic() -> None:
    assert only(detoxifier(threshold=0.4), "damn it").verdict is Verdict.REWRITTEN


def test_a_text_just_below_the_threshold_is_clean() -> None:
    assert only(detoxifier(threshold=0.41), "damn it").verdict is Verdict.CLEAN


def test_a_threshold_of_one_finds_only_what_is_certain() -> None:
    verdicts = [r.verdict for r in detoxifier(threshold=1.0).run(["idiot", "stupid moron"])]
    assert verdicts == [Verdict.CLEAN, Verdict.REWRITTEN]


def test_blank_texts_are_clean_without_asking_a_model() -> None:
    class Refusing:
        def score(self, texts: Sequence[str], /) -> list[Toxicity]:
            raise AssertionError("asked")

    records = list(detoxifier(scorer=Refusing()).run(["", " \n\t\u2003"]))
    assert [(r.verdict, r.output, r.toxicity) for r in records] == [
        (Verdict.CLEAN, "", Toxicity(0.0)),
        (Verdict.CLEAN, " \n\t\u2003", Toxicity(0.0)),
    ]


def test_blank_texts_do_not_shift_the_scores_of_their_neighbours() -> None:
    records = detoxifier(fallback="keep").run(["", "idiot", " ", "hello"])
    assert [record.toxicity.overall for record in records] == [0.0, 0.9, 0.0, 0.0]


def test_no_texts_give_no_records() -> None:
    assert list(detoxifier().run([])) == []


def test_records_come_in_order_one_per_text() -> None:
    texts = ["hello", "you idiot", "", "stupid you", "bye", "you moron"]
    records = list(detoxifier().run(texts, batch_size=4))
    assert [record.original for record in records] == texts
    assert [record.output for record in records] == ["hello", "you", "", " you", "bye", "you"]


def test_texts_are_pulled_one_window_at_a_time() -> None:
    pulled: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(5):
            pulled.append(number)
            yield "hello"

    records = detoxifier().run(texts(), batch_size=2)
    assert pulled == []
    next(records)
    assert pulled == [0, 1]


# -------------------------------------------------------------------------------- the rounds


def test_without_further_words_256_texts_are_pulled_and_three_rounds_made() -> None:
    pulled: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(600):
            pulled.append(number)
            yield "a calm text"

    next(detoxifier().run(texts()))
    assert len(pulled) == 256
    parts = detoxifier()
    plain = Detoxifier(
        scorer=parts.scorer,
        attributor=parts.attributor,
        masker=parts.masker,
        infiller=parts.infiller,
        checks=parts.checks,
    )
    assert plain.rounds == 3


def test_a_mended_text_says_what_changed_and_what_was_measured() -> None:
    assert only(detoxifier(), "you idiot, go") == Record(
        "you idiot, go",
        Verdict.REWRITTEN,
        "you, go",
        Toxicity(0.9, {"insult": 0.9}),
        edits=(Edit(Span(3, 9), ""),),
        masked=MaskedText("you idiot, go", (Span(4, 9),), (1.0,)),
        toxicity_after=Toxicity(0.0, {"insult": 0.0}),
        findings=(
            Finding("toxicity", True, 0.0, 0.5),
            Finding("words-kept", True, 2 / 3, 0.0),
        ),
        rule="threshold",
    )


def test_a_label_alone_can_make_a_text_toxic() -> None:
    pipeline = detoxifier(threshold=1.0, labels={"insult": 0.9})
    record = only(pipeline, "you idiot")
    assert (record.verdict, record.output, record.rule) == (
        Verdict.REWRITTEN,
        "you",
        "labels.insult",
    )
    assert only(detoxifier(threshold=1.0, labels={"insult": 0.91}), "you idiot").rule == ""


def test_a_candidate_that_a_label_finds_toxic_fails() -> None:
    pipeline = detoxifier(
        threshold=1.0,
        labels={"insult": 0.3},
        infiller=Replacer({"idiot": ("damn", "friend")}),
        checks=[Lacks("nothing")],
    )
    record = only(pipeline, "you idiot")
    assert record.output == "you friend"
    assert record.misses[0].findings[0] == Finding("labels.insult", False, 0.4, 0.3)


def test_an_unknown_label_gets_the_nearest_known() -> None:
    with pytest.raises(ConfigError, match="knows no label 'insults'; did you mean 'insult'"):
        only(detoxifier(labels={"insults": 0.5}), "fine")


@dataclass(frozen=True)
class Labelling:
    """Words of the list, with a label where the toxicity is not 0."""

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        found = WordScorer().score(texts)
        return [one if one.overall else Toxicity(0.0) for one in found]


@pytest.mark.parametrize("texts", [["fine", "you idiot"], ["you idiot", "fine"], ["fine"]])
def test_a_text_whose_score_has_no_label_reaches_no_threshold_of_one(texts: list[str]) -> None:
    pipeline = detoxifier(threshold=1.0, labels={"insult": 0.9}, scorer=Labelling())
    rules = {"fine": "", "you idiot": "labels.insult"}
    assert [record.rule for record in pipeline.run(texts)] == [rules[text] for text in texts]


def test_a_label_that_no_score_has_is_refused_where_some_have_others() -> None:
    pipeline = detoxifier(labels={"insults": 0.5}, scorer=Labelling())
    with pytest.raises(ConfigError, match="knows no label 'insults'; did you mean 'insult'"):
        list(pipeline.run(["fine", "you idiot"]))


@dataclass(frozen=True)
class Keeping:
    """Masks nothing of an insult, and says why."""

    def mask(self, attribution: Attribution, /) -> MaskedText:
        text = attribution.text
        return MaskedText(text, (), (), (Veto(Span(0, len(text)), "house"),))


@pytest.mark.parametrize("fallback", ["drop", "redact", "keep"])
def test_a_text_whose_toxic_spans_are_all_kept_leaves_as_it_came(fallback: str) -> None:
    record = only(detoxifier(masker=Keeping(), fallback=fallback), "idiot")
    assert (record.verdict, record.reason, record.output) == (
        Verdict.UNRESOLVED,
        "spared",
        "idiot",
    )
    assert record.vetoes == (Veto(Span(0, 5), "house"),)


KEPT_LOUD = {"idiot": 0.9, "damn": 0.6}


def keeping(**settings: Any) -> Detoxifier:
    """`damn`, which alone makes a text toxic, stays; two scorers look at what is left."""
    return detoxifier(
        scorer=WordScorer(KEPT_LOUD),
        attributor=WordAttributor(KEPT_LOUD),
        masker=KeepingWordMasker(),
        checks=(ScoredAgain(WordScorer(KEPT_LOUD)), WordsKept()),
        **settings,
    )


def test_what_a_rule_keeps_does_not_count_against_a_rewrite() -> None:
    record = only(keeping(), "damn that idiot of a damn boss")
    assert record.verdict is Verdict.REWRITTEN
    assert record.output == "damn that of a damn boss"
    assert record.toxicity_after == Toxicity(0.0, {"insult": 0.0})
    kept = {finding.check: finding.value for finding in record.findings}
    assert kept["scored-again"] == 0.0
    assert kept["words-kept"] == 6 / 7  # the other checks see the text as it is


def test_where_the_masker_cannot_say_what_it_keeps_it_counts() -> None:
    pipeline = keeping()
    inner = pipeline.masker
    assert isinstance(inner, KeepingWordMasker)

    class Silent:
        mask = staticmethod(inner.mask)

    record = only(replace(pipeline, masker=Silent()), "damn that idiot of a damn boss")
    assert (record.verdict, record.output) == (Verdict.UNRESOLVED, None)


def test_a_kept_word_that_an_edit_touches_counts() -> None:
    pipeline = keeping(infiller=Whole(("a damn fool", "a fool")))
    assert only(pipeline, "you damn idiot").output == "a fool"


def test_other_toxic_words_still_count_beside_a_kept_one() -> None:
    record = only(keeping(infiller=Replacer({"idiot": ["idiot!", "fool"]})), "damn idiot, damn it")
    assert record.output == "damn fool, damn it"
    (miss,) = record.misses
    assert miss.toxicity.overall == 0.9


def test_a_text_that_is_toxic_by_what_a_rule_keeps_alone_leaves_as_it_came() -> None:
    weights = {"damn": 0.6, "silly": 0.4}  # the second is masked, and not toxic by itself
    pipeline = replace(keeping(), scorer=WordScorer(weights), attributor=WordAttributor(weights))
    record = only(pipeline, "a damn silly song")
    assert (record.reason, record.output) == ("spared", "a damn silly song")
    assert [veto.span.of(record.original) for veto in record.vetoes] == ["damn"]
    (found,) = pipeline.find(["a damn silly song"])
    assert found.masked == MaskedText("a damn silly song", (), (), record.vetoes)
    (other,) = pipeline.find(["a silly silly song"])
    assert other.masked is not None
    assert len(other.masked.masked) == 2


def test_a_redacted_text_is_scored_without_what_a_rule_keeps() -> None:
    pipeline = keeping(infiller=Nothing(), fallback="redact")
    record = only(pipeline, "damn that idiot")
    assert record.output == "damn that [removed]"
    assert record.toxicity_after == Toxicity(0.0, {"insult": 0.0})


def test_the_first_candidate_that_passes_is_taken_though_a_later_one_is_less_toxic() -> None:
    infiller = Replacer({"idiot": ("damn", "friend")})
    assert only(detoxifier(infiller=infiller), "idiot").output == "damn"


def test_a_candidate_that_fails_a_check_gives_way_to_the_next() -> None:
    pipeline = detoxifier(
        infiller=Replacer({"idiot": ("fool", "person")}), checks=[WordsKept(), Lacks("fool")]
    )
    assert only(pipeline, "idiot").output == "person"


def test_candidates_that_failed_are_remembered_in_the_order_they_were_judged() -> None:
    infiller = Replacer({"idiot": ("fool", "clown", "person")})
    (record,) = detoxifier(
        infiller=infiller, checks=[WordsKept(), Lacks("fool"), Lacks("clown", "lacks-too")]
    ).run(["you idiot"])
    assert record.output == "you person"
    assert [miss.rewrite.text for miss in record.misses] == ["you fool", "you clown"]


def test_five_candidates_that_failed_are_remembered_and_no_more() -> None:
    words = ("a", "b", "c", "d", "e", "f", "g")
    checks: list[Check] = [WordsKept(), *(Lacks(word, f"lacks-{word}") for word in words)]
    (record,) = detoxifier(infiller=Replacer({"idiot": words}), checks=checks).run(["you idiot"])
    assert [miss.rewrite.text[-1] for miss in record.misses] == ["a", "b", "c", "d", "e"]


def test_a_candidate_exactly_on_the_threshold_does_not_pass() -> None:
    infiller = Replacer({"idiot": ("damn", "person")})
    assert only(detoxifier(threshold=0.4, infiller=infiller), "idiot").output == "person"


def test_the_finding_of_the_scorer_holds_the_threshold() -> None:
    infiller = Replacer({"idiot": ("damn",)})
    record = only(detoxifier(threshold=0.4, infiller=infiller), "idiot")
    assert record.findings[0] == Finding("toxicity", False, 0.4, 0.4)


def test_all_first_choices_are_checked_in_one_batch_and_then_the_seconds() -> None:
    check = Watched()
    infiller = Replacer({"idiot": ("moron", "person"), "moron": ("friend", "pal")})
    pipeline = detoxifier(infiller=infiller, checks=[check])
    list(pipeline.run(["idiot", "hello", "moron"]))
    assert check.seen == [
        [("idiot", "moron"), ("moron", "friend")],
        [("idiot", "person")],
    ]


def test_a_text_with_two_insults_takes_two_rounds() -> None:
    record = only(detoxifier(masker=Strongest()), "you stupid old idiot go")
    assert record.output == "you old go"
    assert record.edits == (Edit(Span(3, 10), ""), Edit(Span(14, 20), ""))
    assert record.masked == MaskedText(
        "you stupid old idiot go", (Span(4, 10), Span(15, 20)), (1.0, 1.0)
    )
    assert record.toxicity_after == Toxicity(0.0, {"insult": 0.0})


def test_one_round_is_not_enough_for_two_insults() -> None:
    record = only(detoxifier(masker=Strongest(), rounds=1), "you stupid old idiot go")
    assert (record.verdict, record.reason, record.output) == (
        Verdict.UNRESOLVED,
        "checks",
        None,
    )


def test_as_many_rounds_are_made_as_were_asked_for() -> None:
    text = "stupid stupid stupid stupid"
    weights = {"stupid": 0.25}
    parts: dict[str, Any] = {
        "scorer": WordScorer(weights),
        "attributor": WordAttributor(weights),
        "masker": Strongest(),
        "threshold": 0.3,
    }
    assert only(detoxifier(rounds=2, **parts), text).verdict is Verdict.UNRESOLVED
    assert only(detoxifier(rounds=3, **parts), text).verdict is Verdict.REWRITTEN


def test_checks_always_compare_with_the_original() -> None:
    check = Watched()
    list(detoxifier(masker=Strongest(), checks=[check]).run(["stupid idiot go"]))
    assert check.seen == [
        [("stupid idiot go", "stupid go")],
        [("stupid idiot go", " go")],
    ]


def test_the_least_toxic_miss_is_what_the_next_round_works_on() -> None:
    check = Watched()
    infiller = Replacer({"idiot": ("moron", "stupid"), "stupid": ("person",)})
    record = only(detoxifier(infiller=infiller, checks=[check]), "an idiot")
    assert check.seen == [
        [("an idiot", "an moron")],
        [("an idiot", "an stupid")],
        [("an idiot", "an person")],
    ]
    assert record.edits == (Edit(Span(3, 8), "person"),)


def test_of_equally_toxic_misses_the_first_goes_on() -> None:
    weights = {"idiot": 0.9, "fool": 0.6, "clown": 0.6}
    infiller = Replacer({"idiot": ("fool", "clown"), "fool": ("person",), "clown": ("star",)})
    pipeline = detoxifier(
        scorer=WordScorer(weights), attributor=WordAttributor(weights), infiller=infiller
    )
    assert only(pipeline, "idiot").output == "person"


def test_a_miss_that_is_not_less_toxic_ends_the_rounds() -> None:
    check = Watched()
    weights = {"idiot": 0.9, "fool": 0.9}
    pipeline = detoxifier(
        scorer=WordScorer(weights),
        attributor=WordAttributor(weights),
        infiller=Replacer({"idiot": ("fool",), "fool": ("person",)}),
        checks=[check],
    )
    assert only(pipeline, "idiot").reason == "checks"
    assert check.seen == [[("idiot", "fool")]]


def test_a_more_toxic_miss_ends_the_rounds() -> None:
    check = Watched()
    infiller = Replacer({"stupid": ("idiot",), "idiot": ("person",)})
    record = only(detoxifier(infiller=infiller, checks=[check]), "stupid")
    assert record.reason == "checks"
    assert check.seen == [[("stupid", "idiot")]]


def test_a_less_toxic_miss_that_lies_near_goes_on() -> None:
    weights = {"idiot": 0.9, "fool": 0.899}
    pipeline = detoxifier(
        scorer=WordScorer(weights),
        attributor=WordAttributor(weights),
        infiller=Replacer({"idiot": ("fool",), "fool": ("person",)}),
    )
    assert only(pipeline, "idiot").output == "person"


def test_a_mended_text_leaves_the_rounds() -> None:
    check = Watched()
    list(detoxifier(checks=[check]).run(["idiot"]))
    assert check.seen == [[("idiot", "")]]


# ------------------------------------------------------------------------------ the candidates


def test_a_candidate_that_changes_nothing_is_none() -> None:
    record = only(detoxifier(infiller=Whole(("you idiot",))), "you idiot")
    assert (record.reason, record.findings) == ("no-candidate", ())


def test_a_candidate_is_judged_once_however_often_it_is_proposed() -> None:
    check = Watched()
    infiller = Whole(("a moron", "a moron", "a stupid", "a moron"))
    only(detoxifier(infiller=infiller, checks=[check], rounds=1), "a idiot")
    assert check.seen == [[("a idiot", "a moron")], [("a idiot", "a stupid")]]


def test_a_candidate_that_only_undoes_an_earlier_round_is_none() -> None:
    check = Watched()
    infiller = Replacer({"idiot": ("stupid",), "stupid": ("idiot",)})
    record = only(detoxifier(infiller=infiller, checks=[check]), "idiot")
    assert check.seen == [[("idiot", "stupid")]]
    assert record.reason == "checks"


def test_edits_hold_only_the_words_that_changed() -> None:
    record = only(detoxifier(infiller=Whole(("you friend of mine",))), "you idiot of mine")
    assert record.edits == (Edit(Span(4, 9), "friend"),)


# --------------------------------------------------------------- why a text stays unresolved


def test_a_toxic_text_in_another_language_is_scored_and_not_mended() -> None:
    class Refusing:
        def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
            assert not texts
            return []

    pipeline = detoxifier(attributor=Refusing(), is_foreign=lambda text: "idiot" in text)
    assert only(pipeline, "du idiot") == Record(
        "du idiot",
        Verdict.UNRESOLVED,
        "du idiot",
        Toxicity(0.9, {"insult": 0.9}),
        reason="language",
        rule="threshold",
    )


def test_a_clean_text_is_not_asked_for_its_language() -> None:
    def asked(text: str) -> bool:
        raise AssertionError("asked")

    assert only(detoxifier(is_foreign=asked), "hello").verdict is Verdict.CLEAN


def test_no_text_is_foreign_unless_said_so() -> None:
    assert only(detoxifier(), "du idiot").verdict is Verdict.REWRITTEN


def test_never_says_no() -> None:
    assert never("Eres un idiota") is False


def test_a_toxic_text_without_a_span_is_unresolved() -> None:
    record = only(detoxifier(masker=WordMasker(limit=2.0)), "idiot")
    assert (record.verdict, record.reason) == (Verdict.UNRESOLVED, "no-span")
    assert record.masked is None


def test_a_toxic_text_without_a_candidate_is_unresolved() -> None:
    record = only(detoxifier(infiller=Nothing()), "you idiot")
    assert (record.verdict, record.reason) == (Verdict.UNRESOLVED, "no-candidate")
    assert record.masked == MaskedText("you idiot", (Span(4, 9),), (1.0,))


def test_a_text_whose_later_round_finds_no_span_failed_its_checks() -> None:
    # Nothing is strong enough to mask once the idiot went; what is left is still toxic.
    weights = {"idiot": 0.5, "stupid": 0.25, "damn": 0.25}
    pipeline = detoxifier(
        scorer=WordScorer(weights),
        attributor=WordAttributor(weights),
        masker=WordMasker(limit=0.5),
    )
    record = only(pipeline, "idiot stupid damn")
    assert record.reason == "checks"
    assert record.masked == MaskedText("idiot stupid damn", (Span(0, 5),), (1.0,))


def test_a_text_whose_later_round_has_no_candidate_failed_its_checks() -> None:
    record = only(detoxifier(infiller=Replacer({"idiot": ("stupid",)})), "idiot")
    assert (record.reason, record.findings) == (
        "checks",
        (Finding("toxicity", False, 0.6, 0.5), Finding("words-kept", True, 0.0, 0.0)),
    )


def test_a_failed_check_alone_leaves_the_text_unresolved() -> None:
    record = only(detoxifier(checks=[WordsKept(limit=0.6)]), "you idiot")
    assert record.reason == "checks"
    assert record.findings == (
        Finding("toxicity", True, 0.0, 0.5),
        Finding("words-kept", False, 0.5, 0.6),
    )
    assert record.toxicity_after is None


def test_the_findings_are_those_of_the_miss_that_failed_least() -> None:
    # "moron" fails two checks; "fool" fails one with 0.1, "clown" one with 0.05.
    weights = {"idiot": 0.9, "moron": 0.8, "fool": 0.1, "clown": 0.05}
    pipeline = detoxifier(
        scorer=WordScorer(weights),
        infiller=Replacer({"idiot": ("moron", "fool", "clown")}),
        checks=[WordsKept(limit=0.9)],
        rounds=1,
    )
    assert only(pipeline, "idiot").findings[0] == Finding("toxicity", True, 0.05, 0.5)


def test_fewer_failures_weigh_more_than_less_toxicity() -> None:
    # The first keeps all words and stays toxic; the second is milder and fails both.
    weights = {"idiot": 0.9, "stupid": 0.6}
    pipeline = detoxifier(
        scorer=WordScorer(weights),
        infiller=Whole(("stupid stupid idiot", "stupid")),
        checks=[WordsKept(limit=0.9)],
        rounds=1,
    )
    assert only(pipeline, "idiot").findings == (
        Finding("toxicity", False, 1.0, 0.5),
        Finding("words-kept", True, 1.0, 0.9),
    )


# ------------------------------------------------------------------------------- the fallbacks


def test_a_dropped_text_leaves_nothing() -> None:
    record = only(detoxifier(infiller=Nothing()), "you idiot")
    assert (record.output, record.edits, record.toxicity_after) == (None, (), None)


def test_a_kept_text_leaves_as_it_came() -> None:
    record = only(detoxifier(infiller=Nothing(), fallback="keep"), "you idiot")
    assert (record.verdict, record.output, record.edits, record.toxicity_after) == (
        Verdict.UNRESOLVED,
        "you idiot",
        (),
        None,
    )


def test_a_redacted_text_loses_its_masked_spans_and_is_scored_anew() -> None:
    record = only(detoxifier(infiller=Nothing(), fallback="redact"), "you idiot, damn moron")
    assert record.output == "you [removed], [removed] [removed]"
    assert record.edits == (
        Edit(Span(4, 9), "[removed]"),
        Edit(Span(11, 15), "[removed]"),
        Edit(Span(16, 21), "[removed]"),
    )
    assert record.toxicity_after == Toxicity(0.0, {"insult": 0.0})
    assert record.verdict is Verdict.UNRESOLVED


def test_each_redacted_text_gets_its_own_score() -> None:
    pipeline = detoxifier(
        masker=WordMasker(limit=0.7), infiller=Nothing(), fallback="redact", redaction="-"
    )
    records = list(pipeline.run(["idiot", "hello", "stupid moron", "moron damn"]))
    assert [(r.output, r.toxicity_after and r.toxicity_after.overall) for r in records] == [
        ("-", 0.0),
        ("hello", None),
        ("stupid -", 0.6),
        ("- damn", 0.4),
    ]


def test_touching_masks_are_redacted_as_one() -> None:
    @dataclass(frozen=True)
    class Halves:
        def mask(self, attribution: Attribution, /) -> MaskedText:
            return MaskedText(attribution.text, (Span(0, 2), Span(2, 5)))

    pipeline = detoxifier(masker=Halves(), infiller=Nothing(), fallback="redact")
    assert only(pipeline, "idiot go").output == "[removed] go"


def test_a_text_without_a_span_is_redacted_whole() -> None:
    pipeline = detoxifier(masker=WordMasker(limit=2.0), fallback="redact")
    record = only(pipeline, "you idiot")
    assert (record.reason, record.output) == ("no-span", "[removed]")


@pytest.mark.parametrize("fallback", ["drop", "redact", "keep"])
def test_a_foreign_text_leaves_as_it_came(fallback: str) -> None:
    pipeline = detoxifier(is_foreign=lambda text: True, fallback=fallback)
    record = only(pipeline, "du idiot")
    assert (record.reason, record.output) == ("language", "du idiot")


def test_redacting_covers_the_masks_of_all_rounds_in_the_original() -> None:
    # Round 1 turns the idiot into a moron, round 2 the moron into a fool; the check wants a
    # word that never comes.
    pipeline = detoxifier(
        scorer=WordScorer({"idiot": 0.9, "moron": 0.8, "stupid": 0.1}),
        masker=Strongest(),
        infiller=Replacer({"idiot": ("big moron",), "moron": ("stupid person",)}),
        checks=[WordsKept(limit=1.0)],
        fallback="redact",
    )
    record = only(pipeline, "you idiot go")
    assert record.output == "you [removed] go"
    assert record.masked == MaskedText("you idiot go", (Span(4, 9),), (1.0,))


def test_redacting_leaves_what_is_redacted_already() -> None:
    weights = {"idiot": 0.9, "removed": 0.9}

    @dataclass(frozen=True)
    class Places:
        def mask(self, attribution: Attribution, /) -> MaskedText:
            return MaskedText(attribution.text, (Span(0, 9), Span(10, 15)))

    pipeline = detoxifier(
        scorer=WordScorer(weights), masker=Places(), infiller=Nothing(), fallback="redact"
    )
    record = only(pipeline, "[removed] idiot")
    assert record.edits == (Edit(Span(10, 15), "[removed]"),)


def test_the_redaction_may_be_empty() -> None:
    pipeline = detoxifier(infiller=Nothing(), fallback="redact", redaction="")
    assert only(pipeline, "you idiot!").output == "you !"


@pytest.mark.parametrize(("idiot", "moron"), [(0.4, 0.9), (0.9, 0.4)])
def test_a_joined_mask_is_as_strong_as_its_strongest_part(idiot: float, moron: float) -> None:
    @dataclass(frozen=True)
    class Weighing:
        def mask(self, attribution: Attribution, /) -> MaskedText:
            masked = Strongest().mask(attribution).masked
            return MaskedText(attribution.text, masked, (max(attribution.weights),))

    pipeline = detoxifier(
        attributor=WordAttributor({"idiot": idiot, "moron": moron}),
        masker=Weighing(),
        infiller=Replacer({"idiot": ("big moron",), "moron": ("person",)}),
    )
    record = only(pipeline, "you idiot")
    assert record.edits == (Edit(Span(4, 9), "big person"),)
    assert record.masked == MaskedText("you idiot", (Span(4, 9),), (0.9,))


def test_a_wider_mask_of_a_later_round_is_as_strong_as_what_it_takes_in() -> None:
    @dataclass(frozen=True)
    class Widening:
        def mask(self, attribution: Attribution, /) -> MaskedText:
            text = attribution.text
            if "idiot" in text:
                return MaskedText(text, (Span(4, 9),), (0.9,))
            return MaskedText(text, (Span(text.index("moron"), len(text)),), (0.4,))

    pipeline = detoxifier(
        masker=Widening(),
        scorer=WordScorer({"idiot": 0.9, "moron": 0.8}),
        infiller=Replacer({"idiot": ("big moron",), "moron go": ("person",)}),
    )
    record = only(pipeline, "you idiot go")
    assert record.masked == MaskedText("you idiot go", (Span(4, 12),), (0.9,))


def test_masks_without_weights_join_at_full_strength() -> None:
    record = only(detoxifier(masker=Bare()), "stupid old idiot")
    assert record.masked == MaskedText("stupid old idiot", (Span(0, 6), Span(11, 16)), (1.0, 1.0))


def test_a_mask_of_one_round_stays_as_the_masker_made_it() -> None:
    record = only(detoxifier(masker=Bare()), "old idiot")
    assert record.masked == MaskedText("old idiot", (Span(4, 9),), ())


# --------------------------------------------------------------------------------------- find


def test_a_scan_gives_toxicity_and_masks_and_mends_nothing() -> None:
    assert detoxifier().find(["hello", "you idiot", "", "damn stupid"]) == [
        Found("hello", Toxicity(0.0, {"insult": 0.0}), None),
        Found(
            "you idiot",
            Toxicity(0.9, {"insult": 0.9}),
            MaskedText("you idiot", (Span(4, 9),), (1.0,)),
        ),
        Found("", Toxicity(0.0), None),
        Found(
            "damn stupid",
            Toxicity(1.0, {"insult": 1.0}),
            MaskedText("damn stupid", (Span(0, 4), Span(5, 11)), (0.4 / 0.6, 1.0)),
        ),
    ]


def test_a_scan_finds_a_text_exactly_on_the_threshold() -> None:
    (found,) = detoxifier(threshold=0.4).find(["damn"])
    assert found.masked == MaskedText("damn", (Span(0, 4),), (1.0,))


def test_a_scan_masks_nothing_in_a_foreign_text() -> None:
    found = detoxifier(is_foreign=lambda text: text == "du idiot").find(["du idiot", "idiot"])
    assert [one.masked and one.masked.masked for one in found] == [(), (Span(0, 5),)]


def test_scores_are_those_of_the_gate() -> None:
    assert detoxifier().score(["hello", " ", "you idiot"]) == [
        Toxicity(0.0, {"insult": 0.0}),
        Toxicity(0.0),
        Toxicity(0.9, {"insult": 0.9}),
    ]


def test_a_scan_of_nothing_finds_nothing() -> None:
    assert detoxifier().find([]) == []


# ----------------------------------------------------------------------- what is refused at once


def test_a_single_str_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="expected several texts, got one str"):
        detoxifier().run("you idiot")
    with pytest.raises(ConfigError, match="expected several texts, got one str"):
        detoxifier().find("you idiot")
    with pytest.raises(ConfigError, match="expected several texts, got one str"):
        detoxifier().score("you idiot")


def test_something_that_holds_no_texts_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="expected several texts, got int"):
        detoxifier().run(cast(Any, 3))


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing_is_refused_before_anything_runs(size: int) -> None:
    with pytest.raises(ConfigError, match=f"batch_size must be at least 1, got {size}"):
        detoxifier().run(["hello"], batch_size=size)


def test_a_text_that_is_no_str_is_refused_with_its_place() -> None:
    texts = cast(Any, ["a", "b", "c", None])
    with pytest.raises(ConfigError, match="expected a str, got NoneType at position 3"):
        list(detoxifier().run(texts, batch_size=2))
    with pytest.raises(ConfigError, match="got NoneType at position 3"):
        detoxifier().find(texts)
    with pytest.raises(ConfigError, match="got NoneType at position 3"):
        detoxifier().score(texts)


def test_a_pipeline_without_checks_is_refused() -> None:
    with pytest.raises(ConfigError, match="checks must hold at least one check"):
        detoxifier(checks=())


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.2, float("nan")])
def test_a_threshold_outside_zero_to_one_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"threshold must be in \(0, 1\], got"):
        detoxifier(threshold=threshold)


def test_a_pipeline_without_rounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounds must be at least 1, got 0"):
        detoxifier(rounds=0)


def test_one_round_and_one_text_at_a_time_are_enough() -> None:
    (record,) = detoxifier(rounds=1).run(["idiot"], batch_size=1)
    assert record.verdict is Verdict.REWRITTEN


def test_an_unknown_fallback_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="no fallback is called 'redcat'; did you mean 'redact'"):
        detoxifier(fallback="redcat")


# -------------------------------------------------------------- steps that break their promises


@dataclass(frozen=True)
class Bent:
    """Any step, its results bent on the way out."""

    step: Any
    bend: Any

    @property
    def name(self) -> str:
        return cast(str, self.step.name)

    def score(self, texts: Sequence[str], /) -> Any:
        return self.bend(self.step.score(texts))

    def attribute(self, texts: Sequence[str], /) -> Any:
        return self.bend(self.step.attribute(texts))

    def infill(self, masked: Sequence[MaskedText], /) -> Any:
        return self.bend(self.step.infill(masked))

    def check(self, rewrites: Sequence[Rewrite], /) -> Any:
        return self.bend(self.step.check(rewrites))


PLAYERS = {
    "scorer": WordScorer(),
    "attributor": WordAttributor(),
    "infiller": Deleter(),
    "checks": WordsKept(),
}
TOXIC = ["you idiot", "that moron"]


def bent(role: str, bend: Any) -> Detoxifier:
    step = Bent(PLAYERS[role], bend)
    # A masker that can tell ties lets the attributor see both texts at once.
    parts: dict[str, Any] = {role: [step] if role == "checks" else step}
    return detoxifier(masker=SteadyWordMasker(), **parts)


@pytest.mark.parametrize("role", PLAYERS)
def test_a_step_that_loses_a_result_is_caught(role: str) -> None:
    with pytest.raises(ContractError, match="Bent returned 1 results for 2 inputs"):
        list(bent(role, lambda results: results[:1]).run(TOXIC))


@pytest.mark.parametrize("role", PLAYERS)
def test_a_step_that_adds_a_result_is_caught(role: str) -> None:
    with pytest.raises(ContractError, match="Bent returned 3 results for 2 inputs"):
        list(bent(role, lambda results: [*results, results[0]]).run(TOXIC))


@pytest.mark.parametrize("role", PLAYERS)
def test_a_step_that_returns_no_list_is_caught(role: str) -> None:
    with pytest.raises(ContractError, match="Bent returned list_iterator, expected a list"):
        list(bent(role, iter).run(TOXIC))


@pytest.mark.parametrize("role", ["attributor", "infiller"])
def test_a_step_that_reorders_its_batch_is_caught(role: str) -> None:
    with pytest.raises(ContractError, match="Bent returned a result for something else"):
        list(bent(role, lambda results: results[::-1]).run(TOXIC))


@pytest.mark.parametrize("role", PLAYERS)
def test_a_step_that_keeps_its_promises_is_not(role: str) -> None:
    records = bent(role, tuple).run(TOXIC)
    assert [record.output for record in records] == ["you", "that"]


def test_a_masker_that_masks_another_text_is_caught() -> None:
    @dataclass(frozen=True)
    class Stray:
        def mask(self, attribution: Attribution, /) -> MaskedText:
            return MaskedText(attribution.text + " ", ())

    with pytest.raises(ContractError, match="Stray returned a result for something else"):
        list(detoxifier(masker=Stray()).run(TOXIC))


def test_a_check_that_speaks_for_another_is_caught() -> None:
    @dataclass(frozen=True)
    class Impostor:
        name: str = "impostor"

        def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
            return [Finding("words-kept", True, 1.0, 0.5) for _ in rewrites]

    with pytest.raises(ContractError, match="Impostor returned a result for something else"):
        list(detoxifier(checks=[Impostor()]).run(TOXIC))


def test_no_message_holds_a_text() -> None:
    with pytest.raises(ContractError) as caught:
        list(bent("attributor", lambda results: results[::-1]).run(TOXIC))
    assert not any(span.of(text) in str(caught.value) for text in TOXIC for span in words(text))
