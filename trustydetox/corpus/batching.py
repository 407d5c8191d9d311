"""Giving texts to the pipeline together, and finding the one that it can't take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from trustydetox.errors import DetoxError, ModelError

PATIENCE = 32
"""So many texts that fail one after the other are the model's fault, not theirs."""

T = TypeVar("T")


def try_all(texts: Sequence[str], work: Callable[[Sequence[str]], Sequence[T]]) -> list[T | str]:
    """One result of `work` per text; where it fails, each text alone, and a reason for those
    that fail again.

    An expected error, and memory running out, is raised as it is; ModelError where the first
    texts all fail alone.
    """
    if not texts:
        return []
    try:
        return list(work(texts))
    except (DetoxError, MemoryError):
        raise
    except Exception as error:
        results: list[T | str] = []
        for text in texts:
            results.append(_alone(text, work))
            if len(results) == PATIENCE and all(isinstance(one, str) for one in results):
                raise ModelError(
                    f"the recipe's models fail on every text ({type(error).__name__})"
                ) from error
        return results


def _alone(text: str, work: Callable[[Sequence[str]], Sequence[T]]) -> T | str:
    try:
        (result,) = work([text])
    except (DetoxError, MemoryError):
        raise
    except Exception as error:
        return f"the models can't take this text ({type(error).__name__})"
    return result
