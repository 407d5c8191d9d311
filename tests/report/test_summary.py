from __future__ import annotations

import json

from trustydetox.records import Finding, MaskedText, Record, Toxicity, Verdict
from trustydetox.report import RowCounts, Summary
from trustydetox.report.groups import groups_in
from trustydetox.report.samples import sample_of
from trustydetox.report.shares import wilson
from trustydetox.report.summary import field_family
from trustydetox.spans import Edit, Span


def clean(text: str = "a fine day", toxicity: float = 0.02) -> Record:
    return Record(text, Verdict.CLEAN, text, Toxicity(toxicity))


def rewritten() -> Record:
    text = "what an idiot he is"
    return Record(
        text,
        Verdict.REWRITTEN,
        "what a man he is",
        Toxicity(0.97),
        edits=(Edit(Span(5, 13), "a man"),),
        masked=MaskedText(text, (Span(8, 13),)),
        toxicity_after=Toxicity(0.04),
        findings=(Finding("less-toxic", True, 0.04, 0.5),),
    )


def unresolved(output: str | None, reason: str = "no candidate passed") -> Record:
    text = "you idiot"
    edits = () if output in (None, text) else (Edit(Span(0, 9), output or ""),)
    return Record(
        text,
        Verdict.UNRESOLVED,
        output,
        Toxicity(0.95),
        reason=reason,
        edits=edits,
        masked=MaskedText(text, (Span(4, 9),)),
        findings=(Finding("less-toxic", False, 0.8, 0.5),),
    )


def test_a_summary_counts_verdicts_reasons_actions_and_fields() -> None:
    summary = Summary()
    summary.add(0, "text", clean())
    summary.add(1, "text", rewritten())
    summary.add(2, "/messages/0/content", unresolved(None))
    summary.add(2, "/messages/1/content", unresolved("[removed]", "language"))
    summary.add(3, "/messages/7/content", unresolved("you idiot"))

    report = summary.report(RowCounts(read=4, written=3, dropped=1))

    assert report["texts"] == {"total": 5, "clean": 1, "rewritten": 1, "unresolved": 3}
    assert report["unresolved"] == {
        "by_reason": {"language": 1, "no candidate passed": 2},
        "by_action": {"dropped": 1, "kept": 1, "redacted": 1},
    }
    assert report["by_field"] == {
        "/messages/*/content": {"clean": 0, "rewritten": 0, "unresolved": 3},
        "text": {"clean": 1, "rewritten": 1, "unresolved": 0},
    }
    assert report["checks"] == {"less-toxic": {"passed": 1, "failed": 3}}
    assert report["rows"] == {"read": 4, "written": 3, "dropped": 1, "quarantined": 0}


def test_edit_counts_are_characters_of_the_edited_spans() -> None:
    summary = Summary()
    summary.add(0, "text", rewritten())

    edits = summary.report(RowCounts())["edits"]

    assert edits == {
        "texts": 1,
        "edits": 1,
        "deletions": 0,
        "replacements": 1,
        "characters_removed": 8,
        "characters_added": 5,
        "share_of_characters_removed": 0.4211,  # 8 of 19
        "length_change": -0.1579,  # -3 of 19
    }


def test_histograms_count_texts_that_leave_and_the_last_bin_holds_one() -> None:
    summary = Summary()
    summary.add(0, "text", clean(toxicity=0.0))
    summary.add(1, "text", rewritten())
    summary.add(2, "text", unresolved(None))
    summary.add(3, "text", Record("x", Verdict.UNRESOLVED, "x", Toxicity(1.0), reason="language"))

    toxicity = summary.report(RowCounts())["toxicity"]

    assert toxicity["before"] == [1] + [0] * 18 + [3]
    assert toxicity["after"] == [2] + [0] * 18 + [1]


def test_a_rate_carries_its_wilson_interval() -> None:
    # Wilson 1927 for 8 of 10: 0.490 to 0.943.
    assert wilson(8, 10) == {"value": 0.8, "low": 0.4902, "high": 0.9433, "hits": 8, "n": 10}


def test_a_rate_of_none_starts_at_zero_and_of_all_ends_at_one() -> None:
    assert (wilson(0, 5)["low"], wilson(5, 5)["high"]) == (0.0, 1.0)


def test_a_rate_over_nothing_has_no_value() -> None:
    assert wilson(0, 0) == {"value": None, "low": None, "high": None, "hits": 0, "n": 0}


def test_positions_in_a_chat_fall_into_one_family() -> None:
    assert field_family("/messages/12/content") == "/messages/*/content"


def test_a_column_name_is_its_own_family() -> None:
    assert field_family("answer/2") == "answer/2"


def test_the_report_holds_no_word_of_a_text() -> None:
    summary = Summary()
    summary.add(0, "text", rewritten())
    summary.add(1, "text", unresolved("you idiot"))

    assert "idiot" not in json.dumps(summary.report(RowCounts()))
    assert summary.top_words() == [("idiot", 2)]


