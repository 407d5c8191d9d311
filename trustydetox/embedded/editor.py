"""The editor's network: an encoder that says what becomes of each word, and fills in new ones.

Both tasks share the encoder. Its token types mark the words that must go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.embedded.encoder import new_encoder, read_tokenizer, settings_of
from trustydetox.embedded.tensors import load_tensors, require_weights, save_tensors

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Embedding, Linear, Module, Sequential
    from transformers import BertModel

MAX_TOKENS = 256
"""Longest sequence the editor was trained on: a text and its draft with the special tokens."""


@dataclass(frozen=True)
class Editor:
    """The network with what it needs to read text.

    tagger: hidden state of a word's first piece -> logits of the tags.
    mixer: hidden state of a masked piece -> the space of the word embeddings.
    bias: of each piece of the vocabulary, as one row.
    """

    tokenizer: Tokenizer
    encoder: BertModel
    tagger: Linear
    mixer: Sequential
    bias: Embedding

    def hidden(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """Hidden states, shape (batch, tokens, width)."""
        place = self.encoder.device
        states: Tensor = self.encoder(
            input_ids=ids.to(place), token_type_ids=types.to(place), attention_mask=mask.to(place)
        ).last_hidden_state
        return states

    def tags(self, hidden: Tensor) -> Tensor:
        """Logits of the tags, shape (..., tags)."""
        logits: Tensor = self.tagger(hidden)
        return logits

    def pieces(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary, shape (..., vocabulary)."""
        words = self.encoder.embeddings.word_embeddings.weight
        logits: Tensor = self.mixer(hidden) @ words.T + self.bias.weight[0]
        return logits

    def parts(self) -> dict[str, Module]:
        """What holds weights, by name."""
        return {
            "encoder": self.encoder,
            "tagger": self.tagger,
            "mixer": self.mixer,
            "bias": self.bias,
        }


def new_editor(tokenizer: Tokenizer, config: dict[str, Any], tags: int) -> Editor:
    """An editor with fresh weights; `config` is that of a Bert encoder."""
    from torch import nn

    encoder = new_encoder(config)
    width = encoder.config.hidden_size
    mixer = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
    bias = nn.Embedding(1, encoder.config.vocab_size)
    nn.init.zeros_(bias.weight)
    return Editor(tokenizer, encoder, nn.Linear(width, tags), mixer, bias)


def save_editor(editor: Editor, folder: Path) -> None:
    """Write editor.safetensors and editor.json; the tokenizer is the guide's."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{name}.{key}": value
        for name, part in editor.parts().items()
        for key, value in part.state_dict().items()
    }
    save_tensors(tensors, folder / "editor.safetensors")
    settings = {"tags": editor.tagger.out_features, "encoder": settings_of(editor.encoder)}
    (folder / "editor.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def load_editor(folder: Path) -> Editor:
    """Read what `save_editor` wrote, as float32 in evaluation mode with frozen weights."""
    path = require_weights(folder / "editor.safetensors", "the editor's weights are")
    settings = json.loads((folder / "editor.json").read_text(encoding="utf-8"))
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    editor = new_editor(tokenizer, settings["encoder"], settings["tags"])
    tensors = load_tensors(path)
    for name, part in editor.parts().items():
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        )
        part.requires_grad_(False)
        part.eval()
    return editor
