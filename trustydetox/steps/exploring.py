"""What a model is, read from its configuration and the headers of its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trustydetox.errors import ModelError
from trustydetox.steps.loading import find

_WIDTH = ("d_model", "hidden_size", "n_embd", "dim")
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers")
_HEADS = ("num_attention_heads", "num_heads", "n_head", "n_heads", "encoder_attention_heads")
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
_RELATIVE = frozenset({"t5", "mt5", "umt5"})
_CAUSAL = ("CausalLM", "LMHeadModel")


@dataclass(frozen=True)
class Explored:
    """Facts about a model.

    parameters: numbers stored in its weights; tied ones count once.
    reads: `both ways`, `left to right`, or `both ways, writes left to right`.
    positions: most pieces that it was built for; None where positions are relative.
    fits: what it can be here, from its architecture: scorer, attributor, infiller, rewriter, base.
    memory: megabytes of the weights alone in float32, bfloat16 and 4-bit NF4, the last with its
        embeddings and head in bfloat16, as bitsandbytes leaves them.
    """

    model: str
    architecture: str
    reads: str
    parameters: int
    layers: int | None
    decoder_layers: int | None
    width: int | None
    heads: int | None
    positions: int | None
    vocabulary: int | None
    labels: list[str]
    fits: list[str]
    memory: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)


def explored(model: str, revision: str | None = None) -> Explored:
    """The facts of a model in a folder, or of one of the Hub that is on this machine."""
    folder = find(model, revision)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{model} has no readable config.json: {type(error).__name__}") from error
    shapes = _shapes(folder)
    if not shapes:
        raise ModelError(f"{model} holds no *.safetensors to read the shapes of")
    kind = str(config.get("model_type", "unknown"))
    name = (config.get("architectures") or [kind])[0]
    parameters = sum(_count(shape) for shape in shapes.values())
    # bitsandbytes quantises matrices of linear layers; embeddings, the head and vectors stay.
    kept = sum(_count(shape) for key, shape in shapes.items() if len(shape) != 2 or _is_kept(key))
    is_pair = bool(config.get("is_encoder_decoder") or kind in _RELATIVE or kind == "bart")
    is_causal = not is_pair and name.endswith(_CAUSAL)
    positions = None if kind in _RELATIVE else _first(config, _POSITIONS)
    labels = list((config.get("id2label") or {}).values())
    return Explored(
        model=model,
        architecture=name,
        reads="both ways, writes left to right"
        if is_pair
        else "left to right"
        if is_causal
        else "both ways",
        parameters=parameters,
        layers=_first(config, _LAYERS),
        decoder_layers=_first(config, ("num_decoder_layers", "decoder_layers", *_LAYERS))
        if is_pair
        else None,
        width=_first(config, _WIDTH),
        heads=_first(config, _HEADS),
        positions=positions,
        vocabulary=config.get("vocab_size"),
        labels=[str(label) for label in labels] if "Classification" in name else [],
        fits=_fits(name, kind, is_pair, is_causal),
        memory={
            "fp32": round(parameters * 4 / 1e6),
            "bf16": round(parameters * 2 / 1e6),
            "NF4": round((kept * 2 + (parameters - kept) * 0.5 * 1.016) / 1e6),
        },
    )


def _shapes(folder: Path) -> dict[str, list[int]]:
    from safetensors import safe_open

    shapes: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), framework="numpy") as file:
            shapes |= {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    # A constant of BART's, which nothing trains.
    return {key: shape for key, shape in shapes.items() if key != "final_logits_bias"}


def _is_kept(name: str) -> bool:
    return any(part in name for part in ("embed", "shared", "wte", "wpe", "lm_head", "position"))


def _fits(name: str, kind: str, is_pair: bool, is_causal: bool) -> list[str]:
    if name.endswith("ForSequenceClassification"):
        return ["scorer", "attributor"]
    if name.endswith("ForTokenClassification"):
        return ["scorer", "attributor"]
    if is_pair:
        return ["rewriter (seq2seq)", *(["infiller (experts)"] if kind == "bart" else [])]
    if is_causal:
        return ["base for train sft", "rewriter (chat), once tuned to instructions"]
    fits = ["encoder for train scorer"]
    return ["infiller (masked words)", *fits] if name.endswith("ForMaskedLM") else fits


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((int(config[name]) for name in names if config.get(name) is not None), None)


def _count(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
