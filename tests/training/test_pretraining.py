"""The base of the proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proof.pretraining import Base, parameters, pretrain
from trustydetox.errors import ConflictError

TEXTS = ["The second answer fixed my build.", "It is on page two of the manual."] * 8
TINY = Base(
    vocabulary=300, hidden=16, layers=1, heads=2, length=16, tokens=64, batch=2, rate=0.01, seed=0
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_base_is_made_once_and_never_taken_for_another_protocol_s(tmp_path: Path) -> None:
    made = pretrain(TEXTS, TINY, tmp_path)
    weights = made / "model.safetensors"
    before, size = weights.stat().st_mtime_ns, parameters(made)
    assert pretrain(iter(TEXTS), TINY, tmp_path) == made
    for texts, base in ((TEXTS, replace(TINY, hidden=32)), (TEXTS[:-1], TINY)):
        with pytest.raises(ConflictError, match="another protocol or of other texts"):
            pretrain(texts, base, tmp_path)
    assert (weights.stat().st_mtime_ns, parameters(made)) == (before, size)
