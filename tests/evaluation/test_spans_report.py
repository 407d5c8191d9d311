from __future__ import annotations

import math

import pytest

from tests.fakes import detoxifier
from trustydetox.evaluation.baselines import SpanLexicon, WordWindow, marks, words
from trustydetox.evaluation.spans import Nothing, Recipe, measure_spans, score_spans
from trustydetox.spans import Span
from trustydetox.training.sources import Source


def quiet(what: str) -> None:
    pass


def test_scores_are_those_worked_out_by_hand() -> None:
    gold = [[Span(0, 4)], [Span(0, 2)], [], []]
    predicted = [[Span(2, 5)], [], [], [Span(0, 1)]]
    scores = score_spans("own", gold, predicted)
    # Posts: 4/7, 0, 1 (empty and kept empty), 0 (empty and marked).
    assert scores.f1.value == pytest.approx((4 / 7 + 1) / 4)
    assert scores.f1_marked.value == pytest.approx((4 / 7) / 2)
    assert (scores.empty_accuracy.value, scores.empty_accuracy.n) == (0.5, 2)
    assert scores.precision.value == pytest.approx(2 / 4)
    assert scores.recall.value == pytest.approx(2 / 6)


def test_a_post_without_gold_costs_whoever_marks_it() -> None:
    kept = score_spans("own", [[]], [[]])
    marked = score_spans("own", [[]], [[Span(0, 1)]])
    assert (kept.f1.value, marked.f1.value) == (1.0, 0.0)
    assert math.isnan(kept.f1_marked.value)


def test_the_gate_keeps_a_clean_post_empty() -> None:
    # "damn" weighs 0.4: over the masker's limit, under the threshold of 0.5.
    finder = Recipe(detoxifier(), quiet)
    assert finder.find_spans(["you idiot", "damn rain"]) == [(Span(4, 9),), ()]
    low = Recipe(detoxifier(threshold=0.3), quiet)
    assert low.find_spans(["damn rain"]) == [(Span(0, 4),)]


def test_more_posts_than_one_window_are_all_found() -> None:
    told: list[str] = []
    finder = Recipe(detoxifier(), told.append)
    assert len(finder.find_spans(["you idiot"] * 300)) == 300
    assert told == ["256 of 300 posts", "300 of 300 posts"]


def test_every_system_is_measured_on_the_same_posts() -> None:
    posts = Source("own", ("you idiot", "fine day"), (None, None), ((Span(4, 9),), ()))
    result = measure_spans(posts, {"recipe": Recipe(detoxifier(), quiet), "none": Nothing()})
    assert result.share_empty.value == 0.5
    assert [(one.system, one.f1.value) for one in result.systems] == [
        ("recipe", 1.0),
        ("none", 0.5),
    ]


def test_posts_without_marks_can_t_be_measured() -> None:
    with pytest.raises(ValueError, match="no marked spans"):
        measure_spans(Source("own", ("a",), (1,)), {})


def test_a_word_is_marked_from_half_of_its_characters_on() -> None:
    text = "an idiot here"
    assert [span.of(text) for span in words(text)] == ["an", "idiot", "here"]
    assert marks(text, [Span(3, 6)]) == [False, True, False]
    assert marks(text, [Span(3, 5)]) == [False, False, False]


POSTS = [f"row {k} says you {'idiot' if k % 2 else 'fellow'} of old" for k in range(60)]
GOLD = [
    (Span(text.index("idiot"), text.index("idiot") + 5),) if "idiot" in text else ()
    for text in POSTS
]


def test_the_lexicon_learns_the_words_that_people_mark() -> None:
    lexicon = SpanLexicon.learn(POSTS, GOLD)
    assert lexicon.terms == {"idiot"}
    assert lexicon.find_spans(["An Idiot idiot", "no"]) == [(Span(3, 14),), ()]


def test_the_lexicon_learns_nothing_where_nothing_is_marked() -> None:
    assert SpanLexicon.learn(POSTS, [()] * 60).find_spans(["you idiot"]) == [()]


def test_the_word_tagger_finds_what_it_learned() -> None:
    tagger = WordWindow.learn(POSTS, GOLD)
    assert tagger.find_spans(["row 99 says you idiot of old"]) == [(Span(16, 21),)]
    assert tagger.find_spans([]) == []
    assert tagger.find_spans(["…"]) == [()]
