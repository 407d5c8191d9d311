from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.fakes import WordAttributor, WordScorer
from tests.networks import tiny_guide
from trustydetox.errors import ConfigError
from trustydetox.steps.attributing import (
    GradientXActivation,
    IntegratedGradients,
    LeaveOneOut,
    TokenHead,
    ToxicSentences,
    WordPrior,
)
from trustydetox.steps.viewing import DetectionView, KnownWords, View

GUIDE = tiny_guide()
TEXTS = ["you are an idiot", "what a nice day", "they are stupid and very bad people"]


def test_the_weights_of_integrated_gradients_add_up_to_the_rise_of_the_logit() -> None:
    errors = IntegratedGradients(GUIDE, View.of, steps=200).completeness(TEXTS)
    assert max(errors) < 0.01


def test_one_step_on_the_path_is_too_few() -> None:
    errors = IntegratedGradients(GUIDE, View.of, steps=1).completeness(TEXTS)
    assert max(errors) > 0.05


@pytest.mark.parametrize("at_once", [1, 7, 500])
def test_memory_bounds_do_not_change_the_weights(at_once: int) -> None:
    found = IntegratedGradients(GUIDE, View.of, at_once=at_once).attribute(TEXTS)
    wanted = IntegratedGradients(GUIDE, View.of).attribute(TEXTS)
    for one, other in zip(found, wanted, strict=True):
        assert one.weights == pytest.approx(other.weights, abs=1e-5)


def test_fewer_steps_give_other_weights() -> None:
    (coarse,) = IntegratedGradients(GUIDE, View.of, steps=2).attribute(TEXTS[:1])
    (fine,) = IntegratedGradients(GUIDE, View.of, steps=50).attribute(TEXTS[:1])
    assert coarse.weights != pytest.approx(fine.weights, abs=1e-5)


def test_where_logits_are_linear_in_embeddings_both_gradients_agree_with_it() -> None:
    """No encoder layers, no positions: a word's weight is known by hand."""
    linear = _linear_guide()
    (activation,) = GradientXActivation(linear, View.of).attribute(["cat idiot"])
    words = linear.embeddings.word_embeddings.weight
    ids = [linear.tokenizer.token_to_id(word) for word in ("cat", "idiot")]
    assert activation.weights == pytest.approx([float(words[i].sum()) for i in ids], rel=1e-4)
    (integrated,) = IntegratedGradients(linear, View.of, steps=3).attribute(["cat idiot"])
    blank = linear.tokenizer.token_to_id("[MASK]")
    rise = [float(words[i].sum() - words[blank].sum()) for i in ids]
    assert integrated.weights == pytest.approx(rise, rel=1e-4)


def test_gradients_leave_the_network_as_it_was() -> None:
    before = TokenHead(GUIDE, View.of).attribute(TEXTS)
    IntegratedGradients(GUIDE, View.of).attribute(TEXTS)
    GradientXActivation(GUIDE, View.of).attribute(TEXTS)
    assert TokenHead(GUIDE, View.of).attribute(TEXTS) == before
    assert all(parameter.grad is None for parameter in GUIDE.encoder.parameters())


def test_the_highest_piece_of_a_word_is_its_weight_by_the_token_head() -> None:
    (found,) = TokenHead(GUIDE, View.of).attribute(["xyz cat"])
    encoding = GUIDE.tokenizer.encode("xyz cat")
    ids = torch.tensor([encoding.ids])
    with torch.inference_mode():
        pieces = GUIDE.tokens(ids, torch.ones_like(ids))[0, :, 0].sigmoid().tolist()
    assert found.weights == pytest.approx([max(pieces[1:4]), pieces[4]], abs=1e-6)


def test_the_words_of_a_disguise_are_found_in_the_original() -> None:
    view = DetectionView(KnownWords.of(["idiot"]))
    text = "you 1diot!"
    (found,) = TokenHead(GUIDE, view).attribute([text])
    assert [unit.of(text) for unit in found.units] == ["you", "1diot"]
    (plain,) = TokenHead(GUIDE, View.of).attribute(["you idiot!"])
    assert found.weights == pytest.approx(plain.weights, abs=1e-6)


def test_every_word_of_a_long_text_has_one_weight() -> None:
    text = "you are an idiot " * 100
    for attributor in (TokenHead(GUIDE, View.of), GradientXActivation(GUIDE, View.of)):
        (found,) = attributor.attribute([text])
        assert len(found.units) == 400


def test_leaving_a_toxic_word_out_lowers_the_score() -> None:
    attributor = LeaveOneOut(WordScorer({"idiot": 0.9}), View.of)
    (found,) = attributor.attribute(["you idiot, you"])
    assert found.weights == pytest.approx([0.0, 0.9, 0.0])


def test_words_that_are_toxic_only_together_are_missed_by_leaving_one_out() -> None:
    attributor = LeaveOneOut(WordScorer({"idiot": 1.0}), View.of)
    (found,) = attributor.attribute(["idiot idiot"])
    assert found.weights == pytest.approx([0.0, 0.0])