def test_the_sample_is_capped_and_the_unresolved_come_first() -> None:
    summary = Summary(samples_each=3)
    for row in range(50):
        summary.add(row, "text", rewritten() if row % 2 else unresolved(None))

    samples = summary.samples()

    assert [sample.verdict for sample in samples] == ["unresolved"] * 3 + ["rewritten"] * 3
    rows = [sample.row for sample in samples]
    assert rows == sorted(rows[:3]) + sorted(rows[3:])


def test_the_worst_come_first_and_what_left_is_worse_than_what_was_dropped() -> None:
    summary = Summary(samples_each=4)
    for row, toxicity in enumerate((0.6, 0.9, 0.7, 0.8)):
        text = f"text {row}"
        output = text if row == 2 else None
        summary.add(row, "text", Record(text, Verdict.UNRESOLVED, output, Toxicity(toxicity)))

    # Two worst, the kept one before the most toxic of the dropped, then the others in order.
    assert [sample.row for sample in summary.samples()] == [2, 1, 0, 3]


def test_lengths_of_edited_texts_are_counted_in_tenths() -> None:
    summary = Summary()
    summary.add(0, "text", rewritten())  # 16 of 19 characters
    summary.add(1, "text", clean())
    ratios = summary.report(RowCounts())["length"]["ratio"]
    assert ratios == [0] * 8 + [1] + [0] * 4


def test_texts_that_mention_a_group_have_rates_of_their_own() -> None:
    summary = Summary()
    for row in range(40):
        summary.add(row, "text", clean())
    for row in range(40, 50):
        text = "the Muslim women, Muslims all"
        summary.add(row, "text", Record(text, Verdict.UNRESOLVED, None, Toxicity(0.9)))
    summary.add(50, "text", rewritten())

    mentions = summary.report(RowCounts())["mentions"]

    assert (mentions["none"]["texts"], mentions["none"]["toxic"]["hits"]) == (41, 1)
    assert list(mentions["groups"]) == ["Muslim", "female"]
    muslim = mentions["groups"]["Muslim"]
    assert (muslim["texts"], muslim["dropped"]["hits"], muslim["ratio"]) == (10, 10, 41.0)
    assert muslim["disparate"]


def test_a_group_with_few_texts_is_not_called_out() -> None:
    summary = Summary()
    for row in range(4):
        summary.add(row, "text", clean() if row % 2 else rewritten())
    summary.add(4, "text", Record("a Jewish man", Verdict.UNRESOLVED, None, Toxicity(0.9)))

    jewish = summary.report(RowCounts())["mentions"]["groups"]["Jewish"]

    assert (jewish["ratio"], jewish["disparate"]) == (2.0, False)


def test_a_word_inside_another_mentions_no_group() -> None:
    assert list(groups_in("romaña, Transport and the womanizer")) == []
    assert list(groups_in("BLACK coffee")) == ["Black"]


def test_the_same_stream_gives_the_same_sample_and_another_seed_another() -> None:
    def rows(seed: int) -> list[int]:
        summary = Summary(samples_each=5, seed=seed)
        for row in range(200):
            summary.add(row, "text", unresolved(None))
        return [sample.row for sample in summary.samples()]

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_the_sample_of_a_huge_text_is_small() -> None:
    text = "word " * 100_000 + "idiot" + " word" * 100_000
    where = Span(500_000, 500_005)
    record = Record(
        text,
        Verdict.REWRITTEN,
        text[:500_000] + "man" + text[500_005:],
        Toxicity(0.9),
        edits=(Edit(where, "man"),),
        toxicity_after=Toxicity(0.1),
    )
    summary = Summary()
    summary.add(0, "text", record)

    sample = summary.samples()[0]

    assert sum(len(piece.text) for piece in sample.before) == 5 + 2 * 160
    assert [piece.kind for piece in sample.before] == ["gap", "kept", "cut", "kept", "gap"]


def test_a_sample_shows_as_many_words_and_edits_as_asked_for() -> None:
    text = "fool " * 20
    spans = tuple(Span(at, at + 4) for at in range(0, 100, 5))
    record = Record(
        text,
        Verdict.REWRITTEN,
        "man " * 20,
        Toxicity(0.9),
        edits=tuple(Edit(span, "man") for span in spans),
        masked=MaskedText(text, spans),
        toxicity_after=Toxicity(0.1),
    )
    for most, shown in ((12, 12), (100, 20)):
        sample = sample_of(0, "text", record, most_marks=most)
        cuts = [piece for piece in sample.before if piece.kind == "cut"]
        assert (len(sample.words), len(cuts), sample.hidden_marks) == (shown, shown, 20 - shown)


def test_marked_words_are_counted_in_bounded_memory() -> None:
    summary = Summary()
    for number in range(30_000):
        text = f"w{number}" if number % 3 else "idiot"
        record = Record(
            text,
            Verdict.UNRESOLVED,
            None,
            Toxicity(0.9),
            masked=MaskedText(text, (Span(0, len(text)),)),
        )
        summary.add(number, "text", record)

    assert summary.top_words(1) == [("idiot", 10_000)]
    assert len(summary.top_words(10**9)) <= 10_000
