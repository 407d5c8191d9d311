"""Tokenizers of BART's and RoBERTa's kind, learned from texts at hand."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def byte_pairs(texts: Iterable[str], size: int, longest: int) -> PreTrainedTokenizerFast:
    """Pieces of bytes, the space before a word a part of its first piece; 0 to 4 are special.

    size: of the vocabulary, at most. longest: most pieces of a text that its network reads.
    """
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    start, padding, end, unknown, mask = SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=start,
        cls_token=start,
        eos_token=end,
        sep_token=end,
        pad_token=padding,
        unk_token=unknown,
        mask_token=AddedToken(mask, lstrip=True, special=True),
        model_max_length=longest,
    )
