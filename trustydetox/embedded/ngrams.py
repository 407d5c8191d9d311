"""The check scorer's weights: a linear model over hashed character n-grams."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.embedded.tensors import require_weights

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NgramWeights:
    """One weight per slot; a text's logit is the sum of its slots' weights over the square root
    of their number, plus `bias`, already calibrated.

    lengths: shortest and longest n-gram.
    """

    weights: NDArray[numpy.float32]
    bias: float
    lengths: tuple[int, int]


def save_ngrams(ngrams: NgramWeights, path: Path) -> None:
    """Write the weights in half precision."""
    import numpy
    from safetensors.numpy import save_file

    settings = {"bias": repr(ngrams.bias), "lengths": json.dumps(ngrams.lengths)}
    save_file({"weights": ngrams.weights.astype(numpy.float16)}, path, metadata=settings)


def load_ngrams(path: Path) -> NgramWeights:
    """Read what `save_ngrams` wrote, as float32."""
    import numpy
    from safetensors import safe_open

    require_weights(path, "the check scorer's weights are")
    with safe_open(path, framework="numpy") as file:
        settings = file.metadata()
        weights = file.get_tensor("weights").astype(numpy.float32)
    shortest, longest = json.loads(settings["lengths"])
    return NgramWeights(weights, float(settings["bias"]), (shortest, longest))
