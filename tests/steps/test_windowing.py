from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import tiny_tokenizer
from trustydetox.errors import ResourceError
from trustydetox.steps.viewing import View
from trustydetox.steps.windowing import (
    WINDOW,
    Window,
    batches_of,
    in_pieces,
    tensors_of,
    windows_of,
    words_of,
)

TOKENIZER = tiny_tokenizer()


def words(count: int) -> str:
    return " ".join(["cat"] * count)


@pytest.mark.parametrize(
    ("count", "windows"),
    [
        (0, 1),  # the two special tokens alone
        (126, 1),  # exactly one window
        (127, 2),
        (220, 2),  # 126 + (126 - 32): exactly two
        (221, 3),
    ],
)
def test_a_long_text_has_as_many_windows_as_it_needs(count: int, windows: int) -> None:
    found = windows_of(TOKENIZER, [words(count)])
    assert len(found) == windows
    assert all(len(window.ids) <= WINDOW for window in found)


@given(st.integers(0, 700))
def test_no_token_of_a_long_text_is_lost(count: int) -> None:
    found = windows_of(TOKENIZER, [words(count)])
    covered = {offset for window in found for offset in window.offsets if offset != (0, 0)}
    assert covered == {(4 * i, 4 * i + 3) for i in range(count)}
    assert all(len(window.ids) == len(window.offsets) for window in found)


def test_neighbouring_windows_share_the_overlap() -> None:
    first, second = windows_of(TOKENIZER, [words(150)])
    assert len(set(first.offsets) & set(second.offsets) - {(0, 0)}) == 32


def test_windows_know_their_text() -> None:
    found = windows_of(TOKENIZER, ["a cat", words(130), "you"])
    assert [window.text for window in found] == [0, 1, 1, 2]


@given(st.lists(st.integers(1, 60), max_size=60))
def test_batches_hold_every_window_once_within_the_budget(sizes: list[int]) -> None:
    windows = [Window(i, [7] * size, [(0, 1)] * size) for i, size in enumerate(sizes)]
    batches = list(batches_of(windows, tokens=128))
    assert sorted(w.text for batch in batches for w in batch) == list(range(len(sizes)))
    assert all(len(batch) * len(batch[0].ids) <= 128 for batch in batches)


def test_sorted_windows_are_hardly_padded() -> None:
    windows = [Window(i, [7] * (5 + i % 40), [(0, 1)] * (5 + i % 40)) for i in range(2000)]
    padded = sum(tensors_of(batch)[0].numel() for batch in batches_of(windows))
    assert sum(len(window.ids) for window in windows) / padded >= 0.97


def test_padding_is_outside_the_mask() -> None:
    ids, mask = tensors_of([Window(0, [2, 9, 3], []), Window(1, [2, 3], [])])
    assert ids.tolist() == [[2, 9, 3], [2, 3, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You're an idiot!", ["You're", "an", "idiot"]),
        ("st*pid, sh!t and d**n", ["st*pid", "sh", "t", "and", "d**n"]),
        ("**bold** [MASK] a/b", ["bold", "MASK", "a", "b"]),
        ("naïve 日本 x2", ["naïve", "日本", "x2"]),
        ("... !!", []),
    ],
)
def test_words_have_no_outer_punctuation(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(View.of(text))] == found


class Memory:
    """Room for batches of up to three."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def doubled(self, batch: object) -> list[int]:
        numbers = list(batch)  # type: ignore[call-overload]
        self.sizes.append(len(numbers))
        if len(numbers) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * number for number in numbers]


def test_a_batch_that_memory_is_too_small_for_is_halved_until_it_fits() -> None:
    memory = Memory()
    assert in_pieces(memory.doubled, range(10)) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert memory.sizes == [10, 5, 2, 3, 5, 2, 3]


def test_one_text_that_memory_is_too_small_for_is_an_error() -> None:
    def full(batch: object) -> list[int]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(ResourceError):
        in_pieces(full, [1, 2])


def test_another_error_is_not_taken_for_lack_of_memory() -> None:
    def wrong(batch: object) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_pieces(wrong, [1, 2])
