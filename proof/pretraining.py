"""A small OPT pretrained from nothing on licensed text: the base of the proof, never shipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from math import prod
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import safe_open
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    default_data_collator,
)
from transformers.trainer_utils import get_last_checkpoint

from trustydetox.errors import ConflictError
from trustydetox.steps.loading import has_bfloat16

END = "</s>"


@dataclass(frozen=True, kw_only=True)
class Base:
    """Shape and schedule of the base.

    tokens: how many it is trained on; the texts are gone through again where they have fewer.
    batch: sequences of `length` tokens per step.
    """

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    length: int
    tokens: int
    batch: int
    rate: float
    seed: int


def pretrain(texts: Iterable[str], base: Base, out: Path) -> Path:
    """The folder of the base: made once, and gone on with after an interruption.

    ConflictError where `out` holds a base of another shape, schedule or texts.
    """
    made = out / "base"
    rows = list(texts)
    _require_same(out / "base.json", base, rows)
    if (made / "model.safetensors").exists():
        return made
    tokenizer = _tokenizer(rows, base)
    blocks = Dataset.from_list(list(_blocks(rows, tokenizer, base.length)))
    torch.manual_seed(base.seed)
    model = OPTForCausalLM(_config(tokenizer, base))
    args = TrainingArguments(
        output_dir=str(out / "base-checkpoints"),
        max_steps=base.tokens // (base.batch * base.length),
        per_device_train_batch_size=base.batch,
        learning_rate=base.rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        weight_decay=0.1,
        adam_beta2=0.95,
        seed=base.seed,
        use_cpu=True,
        bf16=has_bfloat16("cpu"),
        logging_steps=50,
        save_steps=100,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, args, train_dataset=blocks, data_collator=default_data_collator)
    last = get_last_checkpoint(args.output_dir) if Path(str(args.output_dir)).is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    # The weights last: who finds them finds a whole folder.
    tokenizer.save_pretrained(made)
    model.save_pretrained(made)
    return made


def _require_same(path: Path, base: Base, texts: list[str]) -> None:
    """Note what the base is made of; who finds another note must not take that base for theirs."""
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    plan = asdict(base) | {"texts": digest}
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != plan:
        raise ConflictError(
            f"{path.parent} holds a base of another protocol or of other texts: name another work "
            "folder, or remove this one"
        )
    path.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def parameters(base: Path) -> int:
    """How many numbers the base's weights hold."""
    with safe_open(base / "model.safetensors", "pt") as weights:
        return sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118


def _tokenizer(texts: list[str], base: Base) -> PreTrainedTokenizerFast:
    """Byte-level pieces, learned from the texts; padding and end as OPT has them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=base.vocabulary,
            special_tokens=["<s>", "<pad>", END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    end = made.token_to_id(END)
    # As OPT's own: every text begins with the end of the one before.
    made.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token=END, eos_token=END
    )


def _blocks(texts: list[str], tokenizer: Any, length: int) -> Iterator[dict[str, list[int]]]:
    """All texts one after another, cut into rows of one length."""
    coded = (
        ids
        for start in range(0, len(texts), 1000)
        for ids in tokenizer(texts[start : start + 1000]).input_ids
    )
    stream = chain.from_iterable(coded)
    while len(block := list(islice(stream, length))) == length:
        yield {"input_ids": block, "labels": block}


def _config(tokenizer: Any, base: Base) -> OPTConfig:
    return OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=base.hidden,
        word_embed_proj_dim=base.hidden,
        ffn_dim=4 * base.hidden,
        num_hidden_layers=base.layers,
        num_attention_heads=base.heads,
        max_position_embeddings=base.length,
        dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
