from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import tiny_editor, tiny_gaps
from trustydetox.embedded.gaps import load_gaps, save_gaps
from trustydetox.errors import ModelError


def test_there_is_a_number_per_place() -> None:
    gaps = tiny_gaps()
    assert gaps.read([], []) == []
    assert list(map(len, gaps.read(["you are", "", "\ud800 idiot"], [[0, 3, 7], [0], []]))) == [
        3,
        1,
        0,
    ]


def test_a_place_is_read_within_its_sentence() -> None:
    gaps = tiny_gaps()
    alone, second, other, moved = (
        gaps.read([text], [[place]])[0][0]
        for text, place in [
            ("you are nice.", 7),
            ("What day? you are nice.", 17),
            ("you are bad.", 7),
            ("you are nice.", 3),
        ]
    )
    assert second == pytest.approx(alone, abs=1e-5)
    assert abs(other - alone) > 1e-4
    assert abs(moved - alone) > 1e-4


def test_white_space_around_a_place_counts_for_nothing() -> None:
    [[before, after]] = tiny_gaps().read(["you are nice"], [[7, 8]])
    assert before == after


def test_one_batch_or_many_read_the_same() -> None:
    gaps = tiny_gaps()
    texts, places = ["you are nice", "what a very good day"], [[3, 7], [4]]
    together = gaps.read(texts, places)
    apart = [gaps.read([text], [each])[0] for text, each in zip(texts, places, strict=True)]
    for one, other in zip(together, apart, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_what_is_saved_reads_nearly_as_before(tmp_path: Path) -> None:
    gaps = tiny_gaps()
    save_gaps(gaps, tmp_path / "gaps.safetensors")
    loaded = load_gaps(tmp_path / "gaps.safetensors", tiny_editor())
    (before,), (after,), (fresh,) = (
        each.read(["you are nice"], [[3, 7]]) for each in (gaps, loaded, tiny_gaps(seed=1))
    )
    assert after == pytest.approx(before, abs=0.02)
    assert fresh != pytest.approx(before, abs=0.02)


def test_missing_weights_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train embedded"):
        load_gaps(tmp_path / "gaps.safetensors", tiny_editor())
