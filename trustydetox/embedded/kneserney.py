"""Interpolated Kneser-Ney smoothing of n-grams of numbers, after Chen and Goodman (1999)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]
    Values = NDArray[np.float64]

LONGEST = 4
"""Longest n-gram; four numbers of 16 bits are one exact 64-bit key."""

_BITS = 16
_START, _END = 0, 1


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length: counts (of the longest) or numbers of left neighbours."""

    keys: Keys
    counts: Values
    contexts: Keys
    totals: Values
    kinds: Values
    discount: float


@dataclass(frozen=True)
class KneserNey:
    """Log-probability of sequences of numbers below 2^16; 0 begins, 1 ends a sequence.

    levels: of single numbers, of pairs, and so on.
    size: how many numbers can come at all, the end among them.
    """

    levels: tuple[_Level, ...]
    size: int

    @classmethod
    def learn(
        cls, sequences: Iterable[Sequence[int]], size: int, order: int = LONGEST
    ) -> KneserNey:
        """From sequences of numbers in 2..size, without their ends; n-grams up to `order`."""
        import numpy as np

        keys, _ = _keys(sequences, order)
        longest, counts = np.unique(keys, return_counts=True)
        levels = [_level(longest, counts.astype(np.float64))]
        for length in range(order - 1, 0, -1):
            shorter = levels[0].keys & _low(length)
            found, counts = np.unique(shorter, return_counts=True)
            levels.insert(0, _level(found, counts.astype(np.float64)))
        return cls(tuple(levels), size)

    @classmethod
    def of(cls, tensors: Mapping[str, Any], size: int) -> KneserNey:
        """From what `tensors` gave."""
        import numpy as np

        levels: list[_Level] = []
        while (name := str(len(levels) + 1)) in tensors:
            keys = tensors[name].astype(np.uint64)
            counts = tensors[f"{name}.counts"].astype(np.float64)
            levels.append(_level(keys, counts, float(tensors["discounts"][len(levels)])))
        return cls(tuple(levels), size)

    def tensors(self) -> dict[str, Any]:
        """The n-grams as arrays to store."""
        import numpy as np

        stored: dict[str, Any] = {
            "discounts": np.array([level.discount for level in self.levels], np.float32)
        }
        for length, level in enumerate(self.levels, 1):
            stored[str(length)] = level.keys.astype(np.uint32 if length <= 2 else np.uint64)
            # A number has fewer neighbours than that; only the longest n-grams could lose by it.
            stored[f"{length}.counts"] = level.counts.clip(max=2**16 - 1).astype(np.uint16)
        return stored

    def pruned(self, least: int) -> KneserNey:
        """Without the n-grams, single numbers excepted, that count for less than `least`."""
        first, *longer = self.levels
        often = [(level, level.counts >= least) for level in longer]
        kept = [_level(one.keys[rows], one.counts[rows], one.discount) for one, rows in often]
        return KneserNey((first, *kept), self.size)

    def log_probabilities(self, sequences: Sequence[Sequence[int]]) -> list[Values]:
        """Natural logarithms, one for each number of a sequence and one for its end."""
        import numpy as np

        order = len(self.levels)
        keys, lengths = _keys(sequences, order)
        probability = np.full(len(keys), 1.0 / self.size)
        for length, level in enumerate(self.levels, 1):
            key = keys & _low(length) if length < order else keys
            count = _looked_up(level.keys, level.counts, key)
            context = key >> np.uint64(_BITS)
            total = _looked_up(level.contexts, level.totals, context)
            kinds = _looked_up(level.contexts, level.kinds, context)
            rest = level.discount * kinds * probability
            with np.errstate(invalid="ignore", divide="ignore"):
                longer = (np.maximum(count - level.discount, 0.0) + rest) / total
            probability = np.where(total > 0, longer, probability)
        return np.split(np.log(probability), np.cumsum(lengths)[:-1]) if len(lengths) else []


def _low(length: int) -> Any:
    """The bits of a key that hold its last `length` numbers."""
    import numpy as np

    return np.uint64(2 ** (_BITS * length) - 1)


def _keys(sequences: Iterable[Sequence[int]], order: int) -> tuple[Keys, list[int]]:
    """The n-gram that ends at every number of every sequence, the end included; and lengths."""
    import numpy as np

    flat: list[int] = []
    lengths: list[int] = []
    for sequence in sequences:
        flat += (*[_START] * (order - 1), *sequence, _END)
        lengths.append(len(sequence) + 1)
    numbers = np.array(flat, dtype=np.uint64)
    keys = np.zeros(len(numbers), dtype=np.uint64)
    for back in range(order):
        keys[back:] |= numbers[: len(numbers) - back] << np.uint64(_BITS * back)
    return keys[numbers != _START], lengths


def _level(keys: Keys, counts: Values, discount: float | None = None) -> _Level:
    import numpy as np

    contexts, first = np.unique(keys >> np.uint64(_BITS), return_index=True)
    if discount is None:
        once, twice = np.sum(counts == 1), np.sum(counts == 2)
        # The usual estimate; a tiny corpus gives none, and 0 would leave nothing for the unseen.
        discount = float(once / (once + 2 * twice)) if once and twice else 0.75
    return _Level(
        keys,
        counts,
        contexts,
        np.add.reduceat(counts, first),
        np.diff(np.append(first, len(keys))).astype(np.float64),
        discount,
    )


def _looked_up(keys: Keys, values: Values, wanted: Keys) -> Any:
    import numpy as np

    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)
