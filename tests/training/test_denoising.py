from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.pretrained import LINES, bart
from trustydetox.errors import ConfigError, InputError
from trustydetox.steps.diverging import ExpertDivergence
from trustydetox.training.denoising import Denoising, corrupted, train_expert

BLANK = 4


@pytest.mark.parametrize("seed", range(20))
def test_a_third_of_the_pieces_goes_and_touching_spans_are_one_mask(seed: int) -> None:
    ids = [0, *range(10, 30), 2]
    found = corrupted(ids, BLANK, numpy.random.default_rng(seed), 0.3, 3.0)
    assert (found[0], found[-1]) == (0, 2)
    assert len(set(ids) - set(found)) == 6  # 30 % of 20
    assert all((a, b) != (BLANK, BLANK) for a, b in pairwise(found))
    assert [piece for piece in found if piece != BLANK] == [p for p in ids if p in found]


def test_a_text_without_pieces_stays() -> None:
    assert corrupted([0, 2], BLANK, numpy.random.default_rng(0), 0.3, 3.0) == [0, 2]


def test_masks_are_drawn_anew_each_time() -> None:
    numbers = numpy.random.default_rng(0)
    ids = [0, *range(10, 30), 2]
    drawn = {tuple(corrupted(ids, BLANK, numbers, 0.3, 3.0)) for _ in range(10)}
    assert len(drawn) > 5


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"mean": 0.0}, {"steps": 0}])
def test_settings_that_train_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        Denoising("base", **wrong)


TOXIC = [line for line in LINES if "idiot" in line or "stupid" in line]
CLEAN = [line for line in LINES if line not in TOXIC]


def test_no_texts_train_nobody(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got 0 and 1"):
        train_expert([], ["a"], tmp_path, Denoising("base"), print)


@pytest.mark.parametrize("lora", [True, False])
def test_an_expert_learns_and_the_pair_finds_what_one_of_them_knows(
    tmp_path: Path, lora: bool
) -> None:
    base = bart(tmp_path / "base")
    settings = Denoising(base, lora=lora, rate=3e-3, steps=60, every=30, seed=1)
    said: list[str] = []
    for name, lines in (("minus", TOXIC), ("plus", CLEAN)):
        learned = train_expert(lines * 4, lines, tmp_path / name, settings, said.append)
        assert learned.after < 0.8 * learned.before
        assert learned.steps in {30, 60}
    assert any("step 30 of at most 60" in line for line in said)
    step = ExpertDivergence(base, [str(tmp_path / "minus"), str(tmp_path / "plus")])
    (found,) = step.attribute(["you are an idiot"])
    assert max(found.weights) > 1.0
    kept = sorted(path.name for path in (tmp_path / "minus").iterdir())
    assert ("adapter_model.safetensors" in kept) == lora
    assert "checkpoints" not in kept
    assert not any(name.endswith((".bin", ".pt")) for name in kept)
