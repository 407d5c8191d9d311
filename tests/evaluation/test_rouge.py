from __future__ import annotations

import pytest

from trustydetox.evaluation.rouge import rouge


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [
        # 3 of 4 and 3 of 3 words; 1 pair of 3 and of 2; "the cat .. sat" in order
        ("The cat, it sat.", "the cat sat", (6 / 7, 2 / 5, 6 / 7)),
        ("sat cat the", "the cat sat", (1.0, 0.0, 1 / 3)),
        ("a dog", "the cat", (0.0, 0.0, 0.0)),
        ("", "the cat", (0.0, 0.0, 0.0)),
    ],
)
def test_rouge_worked_out_by_hand(
    output: str, reference: str, expected: tuple[float, float, float]
) -> None:
    assert rouge(output, [reference]) == pytest.approx(expected)


def test_the_reference_that_fits_best_counts() -> None:
    assert rouge("the cat", ["a dog", "the cat"]) == (1.0, 1.0, 1.0)
