"""Tiny but real networks, made from a seed: no weights on disk, no network."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from trustydetox.embedded.editor import Editor, new_editor
from trustydetox.embedded.fluency import SHIFT, Fluency, numbers
from trustydetox.embedded.gaps import Gaps, new_gaps
from trustydetox.embedded.guide import Guide, new_guide
from trustydetox.embedded.identifier import Identifier, new_identifier
from trustydetox.embedded.kneserney import KneserNey
from trustydetox.steps.editing import TAGS

WORDS = (
    "you are an a the idiot stupid nice day what have is not it was very good bad cat and or"
    " to of in this that they we all some people go away shut up please"
).split()

CONFIG = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
}


def tiny_tokenizer() -> Tokenizer:
    """Lower-casing word pieces: the words above whole, all others letter by letter."""
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters]
    pieces += [f"##{letter}" for letter in letters]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def tiny_guide(seed: int = 0) -> Guide:
    """A guide of two small layers; a head wide enough that texts score apart."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    guide = new_guide(
        tokenizer, {**CONFIG, "vocab_size": tokenizer.get_vocab_size()}, ("insult", "threat")
    )
    torch.nn.init.normal_(guide.head.weight, std=0.5)
    for part in (guide.encoder, guide.head):
        part.requires_grad_(False)
        part.eval()
    return guide


def tiny_identifier(seed: int = 0) -> Identifier:
    """An identifier of width 8 whose texts score apart."""
    identifier = new_identifier(tiny_tokenizer(), 8, (8,), seed)
    for part in (identifier.bag, identifier.layers):
        part.requires_grad_(False)
    return replace(identifier, scale=8.0)


def tiny_editor(seed: int = 0) -> Editor:
    """An editor of two small layers; heads wide enough that choices differ."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    editor = new_editor(tokenizer, {**CONFIG, "vocab_size": tokenizer.get_vocab_size()}, TAGS)
    for part in editor.parts().values():
        part.requires_grad_(False)
        part.eval()
    torch.nn.init.normal_(editor.tagger.weight, std=0.5)
    return editor


def tiny_fluency() -> Fluency:
    """What a few sentences of the words above teach."""
    tokenizer = tiny_tokenizer()
    lines = ["you are nice", "you are very good", "it was a nice day", "they are nice people"]
    size = tokenizer.get_vocab_size() + SHIFT
    return Fluency(tokenizer, KneserNey.learn(numbers(tokenizer, lines), size, order=3))


def tiny_gaps(seed: int = 0) -> Gaps:
    """A fresh head over the layers of `tiny_editor`."""
    editor = tiny_editor()
    torch.manual_seed(seed)
    return new_gaps(editor)


def tiny_opt(folder: Path, seed: int = 0) -> str:
    """The folder of an OPT of OPT-350m's shape, very small: thin embeddings, a token per byte."""
    torch.manual_seed(seed)
    _byte_tokenizer().save_pretrained(folder)
    config = OPTConfig(
        vocab_size=258,
        hidden_size=64,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        do_layer_norm_before=False,
        init_std=0.07,  # so that logits spread as far as rounding shows in them
        pad_token_id=256,
        bos_token_id=257,
        eos_token_id=257,
    )
    OPTForCausalLM(config).save_pretrained(folder)
    return str(folder)


def tiny_gpt2(folder: Path, seed: int = 0) -> str:
    """The folder of a very small GPT-2, whose layers are Conv1D, transposed; a token per byte."""
    torch.manual_seed(seed)
    _byte_tokenizer().save_pretrained(folder)
    config = GPT2Config(
        vocab_size=258,
        n_embd=64,
        n_layer=2,
        n_head=2,
        n_positions=256,
        initializer_range=0.2,  # so that logits spread as far as rounding shows in them
        pad_token_id=256,
        bos_token_id=257,
        eos_token_id=257,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return str(folder)


def tiny_gemma3(folder: Path, seed: int = 0) -> str:
    """The folder of a very small Gemma 3 with eyes, whose files name its layers otherwise."""
    torch.manual_seed(seed)
    _byte_tokenizer().save_pretrained(folder)
    text = {
        "vocab_size": 264,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "sliding_window": 32,
        "initializer_range": 0.2,  # so that logits spread as far as rounding shows in them
        "pad_token_id": 256,
        "bos_token_id": 257,
        "eos_token_id": 257,
    }
    eyes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config=eyes,
        mm_tokens_per_image=4,
        boi_token_index=260,
        eoi_token_index=261,
        image_token_index=262,
    )
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    return str(folder)


def _byte_tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={one: at for at, one in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<pad>"), AddedToken("</s>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="</s>", eos_token="</s>"
    )
