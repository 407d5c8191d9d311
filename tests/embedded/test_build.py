"""The facts of a build, the card that shows them and the files in the wheel are of one make."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files

import pytest

from trustydetox import embedded
from trustydetox.embedded import WEIGHTS
from trustydetox.recipes import load_recipe
from trustydetox.steps.checking import LessToxic
from trustydetox.training.embedded import _sources_table, _weights_table

FACTS = json.loads((embedded.FOLDER / "build.json").read_text("utf-8"))
CARD = (embedded.FOLDER / "MODEL_CARD.md").read_text("utf-8")


def test_the_facts_are_those_of_the_weights() -> None:
    made = {name: (embedded.FOLDER / name).read_bytes() for name in WEIGHTS}
    assert {name: file["sha256"] for name, file in FACTS["weights"].items()} == {
        name: sha256(content).hexdigest() for name, content in made.items()
    }


def test_the_card_shows_the_facts() -> None:
    assert _weights_table(FACTS) in CARD
    assert _sources_table(FACTS) in CARD
    # The control: other facts aren't in it.
    other = {**FACTS, "examples": {role: {} for role in FACTS["examples"]}}
    assert _sources_table(other) not in CARD


@pytest.mark.parametrize("name", ["mini", "mini-ig"])
def test_the_check_refuses_from_where_the_card_says(name: str) -> None:
    limits = [one.limit for one in load_recipe(name).checks if isinstance(one, LessToxic)]
    assert f"The check refuses a rewrite from {limits[0]} on" in CARD
    assert len(limits) == 1


def test_behind_the_same_guide_the_same_check_has_one_limit() -> None:
    # Not built: some of these recipes need models of the Hub.
    recipes = [
        one.read_text("utf-8")
        for one in files("trustydetox.recipes").iterdir()
        if one.name.endswith(".yaml")
    ]
    alike = [one for one in recipes if "guide: embedded" in one and "step: less-toxic" in one]
    assert len(alike) == 7
    assert all("- step: less-toxic\n    limit: 0.7 #" in one for one in alike)
