"""How fluent a text is: a small language model of clean sentences that no rewriter learned from.

Words 1 to 4 at a time with interpolated Kneser-Ney smoothing; a word that the model doesn't know
is spelt out by a second model of the same kind over letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from trustydetox.embedded.kneserney import KneserNey
from trustydetox.evaluation.wording import tokens

_MOST = 2**16 - 4
_UNKNOWN, _FIRST = 2, 3
_RARE = 2


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
