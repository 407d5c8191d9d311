from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes import NoisyScorer, WordScorer
from tests.networks import tiny_identifier
from trustydetox.errors import ConfigError
from trustydetox.records import Toxicity
from trustydetox.steps.identifying import BagScorer, Gated


def test_a_bag_hears_the_worst_piece_of_a_long_text() -> None:
    scorer = BagScorer(tiny_identifier())
    alone, calm = (scorer.score([t])[0].overall for t in ("idiot " * 64, "cat " * 64))
    (mixed,) = scorer.score(["cat " * 64 + "idiot " * 64])
    assert max(alone, calm) == pytest.approx(mixed.overall, abs=1e-6)


def test_the_scorer_behind_a_gate_is_asked_only_about_what_passes() -> None:
    asked: list[str] = []

    class Watched:
        def score(self, texts: Sequence[str], /) -> list[Toxicity]:
            asked.extend(texts)
            return [Toxicity(0.7)] * len(texts)

    gated = Gated(WordScorer({"idiot": 0.5, "damn": 0.3}), Watched(), limit=0.4)
    found = gated.score(["damn", "idiot", "", "idiot damn"])
    assert asked == ["idiot", "idiot damn"]
    assert [one.overall for one in found] == [0.3, 0.7, 0.0, 0.7]


def test_a_text_on_the_gate_s_limit_passes() -> None:
    gated = Gated(WordScorer({"idiot": 0.5}), WordScorer({"idiot": 0.9}), limit=0.5)
    assert [one.overall for one in gated.score(["idiot", "cat"])] == [0.9, 0.0]


def test_noise_of_the_batch_does_not_choose_the_scorer() -> None:
    gate = NoisyScorer(WordScorer({"idiot": 0.5}), 1e-3)
    gated = Gated(gate, WordScorer({"idiot": 0.9}), limit=0.5)
    batch = ["idiot", "cat", "idiot", "day"]
    assert [one.overall for one in gated.score(batch)] == [0.9, 0.0, 0.9, 0.0]


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_a_gate_needs_a_limit_between_0_and_1(limit: float) -> None:
    with pytest.raises(ConfigError, match="gate's limit"):
        Gated(WordScorer(), WordScorer(), limit)
