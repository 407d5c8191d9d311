"""How fluent a text is: a small language model of clean sentences that no rewriter learned from.

Words 1 to 4 at a time with interpolated Kneser-Ney smoothing; a word that the model doesn't know
is spelt out by a second model of the same kind over letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from trustydetox.evaluation.wording import tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]
    Values = NDArray[np.float64]

ORDER = 4
"""Longest n-gram; four numbers of 16 bits are one exact 64-bit key."""

_BITS = 16
_MOST = 2**_BITS - 4
_START, _END, _UNKNOWN, _FIRST = 0, 1, 2, 3
_RARE = 2


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

    size: how many numbers can come at all, the end among them.
    """

    levels: tuple[_Level, ...]
    size: int

    @classmethod
    def learn(cls, sequences: Iterable[Sequence[int]], size: int) -> KneserNey:
        """From sequences of numbers in 2..size, without their ends."""
        import numpy as np

        keys, _ = _keys(sequences)
        longest, counts = np.unique(keys, return_counts=True)
        levels = [_level(longest, counts.astype(np.float64))]
        for length in range(ORDER - 1, 0, -1):
            shorter = levels[0].keys & np.uint64(2 ** (_BITS * length) - 1)
            found, counts = np.unique(shorter, return_counts=True)
            levels.insert(0, _level(found, counts.astype(np.float64)))
        return cls(tuple(levels), size)

    def log_probabilities(self, sequences: Sequence[Sequence[int]]) -> list[Values]:
        """Natural logarithms, one for each number of a sequence and one for its end."""
        import numpy as np

        keys, lengths = _keys(sequences)
        probability = np.full(len(keys), 1.0 / self.size)
        for length, level in enumerate(self.levels, 1):
            key = keys & np.uint64(2 ** (_BITS * length) - 1) if length < ORDER else keys
            count = _looked_up(level.keys, level.counts, key)
            context = key >> np.uint64(_BITS)
            total = _looked_up(level.contexts, level.totals, context)
            kinds = _looked_up(level.contexts, level.kinds, context)
            rest = level.discount * kinds * probability
            with np.errstate(invalid="ignore", divide="ignore"):
                longer = (np.maximum(count - level.discount, 0.0) + rest) / total
            probability = np.where(total > 0, longer, probability)
        return np.split(np.log(probability), np.cumsum(lengths)[:-1]) if len(lengths) else []


@dataclass(frozen=True)
class FluencyFacts:
    """What a fluency model learned from; `digest` is of its texts."""

    digest: str
    texts: int
    tokens: int
    vocabulary: int


@dataclass(frozen=True)
class FluencyModel:
    """Mean log-probability per token; case and spacing don't count, every number is the same."""

    facts: FluencyFacts
    words: dict[str, int]
    letters: dict[str, int]
    sentences: KneserNey
    spelling: KneserNey

    @classmethod
    def learn(cls, texts: Iterable[str]) -> FluencyModel:
        """From one sentence or line per text; a million words take some seconds."""
        split = sorted(filter(None, map(_plain, texts)))
        if not split:
            raise ValueError("expected texts with words to learn fluency from, got none")
        seen = Counter(word for sentence in split for word in sentence)
        common = [word for word, count in seen.most_common(_MOST) if count >= _RARE]
        # Letters of rare words: what an unknown word looks like. A tiny corpus may have none.
        rare = sorted(set(seen) - set(common)) or sorted(seen)
        letters = [letter for letter, _ in Counter("".join(rare)).most_common(_MOST)]
        words = {word: number for number, word in enumerate(common, _FIRST)}
        signs = {letter: number for number, letter in enumerate(letters, _FIRST)}
        digest = blake2b("\n".join(map(" ".join, split)).encode(), digest_size=6).hexdigest()
        return cls(
            FluencyFacts(digest, len(split), seen.total(), len(words)),
            words,
            signs,
            KneserNey.learn((_numbers(words, one) for one in split), len(words) + _UNKNOWN),
            KneserNey.learn((_numbers(signs, word) for word in rare), len(signs) + _UNKNOWN),
        )

    def score(self, texts: Sequence[str]) -> list[float]:
        """Mean natural log-probability of the tokens and the end; NaN for a text without any."""
        split = [_plain(text) for text in texts]
        unknown = sorted({word for one in split for word in one} - self.words.keys())
        spelt = self.spelling.log_probabilities([_numbers(self.letters, w) for w in unknown])
        spelling = {word: float(each.sum()) for word, each in zip(unknown, spelt, strict=True)}
        found = self.sentences.log_probabilities([_numbers(self.words, one) for one in split])
        return [
            (float(each.sum()) + sum(spelling.get(word, 0.0) for word in one)) / (len(one) + 1)
            if one
            else float("nan")
            for one, each in zip(split, found, strict=True)
        ]


def _plain(text: str) -> list[str]:
    return ["0" if token.isdigit() else token for token in tokens(text)]


def _numbers(known: dict[str, int], parts: Iterable[str]) -> list[int]:
    return [known.get(part, _UNKNOWN) for part in parts]


def _keys(sequences: Iterable[Sequence[int]]) -> tuple[Keys, list[int]]:
    """The n-gram that ends at every number of every sequence, the end included; and lengths."""
    import numpy as np

    flat: list[int] = []
    lengths: list[int] = []
    for sequence in sequences:
        flat += (*[_START] * (ORDER - 1), *sequence, _END)
        lengths.append(len(sequence) + 1)
    numbers = np.array(flat, dtype=np.uint64)
    keys = np.zeros(len(numbers), dtype=np.uint64)
    for back in range(ORDER):
        keys[back:] |= numbers[: len(numbers) - back] << np.uint64(_BITS * back)
    return keys[numbers != _START], lengths


def _level(keys: Keys, counts: Values) -> _Level:
    import numpy as np

    contexts, first = np.unique(keys >> np.uint64(_BITS), return_index=True)
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
