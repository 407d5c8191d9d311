from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustydetox.steps.sentences import sentences_in


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("You left. Why? ", ["You left. ", "Why? "]),
        ("Version 2.5 is out", ["Version 2.5 is out"]),
        ("A line\n\nand another", ["A line\n\n", "and another"]),
        ("Well… no", ["Well… ", "no"]),
        ("\nfirst", ["\n", "first"]),
        ("", []),
    ],
)
def test_sentences_end_at_signs_and_lines(text: str, sentences: list[str]) -> None:
    assert [span.of(text) for span in sentences_in(text)] == sentences


@given(st.text(alphabet="ab.?! \n…"))
def test_sentences_together_are_the_text(text: str) -> None:
    assert "".join(span.of(text) for span in sentences_in(text)) == text
