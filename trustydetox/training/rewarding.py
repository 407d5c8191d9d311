"""What reinforcement learning is rewarded for: not toxic, on the matter, and of sound length.

A reward for mildness alone is won by the shortest answer or by an echo; the other terms are there
so that neither pays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trustydetox.errors import InputError
from trustydetox.roles import Scorer
from trustydetox.steps.ranking import Language
from trustydetox.steps.restating import fault_of

_SURE = 6.0
_LONG = 4  # letters from which a word counts as content


@dataclass(frozen=True)
class Reward:
    """Rewards of completions, about -2 to 2.

    scorer: log-odds of not toxic, cut at 6 and divided by it: in [-1, 1], weight 1.
    content: weight of the share of the source's longer words that the completion keeps, or of its
        own that the source holds, whichever is less.
    fluency: weight of the mean log-probability of its pieces, over 10; none without `language`.
    fault: taken off for what is no answer (see `fault_of`) or has fewer than `shortest` words.
    prompt: the instruction around the source, which must not come back.
    """

    scorer: Scorer
    prompt: str = "{}"
    content: float = 1.0
    fluency: float = 0.5
    fault: float = 2.0
    shortest: int = 3
    language: Language | None = None

    def of(self, sources: Sequence[str], completions: Sequence[str]) -> list[float]:
        """One reward per completion; raises InputError where one is no number."""
        mild = [
            -_log_odds(score.overall) / _SURE if text.strip() else 0.0
            for text, score in zip(completions, self.scorer.score(completions), strict=True)
        ]
        fluent = [0.0] * len(completions)
        if self.language is not None:
            read = self.language.read(completions)
            fluent = [max(sum(logs) / len(logs), -10.0) / 10 for _, logs in read]
        rewards = [
            m
            + self.content * kept(source, text)
            + self.fluency * f
            - self.fault * self._is_faulty(source, text)
            for source, text, m, f in zip(sources, completions, mild, fluent, strict=True)
        ]
        if not all(map(math.isfinite, rewards)):
            raise InputError("a reward is no number: look at the scorer")
        return rewards

    def _is_faulty(self, source: str, text: str) -> bool:
        return len(text.split()) < self.shortest or bool(fault_of(source, text, self.prompt))


def kept(source: str, text: str) -> float:
    """The lesser of two shares: of the source's longer words in the text, and the other way."""
    ours, theirs = (
        Counter(word for word in one.casefold().split() if len(word) >= _LONG)
        for one in (text, source)
    )
    common = (ours & theirs).total()
    return min(common / max(1, theirs.total()) * 3, common / max(1, ours.total()), 1.0)


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(p / (1 - p)), -_SURE), _SURE)
