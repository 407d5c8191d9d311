"""Training of what tells where a word is missing: sentences from which one was cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from trustydetox.embedded.gaps import Gaps
from trustydetox.steps.editing import Reader, words_in

if TYPE_CHECKING:
    from torch import Tensor

_CUT = 0.6
"""Share of the sentences that lose a word or two."""

_SHORTEST, _LONGEST = 4, 25
"""Words of a sentence to learn from."""

_AT_ONCE = 256


def gap_examples(
    reader: Reader, lines: Sequence[str], seed: int = 0
) -> Iterator[tuple[list[int], int, bool]]:
    """Pieces of a sentence, how many come before a place, and whether something was cut out there.

    Three places of a sentence at most; which words go is drawn by `seed`.
    """
    rng = random.Random(seed)
    for line in lines:
        words = [span.of(line) for span in words_in(line)]
        real = [at for at, word in enumerate(words) if word[0].isalpha()]
        if not _SHORTEST <= len(words) <= _LONGEST or not real:
            continue
        cut = rng.choice(real) if rng.random() < _CUT else None
        if cut is not None:
            del words[cut : cut + rng.choice((1, 1, 1, 2))]
        pieces = reader.pieces(words)
        flat = [piece for each in pieces for piece in each]
        others = [at for at in range(len(words) + 1) if at != cut]
        for at in [*([cut] if cut is not None else []), *rng.sample(others, min(2, len(others)))]:
            yield flat, sum(map(len, pieces[:at])), at == cut


def train_gaps(
    gaps: Gaps,
    examples: Sequence[tuple[list[int], int, bool]],
    report: Callable[[str], None],
    *,
    passes: int = 3,
    seed: int = 0,
) -> None:
    """Train the head in place; the layers below it stay as they are. A tenth is held back."""
    import torch
    from sklearn.metrics import roc_auc_score
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.manual_seed(seed)
    features = _features(gaps, examples)
    wanted = torch.tensor([float(is_gap) for _, _, is_gap in examples])
    held = len(examples) // 10
    optimizer = torch.optim.AdamW(gaps.head.parameters(), lr=1e-3, weight_decay=0.01)
    for turn in range(passes):
        for rows in (torch.randperm(len(examples) - held) + held).split(_AT_ONCE):
            loss = binary_cross_entropy_with_logits(
                gaps.head(features[rows].float())[:, 0], wanted[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if held:
            with torch.no_grad():
                odds = gaps.head(features[:held].float())[:, 0]
            area = roc_auc_score(wanted[:held], odds)
            report(f"gaps: pass {turn + 1} of {passes}, AUC {area:.4f} on {held} held back")


def _features(gaps: Gaps, examples: Sequence[tuple[list[int], int, bool]]) -> Tensor:
    """What the head reads of each example, as float16; in the order of `examples`."""
    import torch

    order = sorted(range(len(examples)), key=lambda at: len(examples[at][0]))
    width = gaps.encoder.config.hidden_size
    found = torch.empty(len(examples), 2 * width, dtype=torch.float16)
    with torch.inference_mode():
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            found[rows] = gaps.features([examples[at][:2] for at in rows]).half()
    return found
