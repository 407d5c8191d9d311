"""Any pretrained classifier as a network that scorers and attributors can ask.

Which of its labels are toxic is said, never guessed from a name: `LABEL_1` means one thing in one
model and the opposite in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError
from trustydetox.steps.loading import Pretrained, load

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Module


HIGHEST = "highest"


@dataclass(frozen=True)
class _Read:
    """What all networks here have in common: a pretrained one and its pieces."""

    pretrained: Pretrained

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer with offsets."""
        return self.pretrained.pieces

    @property
    def window(self) -> int:
        """Most tokens that are read at once."""
        return self.pretrained.window

    @property
    def padding(self) -> int:
        """Id of the piece for no word."""
        return _first(self.pretrained, "pad_token_id", "eos_token_id", "unk_token_id")

    @property
    def blank(self) -> int:
        """Id of the piece for a missing word; a model that knows no mask has padding there."""
        return _first(self.pretrained, "mask_token_id", "pad_token_id", "unk_token_id")

    @property
    def special(self) -> tuple[int, ...]:
        """Ids of the pieces that frame a text, padding among them."""
        tokenizer = self.pretrained.tokenizer
        return tuple({*tokenizer.all_special_ids, self.padding} - {tokenizer.unk_token_id})

    @property
    def embeddings(self) -> Module:
        """The layer that turns ids into vectors: with positions where the network adds them there.

        RoBERTa counts positions from which ids are padding, so its whole layer must be explained.
        """
        base: Any = self.pretrained.model.base_model
        layer: Any = getattr(base, "embeddings", None)
        found: Module = base.get_input_embeddings() if layer is None else layer
        return found

    def raw(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The network's own logits."""
        device = self.pretrained.device
        found = self.pretrained.model(input_ids=ids.to(device), attention_mask=mask.to(device))
        logits: Tensor = found.logits
        return logits.float()


@dataclass(frozen=True)
class Classifier(_Read):
    """A sequence classifier whose toxic labels are known.

    labels: all of the network's, in its order.
    toxic: which of them are.
    multi_label: whether they are judged apart (a sigmoid each) or share one probability (softmax).
    overall: of labels judged apart, the one that stands for the whole, else the highest does.
    """

    labels: tuple[str, ...]
    toxic: tuple[bool, ...]
    multi_label: bool
    overall: str = HIGHEST

    def logit(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-odds of the overall toxicity, shape (batch,)."""
        return self._overall(self.raw(ids, mask))

    def probabilities(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The overall one, then one per label, shape (batch, 1 + labels)."""
        from torch import cat

        raw = self.raw(ids, mask)
        by_label = raw.sigmoid() if self.multi_label else raw.softmax(-1)
        return cat([self._overall(raw).sigmoid()[:, None], by_label], dim=1)

    def _overall(self, raw: Tensor) -> Tensor:
        if not self.multi_label:
            return _odds(raw, self.toxic)
        if self.overall != HIGHEST:
            return raw[:, self.labels.index(self.overall)]
        return raw[:, [at for at, is_toxic in enumerate(self.toxic) if is_toxic]].amax(-1)


@dataclass(frozen=True)
class Tagger(_Read):
    """A token classifier whose toxic labels are known; a text is as toxic as its worst token."""

    toxic: tuple[bool, ...]
    labels: tuple[str, ...] = ()

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-odds per token that its label is a toxic one, shape (batch, tokens, 1)."""
        return _odds(self.raw(ids, mask), self.toxic)[:, :, None]

    def logit(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-odds of the worst token, shape (batch,); of a text without one, as good as none."""
        from torch import isin, tensor

        odds = self.tokens(ids, mask)[:, :, 0]
        framing = isin(ids, tensor(self.special)).to(odds.device)
        return odds.masked_fill(framing, _NONE).amax(-1)

    def probabilities(self, ids: Tensor, mask: Tensor) -> Tensor:
        """That of the worst token, shape (batch, 1)."""
        return self.logit(ids, mask).sigmoid()[:, None]


_NONE = -30.0  # log-odds of a text that says nothing


def load_classifier(
    model: str,
    labels: Mapping[str, str],
    revision: str | None = None,
    *,
    multi_label: bool | None = None,
    overall: str = HIGHEST,
) -> Classifier:
    """The sequence classifier in a folder or of the Hub.

    labels: each label of the network -> `toxic` or `clean`; for labels that are judged apart,
        `clean` also where the label says nothing of toxicity.
    multi_label: without it, what the model's own configuration says.
    """
    pretrained = load("classifier", model, revision)
    names, toxic = _meanings(pretrained, labels)
    kind = getattr(pretrained.model.config, "problem_type", None)
    if kind == "regression":
        raise ConfigError(f"{model} is a regression: its value is no probability")
    if multi_label is None:
        multi_label = kind == "multi_label_classification" or len(names) == 1
    if not multi_label and all(toxic):
        raise ConfigError(f"{model}: labels that share one probability can't all be toxic")
    if overall != HIGHEST and not (multi_label and overall in names):
        raise ConfigError(
            f"{model}: overall must be {HIGHEST} or, where labels are judged apart, one of them: "
            f"{', '.join(names)}; got {overall}"
        )
    return Classifier(pretrained, names, toxic, multi_label, overall)


def load_tagger(model: str, labels: Mapping[str, str], revision: str | None = None) -> Tagger:
    """The token classifier in a folder or of the Hub; `labels` as for `load_classifier`."""
    pretrained = load("token classifier", model, revision)
    _, toxic = _meanings(pretrained, labels)
    if all(toxic):
        raise ConfigError(f"{model}: labels that share one probability can't all be toxic")
    return Tagger(pretrained, toxic)


def _meanings(
    pretrained: Pretrained, labels: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """The network's labels in their order, and which of them are toxic."""
    by_id: Any = pretrained.model.config.id2label
    names = tuple(str(by_id[number]) for number in sorted(by_id))
    if set(labels) != set(names) or not set(labels.values()) <= {"toxic", "clean"}:
        said = ", ".join(f"{name}: {meaning}" for name, meaning in labels.items())
        raise ConfigError(
            f"{pretrained.source} has the labels {', '.join(names)}; say of each whether it is "
            f"toxic or clean (labels: {{{names[0]}: clean, …}}), got {{{said}}}"
        )
    toxic = tuple(labels[name] == "toxic" for name in names)
    if not any(toxic):
        raise ConfigError(f"{pretrained.source}: no label is toxic, so no text ever would be")
    return names, toxic


def _odds(raw: Tensor, toxic: tuple[bool, ...]) -> Tensor:
    """Log-odds of the toxic labels together against all others, over the last dimension."""
    yes = [at for at, is_toxic in enumerate(toxic) if is_toxic]
    no = [at for at, is_toxic in enumerate(toxic) if not is_toxic]
    return raw[..., yes].logsumexp(-1) - raw[..., no].logsumexp(-1)


def _first(pretrained: Pretrained, *names: str) -> int:
    for name in names:
        found = getattr(pretrained.tokenizer, name, None)
        if found is not None:
            return int(found)
    raise ConfigError(f"the tokenizer of {pretrained.source} has none of {', '.join(names)}")
