"""The facts of a build, the card that shows them and the files in the wheel are of one make."""

from __future__ import annotations

import json
from hashlib import sha256

from trustydetox import embedded
from trustydetox.embedded import WEIGHTS
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
