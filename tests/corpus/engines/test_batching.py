from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from trustydetox.corpus.engines.batching import PATIENCE, try_all
from trustydetox.errors import ModelError


@dataclass
class Upper:
    """Upper case, but for the texts that are refused; remembers the batches that it was given."""

    refused: frozenset[str] = frozenset()
    error: Exception = field(default_factory=ValueError)
    batches: list[int] = field(default_factory=list)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        self.batches.append(len(texts))
        if self.refused & set(texts):
            raise self.error
        return [text.upper() for text in texts]


def test_the_one_text_that_fails_is_found_by_halves() -> None:
    work = Upper(frozenset("c"))
    assert try_all(list("abcdefgh"), work) == [
        *"AB",
        "the models can't take this text (ValueError)",
        *"DEFGH",
    ]
    assert work.batches == [8, 4, 2, 2, 1, 1, 4]


def test_no_text_is_no_work() -> None:
    work = Upper()
    assert try_all([], work) == []
    assert work.batches == []


@pytest.mark.parametrize("error", [NameError(), ImportError(), ModuleNotFoundError()])
def test_a_fault_of_the_code_is_not_laid_to_a_text(error: Exception) -> None:
    with pytest.raises(type(error)):
        try_all(list("abc"), Upper(frozenset("b"), error))


class OutOfMemoryError(RuntimeError):
    """As PyTorch names it."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
)
def test_want_of_memory_is_told_from_other_failures(error: Exception) -> None:
    assert try_all(["a", "b"], Upper(frozenset("b"), error)) == [
        "A",
        "out of memory on this text, even alone",
    ]


def test_patience_ends_with_the_last_text_of_it() -> None:
    texts = [f"bad {n}" for n in range(PATIENCE - 1)]
    assert len(try_all(texts, Upper(frozenset(texts)))) == PATIENCE - 1
    texts.append("one more")
    with pytest.raises(ModelError):
        try_all(texts, Upper(frozenset(texts)))


def test_one_text_that_can_be_done_shows_that_the_model_works() -> None:
    bad = [f"bad {n}" for n in range(2 * PATIENCE)]
    results = try_all(["good", *bad], Upper(frozenset(bad)))
    assert results[0] == "GOOD"
    assert len(results) == 1 + len(bad)
