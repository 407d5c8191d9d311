"""The guide, a small encoder that says whether a text is toxic; the marker, which says what in it.

Both are all-MiniLM-L6-v2's encoder with one linear layer over every token; the marker went on from
the guide and keeps its word embeddings. They are two networks because what made one better made the
other worse: telling hate without a telltale word from calm, and raters' marks. Only toxic texts
meet the marker.

Column 0 of the layer is the logit that the token lies inside a toxic span. Columns 1 and up are
contributions to the document logits (overall, then one per label): a document logit is the
log-sum-exp over the tokens' contributions, so that a text is as toxic as its worst words
(multiple-instance learning), and clean words add nothing.
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
    from torch.nn import Linear, Module
    from transformers import BertModel

MAX_TOKENS = 128
"""Longest window the guide was trained on, the two special tokens included."""


@dataclass(frozen=True)
class Guide:
    """The network with what it needs to read text and to speak in probabilities.

    labels: names of the document logits after the overall one.
    scale, shift: per document logit z, the calibrated probability is sigmoid(scale * z + shift).
    """

    tokenizer: Tokenizer
    encoder: BertModel
    head: Linear
    labels: tuple[str, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    @property
    def window(self) -> int:
        """Most tokens that are read at once."""
        return MAX_TOKENS

    @property
    def embeddings(self) -> Module:
        """The layer that turns ids into vectors."""
        embeddings: Module = self.encoder.embeddings
        return embeddings

    @property
    def blank(self) -> int:
        """Id of the piece for a missing word."""
        return self._id("[MASK]")

    @property
    def padding(self) -> int:
        """Id of the piece for no word."""
        return self._id("[PAD]")

    @property
    def special(self) -> tuple[int, ...]:
        """Ids of the pieces that frame a text, padding among them."""
        return (self._id("[CLS]"), self._id("[SEP]"), self.padding)

    def _id(self, piece: str) -> int:
        found = self.tokenizer.token_to_id(piece)
        assert found is not None
        return found

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Head outputs per token, shape (batch, tokens, 2 + labels)."""
        place = self.head.weight.device
        states = self.encoder(input_ids=ids.to(place), attention_mask=mask.to(place))
        output: Tensor = self.head(states.last_hidden_state)
        return output

    def document(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Document logits, shape (batch, 1 + labels); padding doesn't count."""
        padding = mask.to(tokens.device)[:, :, None] == 0
        return tokens[:, :, 1:].masked_fill(padding, float("-inf")).logsumexp(dim=1)

    def logit(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Calibrated log-odds of the overall toxicity, shape (batch,): what captum explains."""
        return self.document(self.tokens(ids, mask), mask)[:, 0] * self.scale[0] + self.shift[0]

    def probabilities(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Calibrated probabilities, the overall one first, shape (batch, 1 + labels)."""
        logits = self.document(self.tokens(ids, mask), mask)
        return (logits * logits.new_tensor(self.scale) + logits.new_tensor(self.shift)).sigmoid()

    def parts(self) -> dict[str, Module]:
        """What holds weights, by name."""
        return {"encoder": self.encoder, "head": self.head}


def new_guide(tokenizer: Tokenizer, config: dict[str, Any], labels: tuple[str, ...]) -> Guide:
    """A guide with fresh weights; `config` is that of a Bert encoder."""
    import torch

    head = torch.nn.Linear(config["hidden_size"], 2 + len(labels))
    count = 1 + len(labels)
    return Guide(
        tokenizer,
        new_encoder(config),
        head,
        labels,
        (1.0,) * count,
        (0.0,) * count,
    )


def save_guide(guide: Guide, folder: Path) -> None:
    """Write guide.safetensors (half precision), guide.json and tokenizer.json."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{name}.{key}": value
        for name, part in guide.parts().items()
        for key, value in part.state_dict().items()
    }
    half = {
        k: v.to(torch.float16).contiguous() for k, v in tensors.items() if v.is_floating_point()
    }
    save_file(half, folder / "guide.safetensors")
    settings = {
        "labels": guide.labels,
        "scale": guide.scale,
        "shift": guide.shift,
        "encoder": settings_of(guide.encoder),
    }
    (folder / "guide.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    guide.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def save_marker(marker: Guide, path: Path) -> None:
    """Write what of the marker is not the guide's: its layers and its head."""
    layers = {f"layers.{k}": v for k, v in marker.encoder.encoder.state_dict().items()}
    save_tensors(layers | {f"head.{k}": v for k, v in marker.head.state_dict().items()}, path)


def load_marker(folder: Path) -> Guide:
    """The guide with the layers and the head that `save_marker` wrote as marker.safetensors."""
    path = require_weights(folder / "marker.safetensors", "the marker's weights are")
    marker = load_guide(folder)
    tensors = load_tensors(path)
    for name, part in {"layers": marker.encoder.encoder, "head": marker.head}.items():
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(name)}
        )
    return marker


def load_guide(folder: Path) -> Guide:
    """Read what `save_guide` wrote, or ship made of it, as frozen float32 in evaluation mode."""
    path = require_weights(folder / "guide.safetensors", "the guide's weights are")
    settings = json.loads((folder / "guide.json").read_text(encoding="utf-8"))
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    guide = new_guide(tokenizer, settings["encoder"], tuple(settings["labels"]))
    tensors = load_tensors(path)
    for name, part in guide.parts().items():
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(name)}
        )
        part.requires_grad_(False)
        part.eval()
    return Guide(
        tokenizer,
        guide.encoder,
        guide.head,
        guide.labels,
        tuple(settings["scale"]),
        tuple(settings["shift"]),
    )
