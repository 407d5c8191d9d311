"""Giving texts to the pipeline together, and finding the one that it can't take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from trustydetox.errors import DetoxError, ModelError, ResourceError

PATIENCE = 32
"""So many texts that fail one after the other are the model's fault, not theirs."""

T = TypeVar("T")


def try_all(texts: Sequence[str], work: Callable[[Sequence[str]], Sequence[T]]) -> list[T | str]:
    """One result of `work` per text; where it fails, its halves, down to each text that fails
    alone, which gets a reason.

    An expected error is raised as it is, and so is one that no text brings about. Where the first
    texts all fail alone, that is a ResourceError if memory ran out, else a ModelError.
    """
    return _Trial(work).results(texts) if texts else []


class _Trial(Generic[T]):
    def __init__(self, work: Callable[[Sequence[str]], Sequence[T]]) -> None:
        self._work = work
        self._failures = 0
        self._succeeded = False

    def results(self, texts: Sequence[str]) -> list[T | str]:
        try:
            results: list[T | str] = list(self._work(texts))
        except (DetoxError, NameError, ImportError):
            # The last two are a step's own fault, whatever the text.
            raise
        except Exception as error:
            if len(texts) == 1:
                return [self._reason(error)]
        else:
            self._succeeded = True
            return results
        # Out of the `except`, whose traceback held on to the memory of the whole batch.
        middle = len(texts) // 2
        return self.results(texts[:middle]) + self.results(texts[middle:])

    def _reason(self, error: Exception) -> str:
        self._failures += 1
        if self._failures == PATIENCE and not self._succeeded:
            if _is_lack_of_memory(error):
                raise ResourceError("out of memory on every text, even alone") from error
            raise ModelError(
                f"the recipe's models fail on every text ({type(error).__name__})"
            ) from error
        if _is_lack_of_memory(error):
            return "out of memory on this text, even alone"
        return f"the models can't take this text ({type(error).__name__})"


def _is_lack_of_memory(error: Exception) -> bool:
    # PyTorch has a type of its own for a GPU's memory, and none for that of the machine.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
