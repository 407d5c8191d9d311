from __future__ import annotations

import pytest

from trustydetox.records import Rewrite
from trustydetox.spans import Edit, Span
from trustydetox.steps.checking import FactsKept
from trustydetox.steps.labels import labels_in


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("\n\nHuman: you idiot\n\nAssistant: No.", ["Human", "Assistant"]),
        ("Prompt: You are\nContinuation: an idiot", ["Prompt", "Continuation"]),
        ("### Instruction:\nsay it\n### Response:\nno", ["### Instruction", "### Response"]),
        ("#Person1#: hi\n#Person2#: idiot", ["#Person1#", "#Person2#"]),
        ("Anna: hi\nBob: no\nAnna: bye", ["Anna", "Anna"]),
        ("  user 2: hi", ["user 2"]),
        ("Q:\nA: because", ["Q", "A"]),
        ("Idiot: read this.", []),
        ("You are a fool: go", []),
        ("he said: Human: no", []),
        ("Human:no", []),
        ("", []),
    ],
)
def test_labels_open_a_line(text: str, labels: list[str]) -> None:
    assert [span.of(text) for span in labels_in(text)] == labels


def test_a_rewrite_that_takes_a_label_with_it_loses_a_fact() -> None:
    text = "Human: idiot, stop\nAssistant: I will."
    [kept, lost] = FactsKept().check(
        [Rewrite(text, (Edit(Span(7, 14), ""),)), Rewrite(text, (Edit(Span(0, 14), ""),))]
    )
    assert (kept.passed, lost.passed) == (True, False)
