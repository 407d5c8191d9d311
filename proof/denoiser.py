"""A small BART pretrained from nothing on licensed text: what a rewriter may go on from where no
checkpoint is at hand. `python -m proof.denoiser --data DIR -o FOLDER`; not shipped.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import BartConfig, BartForConditionalGeneration

from proof.bytepairs import byte_pairs
from proof.rows import pretraining_texts
from trustydetox.training.denoising import Denoising, train_expert

SOURCES = {"goemotions": 50000, "lm_self_dialogue": 5000, "lm_tatoeba_en": 40000}
"""Rows of each source that teach it; none is one that rewrites are measured on."""

WIDTH, LAYERS, HEADS, PIECES, LONGEST = 256, 3, 4, 6000, 256
HELD_BACK = 1000

say = partial(print, file=sys.stderr, flush=True)


def main() -> None:
    """Pretrain one, and say how its loss fell."""
    parser = argparse.ArgumentParser(prog="python -m proof.denoiser", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of public sources")
    parser.add_argument("--steps", type=int, default=3000, help="of 32 texts each")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the network")
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    texts = pretraining_texts(asked.data, SOURCES)
    with TemporaryDirectory() as fresh:
        _save_fresh(texts, Path(fresh))
        settings = Denoising(
            base=fresh, lora=False, rate=1e-3, batch=32, steps=asked.steps, every=500, longest=64
        )
        learned = train_expert(texts[HELD_BACK:], texts[:HELD_BACK], asked.out, settings, say)
    say(f"{asked.out}: loss {learned.before:.2f} -> {learned.after:.2f}")


def _save_fresh(texts: list[str], folder: Path) -> None:
    tokenizer = byte_pairs(texts, PIECES, LONGEST)
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS,
        encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH, max_position_embeddings=LONGEST, scale_embedding=True,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
        forced_eos_token_id=2,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
