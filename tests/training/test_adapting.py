from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.networks import tiny_editor
from trustydetox.embedded.editor import Editor
from trustydetox.training.adapting import Schedule, adapt, pace

TEXTS = ["it was a very nice day and you are a good cat", "they are the people and we are bad"] * 60
SCHEDULE = Schedule(passes=12, rate=3e-3, tokens=256)


def trainable() -> Editor:
    editor = tiny_editor()
    for part in editor.parts().values():
        part.requires_grad_(True)
    return editor


def losses(lines: list[str]) -> list[float]:
    return [float(line.split("loss ")[1].split()[0]) for line in lines]


def test_the_rate_rises_over_the_warm_up_and_falls_to_the_end() -> None:
    rates = [pace(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(0.93)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.03)


def test_what_is_held_back_is_filled_in_better_with_each_pass(tmp_path: Path) -> None:
    lines: list[str] = []
    adapt(trainable(), TEXTS, SCHEDULE, tmp_path / "checkpoint", lines.append)
    found = losses(lines)
    assert len(found) == 12
    assert found[-1] < 0.7 * found[0]


def test_words_are_masked_and_some_of_them_in_twos(tmp_path: Path) -> None:
    editor = trainable()
    blank = editor.tokenizer.token_to_id("[MASK]")
    rows: list[list[bool]] = []

    def look(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
        sizes = named["attention_mask"].sum(1).tolist()
        for ids, size in zip(named["input_ids"].tolist(), sizes, strict=True):
            rows.append([piece == blank for piece in ids[1 : size - 1]])

    editor.encoder.register_forward_pre_hook(look, with_kwargs=True)
    adapt(editor, TEXTS, replace(SCHEDULE, passes=20), tmp_path / "checkpoint", lambda line: None)
    flags = [flag for row in rows for flag in row]
    share = sum(flags) / len(flags)
    assert share == pytest.approx(0.2, abs=0.03)
    pairs = [one and other for row in rows for one, other in pairwise(row)]
    # Masked one by one, two beside each other would be as rare as share * share.
    assert sum(pairs) / len(pairs) > 1.4 * share * share


def test_a_killed_adaptation_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def kill(line: str) -> None:
        if "pass 6 " in line:
            raise KeyboardInterrupt

    whole, broken, other = trainable(), trainable(), trainable()
    adapt(whole, TEXTS, SCHEDULE, tmp_path / "one", lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        adapt(broken, TEXTS, SCHEDULE, tmp_path / "two", kill)
    resumed = trainable()
    said: list[str] = []
    adapt(resumed, TEXTS, SCHEDULE, tmp_path / "two", said.append)
    adapt(other, TEXTS, replace(SCHEDULE, seed=8), tmp_path / "c", print)
    assert [line.split(",")[0] for line in said] == [f"adapt: pass {n} of 12" for n in range(7, 13)]
    weights, again, else_ = (
        torch.cat([value.flatten() for value in each.encoder.state_dict().values()])
        for each in (whole, resumed, other)
    )
    assert torch.equal(weights, again)
    assert not torch.allclose(weights, else_, atol=1e-3)
