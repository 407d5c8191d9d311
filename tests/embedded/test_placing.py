"""Networks elsewhere than on the CPU: what they are given follows them.

The device `meta` computes nothing and stands for a GPU, which few machines have; on one that has
it, the whole suite runs there.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trustydetox import embedded
from trustydetox.embedded.editor import load_editor
from trustydetox.embedded.gaps import load_gaps
from trustydetox.embedded.guide import load_guide
from trustydetox.recipes import parts

ELSEWHERE = torch.device("meta")
IDS = torch.tensor([[101, 2017, 102]])
MASK = torch.ones_like(IDS)


class Encoder:
    """Refuses what isn't where it is."""

    device = ELSEWHERE

    def __call__(self, **given: torch.Tensor) -> Any:
        assert {each.device.type for each in given.values()} == {self.device.type}
        return SimpleNamespace(last_hidden_state=torch.zeros(1, 3, 384, device=self.device))


def test_a_guide_takes_what_it_is_given_to_where_it_is() -> None:
    guide = replace(load_guide(embedded.FOLDER), encoder=Encoder())  # type: ignore[arg-type]
    guide.head.to(ELSEWHERE)
    for found in (guide.probabilities(IDS, MASK), guide.logit(IDS, MASK)):
        assert found.device == ELSEWHERE


def test_an_editor_and_its_gaps_take_what_they_are_given_to_where_they_are() -> None:
    editor = replace(load_editor(embedded.FOLDER), encoder=Encoder())  # type: ignore[arg-type]
    assert editor.hidden(IDS, torch.zeros_like(IDS), MASK).device == ELSEWHERE
    # A fresh head is as wide as the encoder.
    editor.encoder.config = SimpleNamespace(hidden_size=384)  # type: ignore[assignment]
    gaps = load_gaps(embedded.FOLDER / "gaps.safetensors", editor)
    assert {each.device for each in gaps.head.parameters()} == {ELSEWHERE}
    assert gaps.odds([([2017, 2024], 1)]).device == ELSEWHERE


@pytest.mark.parametrize("name", ["guide", "marker", "editor"])
def test_a_recipe_s_networks_are_where_networks_run(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(parts, "accelerator", lambda: ELSEWHERE)
    network = parts.Parts().named(name, "embedded", "here")
    several = [each for part in network.parts().values() for each in part.parameters()]
    assert several
    assert {each.device for each in several} == {ELSEWHERE}
