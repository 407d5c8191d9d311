"""The mini models that come with the package: weights, their card, and how they are loaded.

Everything lies beside this file: guide.safetensors (the scorer; guide.json and tokenizer.json
belong to it), marker.safetensors (the token head and its layers), check.safetensors (the check
scorer), known.words (hashes of toxic word forms), phrases.json.gz (the phrase table),
editor.safetensors (the infiller's network, with editor.json), fluency.safetensors,
gaps.safetensors and ranks.json (which candidate comes first), build.json (what all this was built
from) and MODEL_CARD.md. `trustydetox train embedded` builds them.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

WEIGHTS = (
    "guide.safetensors",
    "guide.json",
    "tokenizer.json",
    "marker.safetensors",
    "check.safetensors",
    "known.words",
    "phrases.json.gz",
    "editor.safetensors",
    "editor.json",
    "fluency.safetensors",
    "gaps.safetensors",
    "ranks.json",
)
"""The files that decide what the embedded recipes do."""
