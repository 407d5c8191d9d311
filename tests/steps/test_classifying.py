from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import WordScorer
from tests.pretrained import bert_classifier, bert_tagger, roberta_classifier
from trustydetox.errors import ConfigError
from trustydetox.steps.attributing import GradientXActivation, IntegratedGradients, TokenHead
from trustydetox.steps.scoring import (
    ClassifierScorer,
    Ensemble,
    RecordedScores,
    TokenClassifierScorer,
)

TEXTS = ["you are an idiot", "what a nice day 🙂", "", "they are stupid and very bad people"]
TWO = {"fine": "clean", "rude": "toxic"}


def raw(scorer: Any, text: str) -> list[float]:
    """The network's logits for one text, straight from it."""
    encoding = scorer.guide.tokenizer.encode(text)
    with torch.inference_mode():
        ids = torch.tensor([encoding.ids])
        logits = scorer.guide.raw(ids, torch.ones_like(ids))
    numbers: list[float] = logits[0].tolist()
    return numbers


def test_of_two_labels_the_toxic_one_is_the_score(tmp_path: Path) -> None:
    scorer = ClassifierScorer(bert_classifier(tmp_path, ["fine", "rude"]), TWO)
    fine, rude = raw(scorer, TEXTS[0])
    (found,) = scorer.score(TEXTS[:1])
    wanted = math.exp(rude) / (math.exp(fine) + math.exp(rude))
    assert found.overall == pytest.approx(wanted, abs=1e-5)
    assert found.by_label == pytest.approx({"fine": 1 - wanted, "rude": wanted}, abs=1e-5)


def test_the_mapping_decides_which_label_is_toxic_and_not_its_name(tmp_path: Path) -> None:
    model = bert_classifier(tmp_path, ["LABEL_0", "LABEL_1"])
    one = ClassifierScorer(model, {"LABEL_0": "clean", "LABEL_1": "toxic"})
    other = ClassifierScorer(model, {"LABEL_0": "toxic", "LABEL_1": "clean"})
    (first,), (second,) = one.score(TEXTS[:1]), other.score(TEXTS[:1])
    assert first.overall == pytest.approx(1 - second.overall, abs=1e-5)
    assert first.overall != pytest.approx(second.overall, abs=1e-2)


@pytest.mark.parametrize(
    "labels",
    [
        {"rude": "toxic"},
        {"fine": "clean", "rude": "toxic", "other": "clean"},
        {"fine": "clean", "rude": "yes"},
        {"clean": "clean", "toxic": "toxic"},
        {},
    ],
)
def test_a_set_of_labels_that_is_not_the_model_s_is_refused(
    tmp_path: Path, labels: dict[str, str]
) -> None:
    model = bert_classifier(tmp_path, ["fine", "rude"])
    with pytest.raises(ConfigError, match="has the labels fine, rude; say of each"):
        ClassifierScorer(model, labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"fine": "clean", "rude": "clean"}, "no label is toxic"),
        ({"fine": "toxic", "rude": "toxic"}, "can't all be toxic"),
    ],
)
def test_labels_that_say_nothing_are_refused(
    tmp_path: Path, labels: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ClassifierScorer(bert_classifier(tmp_path, ["fine", "rude"]), labels)


MANY = {"toxicity": "toxic", "insult": "toxic", "female": "clean"}


def test_of_labels_judged_apart_the_highest_toxic_one_is_the_score(tmp_path: Path) -> None:
    model = bert_classifier(tmp_path, list(MANY), problem_type="multi_label_classification")
    scorer = ClassifierScorer(model, MANY)
    toxicity, insult, _ = (1 / (1 + math.exp(-logit)) for logit in raw(scorer, TEXTS[3]))
    (found,) = scorer.score(TEXTS[3:])
    assert found.overall == pytest.approx(max(toxicity, insult), abs=1e-5)


def test_one_of_the_labels_judged_apart_can_be_the_score(tmp_path: Path) -> None:
    model = bert_classifier(tmp_path, list(MANY), problem_type="multi_label_classification")
    for label in ("toxicity", "insult"):
        (found,) = ClassifierScorer(model, MANY, overall=label).score(TEXTS[:1])
        assert found.overall == pytest.approx(found.by_label[label], abs=1e-6)


def test_a_rule_for_labels_judged_apart_is_refused_where_they_are_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="overall must be highest"):
        ClassifierScorer(bert_classifier(tmp_path, ["fine", "rude"]), TWO, overall="rude")


@pytest.mark.parametrize("make", [bert_classifier, roberta_classifier])
def test_a_long_text_is_as_toxic_as_its_worst_window(tmp_path: Path, make: Any) -> None:
    scorer = ClassifierScorer(make(tmp_path, ["fine", "rude"]), TWO)
    text = "you are an idiot " * 400
    assert len(scorer.guide.tokenizer.encode(text).ids) > 2 * scorer.guide.window
    (found,) = scorer.score([text])
    assert 0.0 <= found.overall <= 1.0


