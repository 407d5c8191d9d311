"""What would make a fine-tuning run fail late or learn nothing, found before a weight is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.steps.loading import has_bfloat16

if TYPE_CHECKING:
    from trl import SFTConfig

_CHATS = ("messages", "conversations")
EVERYTHING = "all-linear"
"""A LoRA target that stands for all layers but the head."""

# What a LoRA configuration holds, and the setting that puts it there.
_UNMERGED = {
    "use_dora": "use_dora",
    "modules_to_save": "lora_modules_to_save",
    "target_parameters": "lora_target_parameters",
    "trainable_token_indices": "chat_template_path of a model with other tokens",
    "rank_pattern": "rank_pattern",
    "alpha_pattern": "alpha_pattern",
}


def check_rows(rows: Any, args: SFTConfig, tokenizer: Any) -> None:
    """Refuse rows that this trainer can't read or learn from; InputError says why."""
    first = next(iter(rows), None)
    if first is None:
        raise InputError("there are no rows to train on: none came, or cleaning dropped them all")
    columns = set(first)
    is_chat = any(name in columns for name in _CHATS) or isinstance(first.get("prompt"), list)
    if not is_chat and not ({"input_ids", args.dataset_text_field} & columns):
        if "completion" not in columns:
            raise InputError(
                f"the rows have no column {args.dataset_text_field!r}: name the text's column "
                f"(dataset_text_field){did_you_mean(args.dataset_text_field, columns)}"
            )
        if "prompt" not in columns:
            raise InputError("the rows have completions but no column 'prompt'")
    if is_chat and not (tokenizer.chat_template or args.chat_template_path):
        raise ConfigError(
            "the rows are conversations, and the tokenizer has no chat template: name one "
            "(chat_template_path), or train on plain text or on prompts and completions"
        )


def check_model(config: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer whose numbers the base has no embedding for."""
    size = getattr(config.get_text_config(), "vocab_size", None)
    if size is not None and len(tokenizer) > size:
        raise ConfigError(
            f"base and tokenizer don't match: the tokenizer has {len(tokenizer)} tokens, "
            f"the base embeds {size}"
        )


def check_targets(targets: str | Iterable[str] | None, layers: Sequence[str]) -> None:
    """Refuse a LoRA target that matches no layer: peft only complains where none of them does.

    layers: the paths of the base's linear layers. A str is a pattern for the whole path, else each
    is the end of one, as in peft.
    """
    if targets is None or targets == EVERYTHING:
        return
    there = ", ".join(sorted({layer.rpartition(".")[2] for layer in layers}))
    if isinstance(targets, str):
        if not any(re.fullmatch(targets, layer) for layer in layers):
            raise ConfigError(
                f"LoRA target {targets!r}, a pattern for a layer's whole path, matches none; to "
                f"name layers by their ends, give a list; the base has: {there}"
            )
        return
    for target in sorted(targets):
        if not any(layer == target or layer.endswith(f".{target}") for layer in layers):
            raise ConfigError(f"LoRA target {target!r} matches no layer; the base has: {there}")


def check_merge(lora: Any) -> None:
    """Refuse an adapter that `merge_adapter` can't merge.

    lora: a LoraConfig, or None where all weights are trained.
    """
    found = [setting for name, setting in _UNMERGED.items() if getattr(lora, name, None)]
    if found:
        raise ConfigError(
            f"an adapter with {', '.join(found)} can't be merged into its base here: leave that "
            "out, or keep the adapter alone (--no-merge)"
        )


def check_tokens(lora: Any, config: Any) -> None:
    """Refuse to train single tokens where the head is the embedding: TRL's loss can't read it then.

    lora: as the trainer has left it, which adds the tokens that a chat template brings; or None.
    """
    is_tied = getattr(config, "tie_word_embeddings", False)
    if is_tied and getattr(lora, "trainable_token_indices", None):
        raise ConfigError(
            f"an adapter with {_UNMERGED['trainable_token_indices']} can't be trained on a base "
            "whose head is its embedding: name the template alone (a .jinja file), another base, "
            "or train all weights (use_peft and load_in_4bit false)"
        )


def check_precision(args: SFTConfig) -> None:
    """Refuse bf16 on a CPU that only emulates it."""
    import torch

    on_cpu = args.use_cpu or not torch.cuda.is_available()
    if args.bf16 and on_cpu and not has_bfloat16("cpu"):
        raise ConfigError(
            "bf16 on a CPU without bfloat16 instructions is slower than float32 and less exact: "
            "set bf16 to false"
        )


def check_prepared(prepared: Any, rows: Any, args: SFTConfig, config: Any) -> None:
    """Refuse rows of which truncation left no token to learn from, or more than the base can read.

    Of a stream neither is known before it is read.
    """
    if not hasattr(prepared, "__len__"):
        return
    if len(prepared) == 0 and next(iter(rows), None) is not None:
        raise ConfigError(
            f"no row has a token left to learn from after truncation to {args.max_length} tokens: "
            "raise max_length, or set truncation_mode to keep_end"
        )
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    # Rotary positions go on. Learned ones end: in mid-training, on a GPU with another's error.
    if positions and getattr(text, "rope_parameters", None) is None:
        longest = _longest(prepared)
        if longest > positions:
            raise ConfigError(
                f"the base reads at most {positions} tokens, and the longest row has {longest}: "
                f"set max_length to {positions} or less"
            )


def _longest(prepared: Any) -> int:
    """Most tokens of a row; 0 where the rows aren't tokens yet, as those of a collator's own."""
    import pyarrow.compute

    if "input_ids" not in prepared.column_names:
        return 0
    columns = (part["input_ids"] for part in prepared.with_format("arrow").iter(10_000))
    sizes = (pyarrow.compute.max(pyarrow.compute.list_value_length(one)) for one in columns)
    return max((size.as_py() or 0 for size in sizes), default=0)
