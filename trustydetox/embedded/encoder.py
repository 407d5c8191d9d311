"""What guide and editor are built on: a Bert encoder and its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel


def new_encoder(config: dict[str, Any]) -> Any:
    """An encoder with fresh weights and without dropout, which training turns on as it needs.

    Bert's architecture, or the one that `model_type` in its config names.
    """
    from transformers import BertConfig, BertModel

    if config.get("model_type", "bert") != "bert":
        return _other_encoder(config)
    settings = BertConfig(
        **{**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    settings._attn_implementation = "sdpa"
    return BertModel(settings, add_pooling_layer=False)


def _other_encoder(config: dict[str, Any]) -> Any:
    from inspect import signature

    from transformers import MODEL_MAPPING, AutoConfig

    calm = {k: 0.0 if "dropout" in k and isinstance(v, float) else v for k, v in config.items()}
    settings = AutoConfig.for_model(str(calm.pop("model_type")), **calm)
    make: Any = MODEL_MAPPING[type(settings)]
    pooling = {"add_pooling_layer"} & signature(make).parameters.keys()
    return make(settings, **dict.fromkeys(pooling, False))


def settings_of(encoder: BertModel) -> dict[str, Any]:
    """The config that makes such an encoder again, without what only this machine knows."""
    left_out = ("transformers_version", "dtype", "_attn_implementation")
    return {k: v for k, v in encoder.config.to_diff_dict().items() if k not in left_out}


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a file, which cuts nothing off and fills nothing up."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
