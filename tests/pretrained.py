"""Tiny models of the true architectures in a folder, as `from_pretrained` reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from proof import bytepairs
from tests.networks import tiny_tokenizer

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
LINES = (
    "you are an idiot and a stupid moron",
    "you are a nice person and a good friend",
    "what a nice day , what a good day",
    "they are stupid people and they are bad",
    "shut up , go away , you idiot",
    "thank you , that was very good of you",
)
"""What tokenizers and experts of the tests learn from."""


def word_pieces() -> PreTrainedTokenizerFast:
    """BERT's kind: lower case, special pieces in brackets."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer(),
        unk_token="[UNK]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=512,
    )


def byte_pairs() -> Any:
    """RoBERTa's and BART's kind: bytes, the space before a word is part of its first piece."""
    return bytepairs.byte_pairs([f" {line}" for line in LINES], size=330, longest=512)


def save(
    folder: Path, make: Callable[[int], PreTrainedModel], tokenizer: Any, seed: int = 0
) -> str:
    """A model of random weights with its tokenizer; the folder, as a setting of a step."""
    torch.manual_seed(seed)
    model = make(len(tokenizer))
    for name, parameter in model.named_parameters():
        # Wider than what training starts from, so that texts come out apart.
        if parameter.dim() == 2 and "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def bert_classifier(folder: Path, labels: Sequence[str], **settings: Any) -> str:
    """A sequence classifier of BERT's architecture."""

    def make(size: int) -> PreTrainedModel:
        names = dict(enumerate(labels))
        return BertForSequenceClassification(
            BertConfig(vocab_size=size, id2label=names, **SIZES, **settings)
        )

    return save(folder, make, word_pieces())


def roberta_classifier(folder: Path, labels: Sequence[str], **settings: Any) -> str:
    """A sequence classifier of RoBERTa's architecture."""

    def make(size: int) -> PreTrainedModel:
        names = dict(enumerate(labels))
        return RobertaForSequenceClassification(
            RobertaConfig(
                vocab_size=size, id2label=names, max_position_embeddings=130, type_vocab_size=1,
                pad_token_id=1, bos_token_id=0, eos_token_id=2, **SIZES, **settings,
            )
        )  # fmt: skip

    return save(folder, make, byte_pairs())


def bert_tagger(folder: Path, labels: Sequence[str]) -> str:
    """A token classifier of BERT's architecture."""

    def make(size: int) -> PreTrainedModel:
        names = dict(enumerate(labels))
        return BertForTokenClassification(BertConfig(vocab_size=size, id2label=names, **SIZES))

    return save(folder, make, word_pieces())


def bert_masked_lm(folder: Path) -> str:
    """A masked language model of BERT's architecture."""
    return save(
        folder, lambda size: BertForMaskedLM(BertConfig(vocab_size=size, **SIZES)), word_pieces()
    )


def bart(folder: Path, seed: int = 0) -> str:
    """A denoiser of BART's architecture."""

    def make(size: int) -> PreTrainedModel:
        return BartForConditionalGeneration(
            BartConfig(
                vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1,
                encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
                decoder_ffn_dim=32, max_position_embeddings=160, dropout=0.0,
                attention_dropout=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                decoder_start_token_id=2, forced_eos_token_id=2,
            )
        )  # fmt: skip

    return save(folder, make, byte_pairs(), seed)


def t5(folder: Path) -> str:
    """A text-to-text model of T5's architecture."""

    def make(size: int) -> PreTrainedModel:
        sizes: dict[str, Any] = {"d_model": 32, "d_kv": 16, "d_ff": 32, "num_layers": 1}
        pieces: dict[str, Any] = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
        return T5ForConditionalGeneration(T5Config(vocab_size=size, num_heads=2, **sizes, **pieces))

    return save(folder, make, byte_pairs())


def llama(folder: Path) -> str:
    """A chat model of Llama's architecture, with a chat template."""
    tokenizer = byte_pairs()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )

    def make(size: int) -> PreTrainedModel:
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=size, max_position_embeddings=2048, pad_token_id=1, bos_token_id=0,
                eos_token_id=2, **SIZES,
            )
        )  # fmt: skip

    return save(folder, make, tokenizer)
