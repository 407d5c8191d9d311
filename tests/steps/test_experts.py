from __future__ import annotations

from random import Random
from typing import Any, cast

import pytest

from trustydetox.steps.experts import FEWEST, SHORTEST, Experts, Row, batch_tokens

EXPERTS = Experts(cast("Any", None), 512, 4, 1, (0, 1, 2), (), ("base", None))


def rows(lengths: list[int]) -> list[Row]:
    return [Row(tuple(range(length)), 0) for length in lengths]


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [5],
        [Random(1).randint(3, 500) for _ in range(400)],  # several borders of both kinds
        [40] * FEWEST + [39, 8],
        [2 * batch_tokens(), 3],  # longer than a batch may be
    ],
)
def test_every_row_is_in_one_batch_of_bounded_size(lengths: list[int]) -> None:
    batches = list(EXPERTS.batches(rows(lengths)))
    assert sorted(at for batch in batches for at in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[at] for at in batch]
        assert len(batch) == 1 or max(sizes) * len(sizes) <= batch_tokens()


def test_a_batch_that_is_full_enough_holds_no_much_shorter_row() -> None:
    alike, short = round(SHORTEST * 40), round(SHORTEST * 40) - 1
    assert [len(each) for each in EXPERTS.batches(rows([40] * FEWEST + [alike, short]))] == [
        FEWEST + 1,
        1,
    ]
    # Below that, few rows are read together whatever their lengths.
    assert len(list(EXPERTS.batches(rows([40] * (FEWEST - 1) + [short])))) == 1
