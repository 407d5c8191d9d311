from __future__ import annotations

import pytest

from tests.fakes import WordScorer
from trustydetox.evaluation.restatements import measure_restatements, restatement_tables
from trustydetox.steps.restating import fault_of

SOURCES = ["you are an idiot and a fool", "what a stupid idea this was"]
REFERENCES = [
    ["you are wrong", "you are not right"],
    ["what a bad idea this was", "this was no good idea"],
]
JUDGES = {"one": WordScorer(), "other": WordScorer({"idiot": 0.7, "stupid": 0.7})}
PROMPT = "Make the following sentence non-toxic: '{}'"
HACKS = {
    "empty": ["", " ... "],
    "one word": ["fine", "good"],
    "echo": [PROMPT.replace("{}", ""), "Make the following sentence non-toxic, please"],
}


def test_outputs_that_are_no_rewrite_score_zero_and_people_score_high() -> None:
    results = measure_restatements(
        SOURCES, REFERENCES, HACKS, JUDGES, lambda source, out: fault_of(source, out, PROMPT)
    )
    joint = {one.system: one.joint.value for one in results}
    assert {name: joint[name] for name in (*HACKS, "copy")} == dict.fromkeys((*HACKS, "copy"), 0.0)
    assert joint["human"] > 0.3
    faults = {one.system: one.faults for one in results}
    assert faults == {
        **{name: {name: 2} for name in (*HACKS, "copy")},
        "human": {},
    }
    # The control: mildness alone can't tell a hack from a person.
    assert all(one.clean[0].value == 1.0 for one in results if one.system != "copy")


def test_a_table_has_a_row_per_system() -> None:
    results = measure_restatements(
        SOURCES, REFERENCES, {}, JUDGES, lambda source, out: fault_of(source, out)
    )
    (table,) = restatement_tables(results, JUDGES)
    assert [row[0] for row in table.rows] == ["copy", "human"]
    assert table.rows[0][-1] == "2 copy"


@pytest.mark.parametrize(
    ("source", "output", "fault"),
    [
        ("you idiot", "you fool", ""),
        ("you idiot", "You, IDIOT!", "copy"),
        ("you idiot", "hello", ""),  # a short text may become a word
        ("you are an idiot", "hello", "one word"),
        ("an idea of mine", "so bad so bad so bad so bad so bad so bad", "loop"),
        ("no no no no no no no no", "no no no no no no no", ""),
        ("make the sentence better, idiot", "make the sentence better", ""),
    ],
)
def test_faults(source: str, output: str, fault: str) -> None:
    assert fault_of(source, output) == fault
