"""The identifier: a toxicity scorer of a few megabytes that costs microseconds per text.

Mean of the embeddings of a text's pieces, then a few linear layers: the network of notebook 1.1 of
slewie/TextDetoxification. There padding took part in the mean and nothing was trained, since the
optimizer held another model's parameters; here no piece is padding, and training is tested.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from trustydetox.embedded.encoder import read_tokenizer
from trustydetox.embedded.tensors import require_weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import EmbeddingBag, Sequential

_PADDINGS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")


@dataclass(frozen=True)
class Identifier:
    """The network with what it needs to read text and to speak in probabilities.

    padding: the piece that the mean leaves out; only exported files need one.
    scale, shift: the calibrated probability of a logit z is sigmoid(scale * z + shift).
    """

    tokenizer: Tokenizer
    bag: EmbeddingBag
    layers: Sequential
    padding: int
    scale: float = 1.0
    shift: float = 0.0

    def logits(self, ids: Tensor, starts: Tensor) -> Tensor:
        """One logit per text, shape (texts,).

        ids: the pieces of all texts, one text after the other. starts: where each text begins.
        """
        result: Tensor = self.layers(self.bag(ids, starts)).squeeze(1)
        return result


def new_identifier(
    tokenizer: Tokenizer, width: int = 48, hidden: tuple[int, ...] = (64,), seed: int = 0
) -> Identifier:
    """An identifier with fresh weights; the notebook's had width 300 and hidden (1000, 250, 50)."""
    import torch
    from torch import nn

    named = (tokenizer.token_to_id(name) for name in _PADDINGS)
    padding = next((found for found in named if found is not None), None)
    size = tokenizer.get_vocab_size()
    if padding is None:
        padding, size = size, size + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bag = nn.EmbeddingBag(size, width, mode="mean", padding_idx=padding)
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        layers.append(nn.Linear(hidden[-1] if hidden else width, 1))
    return Identifier(tokenizer, bag, nn.Sequential(*layers), padding)


def save_identifier(identifier: Identifier, folder: Path) -> None:
    """Write identifier.safetensors (half precision), identifier.json and tokenizer.json."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    parts = {"bag": identifier.bag, "layers": identifier.layers}
    tensors = {f"{n}.{k}": v for n, part in parts.items() for k, v in part.state_dict().items()}
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in tensors.items()}
    save_file(half, folder / "identifier.safetensors")
    linear = [layer for layer in identifier.layers if hasattr(layer, "out_features")]
    settings = {
        "width": identifier.bag.embedding_dim,
        "hidden": [layer.out_features for layer in linear[:-1]],
        "scale": identifier.scale,
        "shift": identifier.shift,
    }
    (folder / "identifier.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    identifier.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def load_identifier(folder: Path) -> Identifier:
    """Read what `save_identifier` wrote, as frozen float32."""
    from safetensors.torch import load_file

    path = require_weights(folder / "identifier.safetensors", "the identifier's weights are")
    settings = json.loads((folder / "identifier.json").read_text(encoding="utf-8"))
    fresh = new_identifier(
        read_tokenizer(folder / "tokenizer.json"), settings["width"], tuple(settings["hidden"])
    )
    tensors = load_file(path)
    for name, part in {"bag": fresh.bag, "layers": fresh.layers}.items():
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        )
        part.requires_grad_(False)
        part.eval()
    return Identifier(
        fresh.tokenizer,
        fresh.bag,
        fresh.layers,
        fresh.padding,
        settings["scale"],
        settings["shift"],
    )
