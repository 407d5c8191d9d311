"""Products in bfloat16 only where the processor has them: emulated they take 24 times as long."""

from __future__ import annotations

import pytest
import torch

from trustydetox.training import precision
from trustydetox.training.precision import mixed_precision


@pytest.mark.parametrize(("native", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_in_what_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, native: bool, kind: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: native)
    numbers = torch.ones(2, 2)
    with mixed_precision(numbers.device):
        assert (numbers @ numbers).dtype == kind
