from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import tiny_fluency
from trustydetox.embedded.fluency import load_fluency, save_fluency
from trustydetox.errors import ModelError


def mean(*texts: str) -> list[float]:
    return [sum(logs) / len(logs) for _, logs in tiny_fluency().read(texts)]


def test_a_sentence_is_likelier_than_its_words_in_disorder() -> None:
    said, turned = mean("you are nice", "nice you are")
    assert said > turned


def test_case_counts_for_nothing_and_any_text_has_a_score() -> None:
    assert len(set(mean("you are nice", "You ARE nice"))) == 1
    assert len(mean("", "\ud800", "x" * 300)) == 3
    assert mean() == []


def test_pieces_start_in_code_points_and_the_end_has_a_probability_too() -> None:
    ((starts, logs),) = tiny_fluency().read(["you \ud800 are"])
    assert starts == [0, 4, 6]
    assert len(logs) == 4


def test_what_is_saved_reads_as_before(tmp_path: Path) -> None:
    fluency = tiny_fluency()
    save_fluency(fluency, tmp_path / "fluency.safetensors")
    fluency.tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = ["you are nice", "nice you are"]
    for (starts, logs), (again, later) in zip(
        fluency.read(texts), load_fluency(tmp_path).read(texts), strict=True
    ):
        assert again == starts
        assert later == pytest.approx(logs, rel=1e-6)


def test_missing_weights_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train embedded"):
        load_fluency(tmp_path)