def _linear_guide() -> Any:
    """The document logit is the sum of all embeddings' entries: sum pooling in place of LSE."""
    guide = tiny_guide()

    class Linear:
        tokenizer, window, labels = guide.tokenizer, 128, ()
        blank, padding, special = guide.blank, guide.padding, guide.special
        embeddings: Any = None

        def logit(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            total: torch.Tensor = self.embeddings(ids).sum(dim=(1, 2))
            return total

    class Embeddings(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word_embeddings = guide.encoder.embeddings.word_embeddings

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.word_embeddings(ids)
            return found

    linear = Linear()
    linear.embeddings = Embeddings()
    return linear


def test_a_guide_is_frozen() -> None:
    with pytest.raises(AttributeError):
        GUIDE.labels = ()  # type: ignore[misc]
    assert replace(GUIDE, labels=()).labels == ()


PRIOR = WordPrior(
    WordAttributor({"idiot": 0.2, "1diot": 0.2, "report": 0.2}),
    KnownWords.of(["idiot", "fool"]),
    DetectionView(KnownWords.of(["idiot"])),
)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("Idiot report fool", [0.6, 0.2, 0.0]),  # odds of 1 to 4 become 6 to 4; of nothing, nothing
        ("an 1diot, a report", [0.0, 0.6, 0.0, 0.2]),
        ("idiot. Oh. Oh.", [0.6, 0.0, 0.0]),
        ("idiot. Oh. Oh. Bye", [0.2, 0.0, 0.0, 0.0]),  # a long text keeps its weights
        ("ask the Report", [0.0, 0.0, 1 / 13]),  # a name, as it is written: odds of 1 to 12
        ("ask the Idiot", [0.0, 0.0, 0.6]),  # but a known word is none
        ("ask the Report. Oh. Oh. Bye", [0.0, 0.0, 1 / 13, 0.0, 0.0, 0.0]),
    ],
)
def test_known_words_need_less_of_a_reason(text: str, weights: list[float]) -> None:
    [found] = PRIOR.attribute([text])
    assert list(found.weights) == pytest.approx(weights)
    assert found.units == PRIOR.attributor.attribute([text])[0].units
    # The control: the same words where nothing multiplies their odds, and no name among them.
    [same] = replace(PRIOR, odds=1.0).attribute([text.lower()])
    assert list(same.weights) == pytest.approx(
        list(PRIOR.attributor.attribute([text.lower()])[0].weights)
    )


def test_odds_are_multiplied_by_something() -> None:
    with pytest.raises(ConfigError, match="odds and names must be above 0"):
        replace(PRIOR, odds=0.0)
    with pytest.raises(ConfigError, match="odds and names must be above 0"):
        replace(PRIOR, names=0.0)


SENTENCES = ToxicSentences(
    WordAttributor({"idiot": 0.9, "report": 0.6}), WordScorer({"idiot": 0.9})
)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("Idiot here. A report.", [0.9, 0.0, 0.0, 0.0]),
        ("A report. No news.", [0.0, 0.6, 0.0, 0.0]),  # toxic nowhere: the weights stay
        ("idiot report", [0.9, 0.6]),
        ("\n\nidiot\n\nreport", [0.9, 0.0]),
    ],
)
def test_words_keep_their_weight_in_toxic_sentences_alone(text: str, weights: list[float]) -> None:
    [found] = SENTENCES.attribute([text])
    assert list(found.weights) == weights


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("idiot. fool. Oh", [0.9, 0.5, 0.0]),  # three sentences: both are toxic
        ("idiot. fool. Oh. Bye", [0.9, 0.0, 0.0, 0.0]),
        ("fool. Oh. Oh. Bye", [0.5, 0.0, 0.0, 0.0]),  # the worst one counts from the limit on
        ("report. Oh. Oh. Bye", [0.6, 0.0, 0.0, 0.0]),
        ("idiot. jerk. " + "Oh. " * 10, [0.9, 0.8] + [0.0] * 10),
        ("idiot. jerk. " + "Oh. " * 11, [0.9] + [0.0] * 12),
        ("jerk. " + "Oh. " * 12, [0.8] + [0.0] * 12),
    ],
)
def test_in_a_long_text_words_keep_their_weight_in_surely_toxic_sentences(
    text: str, weights: list[float]
) -> None:
    sentences = ToxicSentences(
        WordAttributor({"idiot": 0.9, "jerk": 0.8, "fool": 0.5, "report": 0.6}),
        WordScorer({"idiot": 0.9, "jerk": 0.75, "fool": 0.6}),
        surer=0.8,
    )
    [found] = sentences.attribute([text])
    assert list(found.weights) == weights


def test_a_very_long_text_is_never_searched_with_less_reason() -> None:
    with pytest.raises(ConfigError, match=r"surer must be in \[0\.7, 1\), as sure is, got 0\.6"):
        replace(SENTENCES, surer=0.6)


def test_the_limit_of_a_sentence_is_inclusive() -> None:
    at, over = (
        replace(SENTENCES, limit=limit).attribute(["idiot. report idiot. report."])[0].weights
        for limit in (0.9, 0.91)
    )
    assert at == (0.9, 0.6, 0.9, 0.0)
    assert over == (0.9, 0.6, 0.9, 0.6)
