from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import tiny_fluency
from trustydetox.embedded.fluency import load_fluency, numbers, save_fluency
from trustydetox.errors import ModelError


def test_a_sentence_is_likelier_than_its_words_in_disorder() -> None:
    said, turned = tiny_fluency().score(["you are nice", "nice you are"])
    assert said > turned


def test_case_counts_for_nothing_and_any_text_has_a_score() -> None:
    fluency = tiny_fluency()
    assert len(set(fluency.score(["you are nice", "You ARE nice"]))) == 1
    assert len(fluency.score(["", "\ud800", "x" * 300])) == 3
    assert fluency.score([]) == []


def test_what_follows_a_place_is_the_next_piece_or_the_end() -> None:
    fluency = tiny_fluency()
    text = "you are nice"
    (logs,) = fluency.pieces.log_probabilities(numbers(fluency.tokenizer, [text]))
    assert fluency.expected(text, [0, 3, 4, 5, 12]) == [
        *(pytest.approx(float(logs[at])) for at in (0, 1, 1, 2, 3)),
    ]
    likely, odd = (fluency.expected(said, [3])[0] for said in ("you are", "you nice"))
    assert likely > odd


def test_what_is_saved_scores_as_before(tmp_path: Path) -> None:
    fluency = tiny_fluency()
    save_fluency(fluency, tmp_path / "fluency.safetensors")
    fluency.tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = ["you are nice", "nice you are"]
    assert load_fluency(tmp_path).score(texts) == pytest.approx(fluency.score(texts), rel=1e-6)


def test_missing_weights_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train embedded"):
        load_fluency(tmp_path)
