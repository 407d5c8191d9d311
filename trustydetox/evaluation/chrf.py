"""chrF: how many runs of up to six characters a text shares with a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_ORDER = 6
_BETA2 = 4.0


def chrf(output: str, references: Iterable[str]) -> float:
    """Sentence chrF2 in 0..100, as sacrebleu gives it; against the reference that fits best.

    Rewards copying: an unchanged source scores near a human rewrite. Never a goal.
    """
    return max((_chrf(output, reference) for reference in references), default=float("nan"))


def _chrf(output: str, reference: str) -> float:
    precision = recall = 0.0
    orders = 0
    for size in range(1, _ORDER + 1):
        ours, theirs = _runs(output, size), _runs(reference, size)
        if ours and theirs:
            common = (ours & theirs).total()
            precision += common / ours.total()
            recall += common / theirs.total()
            orders += 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return 100 * (1 + _BETA2) * precision * recall / (_BETA2 * precision + recall)


def _runs(text: str, size: int) -> Counter[str]:
    joined = "".join(text.split())
    return Counter(joined[at : at + size] for at in range(len(joined) - size + 1))