def test_padding_changes_no_score(tmp_path: Path) -> None:
    scorer = ClassifierScorer(roberta_classifier(tmp_path, ["fine", "rude"]), TWO)
    together = [one.overall for one in scorer.score(TEXTS)]
    alone = [scorer.score([text])[0].overall for text in TEXTS]
    assert together == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("make", [bert_classifier, roberta_classifier])
def test_integrated_gradients_of_any_classifier_add_up(tmp_path: Path, make: Any) -> None:
    guide = ClassifierScorer(make(tmp_path, ["fine", "rude"]), TWO).guide
    assert max(IntegratedGradients(guide, steps=300).completeness(TEXTS[:2])) < 0.02
    assert max(IntegratedGradients(guide, steps=1).completeness(TEXTS[:2])) > 0.02


def test_the_words_of_a_tokenizer_of_bytes_are_found_without_the_space_before(
    tmp_path: Path,
) -> None:
    guide = ClassifierScorer(roberta_classifier(tmp_path, ["fine", "rude"]), TWO).guide
    text = "you 🙂 çá  idiot"
    (found,) = GradientXActivation(guide).attribute([text])
    assert [unit.of(text) for unit in found.units] == ["you", "çá", "idiot"]
    assert all(weight != 0.0 for weight in found.weights)


def test_pieces_of_one_character_count_together(tmp_path: Path) -> None:
    guide = ClassifierScorer(roberta_classifier(tmp_path, ["fine", "rude"]), TWO).guide
    encoding = guide.tokenizer.encode("ç")
    assert encoding.offsets.count((0, 1)) == 2  # one character, two pieces
    ids = torch.tensor([encoding.ids])
    step = GradientXActivation(guide)
    pieces = step._weights(ids, torch.ones_like(ids))[0].tolist()
    (found,) = step.attribute(["ç"])
    assert found.weights == pytest.approx([pieces[1] + pieces[2]], abs=1e-6)


def test_a_token_classifier_scores_and_marks_by_one_network(tmp_path: Path) -> None:
    scorer = TokenClassifierScorer(bert_tagger(tmp_path, ["fine", "rude"]), TWO)
    (score,) = scorer.score(TEXTS[:1])
    (found,) = TokenHead(scorer.guide).attribute(TEXTS[:1])
    assert max(found.weights) == pytest.approx(score.overall, abs=1e-5)
    assert scorer.score([""])[0].overall < 1e-9


def test_an_ensemble_joins_by_its_rule() -> None:
    scorers = (WordScorer({"idiot": 0.8}), WordScorer({"idiot": 0.2}))
    for rule, wanted in {"mean": 0.5, "highest": 0.8, "lowest": 0.2}.items():
        (found,) = Ensemble(scorers, rule).score(["idiot"])
        assert [found.overall, found.by_label["insult"]] == pytest.approx([wanted, wanted])


def test_an_ensemble_of_an_unknown_rule_or_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mean'"):
        Ensemble((WordScorer(),), "men")
    with pytest.raises(ConfigError, match="at least one"):
        Ensemble(())


def record(path: Path, content: str) -> str:
    path.write_text(content, "utf-8")
    return str(path)


def test_recorded_scores_answer_and_another_scorer_does_for_the_rest(tmp_path: Path) -> None:
    path = record(tmp_path / "s.csv", "text,toxicity\nyou idiot,0.25\nyou idiot,0.5\n")
    scorer = RecordedScores(path, WordScorer())
    found = scorer.score(["damn", "you idiot", "hello"])
    assert [one.overall for one in found] == [0.4, 0.5, 0.0]


def test_recorded_texts_may_hold_line_breaks(tmp_path: Path) -> None:
    # More than a block of 1 MiB, the end of which falls inside a text.
    text = "you,\nas I said,\nare\n" + "an idiot\n" * 20
    path = record(tmp_path / "s.csv", "text,toxicity\n" + f'"{text}",0.25\n' * 8_000)
    (found,) = RecordedScores(path, WordScorer()).score([text])
    assert found.overall == 0.25


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.csv", "text,score\na,0.1\n", "has no column 'toxicity'"),
        ("s.csv", "text,toxicity\na,7\n", r"row 0: toxicity must be in \[0, 1\], got 7"),
        ("s.txt", "a\n", "must be in one of .parquet, .csv, .jsonl"),
        ("s.jsonl", "{", "can't read recorded scores"),
    ],
)
def test_a_file_of_scores_that_can_t_be_used_is_one_line(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        RecordedScores(record(tmp_path / name, content), WordScorer())
