"""Language models that differ in what they learned from: one toxic text, another harmless text.

What the two expect in a place tells how toxic the word there is, and their difference steers what
comes instead: DExperts (Liu et al. 2021), MaRCo (Hallinan et al. 2023), TrustyAI's TMaRCo. All are
denoisers of BART's architecture with one vocabulary. An expert may be a LoRA adapter on the base,
whose weights are then in memory once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from trustydetox.errors import ConfigError
from trustydetox.steps.loading import (
    Pretrained,
    adapted,
    is_adapter,
    load,
    open_tokenizer,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

BATCH_TOKENS = 4096
"""Most tokens of the rows that are encoded together."""

SHORTEST = 0.8
"""Length of a batch's shortest row as a share of its longest, from `FEWEST` rows on."""

FEWEST = 24
"""Rows that a processor is busy with; cutting batches finer than this saves nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text of which one place is asked about.

    ids: its pieces, special ones included. at: the place, at which a mask may or may not stand.
    """

    ids: tuple[int, ...]
    at: int


@dataclass(frozen=True)
class Voice:
    """One of the language models: a network, or one adapter of a network that several share.

    adapter: its name; `""` is the network without any.
    """

    network: Any
    adapter: str | None = None

    def speaking(self) -> Any:
        """The network, with this voice's adapter at work until another voice speaks."""
        if self.adapter is not None:
            self.network.set_adapter(self.adapter or next(iter(self.network.peft_config)))
            if self.adapter:
                self.network.enable_adapters()
            else:
                self.network.disable_adapters()
        return self.network

    def logits(self, rows: Sequence[Row], padding: int) -> Tensor:
        """What is expected in each row's place, shape (rows, vocabulary).

        The decoder sees what stands before the place, as in training, and stops there: what
        follows can't reach back. The vocabulary is scored in that place alone.
        """
        import torch

        network = self.speaking()
        # Several places of one text are read off one pass, which goes as far as the last of them.
        furthest: dict[tuple[int, ...], int] = {}
        for row in rows:
            furthest[row.ids] = max(row.at, furthest.get(row.ids, 0))
        texts = list(furthest)
        ids, mask = padded(texts, padding, network.device)
        start = network.config.decoder_start_token_id
        found: list[Tensor] = [torch.empty(0)] * len(rows)
        with torch.inference_mode():
            states = network.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
            for group in _alike(list(furthest.values())):
                given, _ = padded(
                    [(start, *texts[at][: furthest[texts[at]]]) for at in group],
                    padding,
                    network.device,
                )
                hidden = network.get_decoder()(
                    input_ids=given,
                    encoder_hidden_states=states[group],
                    encoder_attention_mask=mask[group],
                    use_cache=False,
                ).last_hidden_state
                lines = {texts[at]: line for line, at in enumerate(group)}
                here = [at for at, row in enumerate(rows) if row.ids in lines]
                last = hidden[[lines[rows[at].ids] for at in here], [rows[at].at for at in here]]
                scores = (network.lm_head(last) + network.final_logits_bias).float()
                for at, each in zip(here, scores, strict=True):
                    found[at] = each
        return torch.stack(found)


@dataclass(frozen=True)
class Experts:
    """The voices and the tokenizer that all of them read.

    voices: the experts in the order they were named in; by convention the toxic one first.
    """

    tokenizer: Tokenizer
    window: int
    blank: int
    padding: int
    special: tuple[int, ...]
    voices: tuple[Voice, ...]
    _base: tuple[str, str | None] = field(repr=False)

    @cached_property
    def base(self) -> Voice:
        """What speaks where no expert is asked; loaded when first needed."""
        if self.voices[0].adapter is not None:
            return Voice(self.voices[0].network, "")
        return Voice(_checked(load("seq2seq", *self._base)).model)

    def batches(self, rows: Sequence[Row]) -> Iterator[list[int]]:
        """Places in `rows` of those to be asked together: of similar length, bounded in memory."""
        most = batch_tokens()
        order = sorted(range(len(rows)), key=lambda at: (len(rows[at].ids), rows[at].at))
        batch: list[int] = []
        for at in reversed(order):
            longest = len(rows[batch[0]].ids) if batch else 0
            is_full = (len(batch) + 1) * longest > most
            is_padding = len(batch) >= FEWEST and len(rows[at].ids) < SHORTEST * longest
            if batch and (is_full or is_padding):
                yield batch
                batch = []
            batch.append(at)
        if batch:
            yield batch


def batch_tokens() -> int:
    """Most tokens of a batch of several rows: more on a GPU, which few leave idle."""
    import torch

    return BATCH_TOKENS * (8 if torch.cuda.is_available() else 1)


_loaded: WeakValueDictionary[tuple[object, ...], Experts] = WeakValueDictionary()


def load_experts(
    base: str, experts: Sequence[str], revisions: Mapping[str, str] | None = None
) -> Experts:
    """The experts and their base, from folders or of the Hub.

    base: the denoiser whose tokenizer all share, and which adapters sit on.
    experts: at least two, all networks of their own or all adapters on the base.
    revisions: of the Hub's models, the commit that is meant.

    Asked twice for the same, it gives the same object while anybody holds it.
    """
    if isinstance(experts, str) or len(experts) < 2:
        raise ConfigError("expected at least two experts, the toxic one first")
    known = dict(revisions or {})
    key = (base, tuple(experts), tuple(sorted(known.items())))
    found = _loaded.get(key)
    if found is None:
        found = _experts(base, experts, known)
        _loaded[key] = found
    return found


def _experts(base: str, experts: Sequence[str], revisions: Mapping[str, str]) -> Experts:
    adapters = [is_adapter(expert, revisions.get(expert)) for expert in experts]
    if any(adapters) and not all(adapters):
        raise ConfigError("experts must all be adapters or all be networks of their own")
    if all(adapters):
        names = {f"expert-{number}": expert for number, expert in enumerate(experts)}
        first = adapted("seq2seq", base, names, revisions)
        voices = tuple(Voice(first.model, name) for name in names)
    else:
        several = [load("seq2seq", expert, revisions.get(expert)) for expert in experts]
        first = Pretrained(base, several[0].model, open_tokenizer(base, revisions.get(base)))
        voices = tuple(Voice(_checked(one).model) for one in several)
    _checked(first)
    tokenizer = first.tokenizer
    sizes = {voice.network.config.vocab_size for voice in voices}
    if len(sizes) != 1:
        raise ConfigError(f"experts must share one vocabulary, got sizes {sorted(sizes)}")
    return Experts(
        tokenizer=first.pieces,
        window=first.window,
        blank=int(tokenizer.mask_token_id),
        padding=int(tokenizer.pad_token_id),
        special=tuple(sorted(tokenizer.all_special_ids)),
        voices=voices,
        _base=(base, revisions.get(base)),
    )


def _checked(pretrained: Pretrained) -> Pretrained:
    """A denoiser of BART's kind, or an error."""
    if (
        not hasattr(pretrained.model, "final_logits_bias")
        or pretrained.tokenizer.mask_token is None
    ):
        raise ConfigError(
            f"{pretrained.source} is a {type(pretrained.model).__name__}; experts must be "
            "denoisers of BART's architecture with a mask in their vocabulary"
        )
    return pretrained


def padded(rows: Sequence[Sequence[int]], padding: int, device: Any) -> tuple[Tensor, Tensor]:
    """ids and attention mask, each (rows, longest), filled up on the right."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows], device=device)
    mask = torch.tensor(
        [[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device
    )
    return ids, mask


_GROUPS = 6  # more cut the decoder's work closer, fewer keep the processor busier


def _alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of rows of about the same length, the shortest first."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    size = max(FEWEST, -(-len(lengths) // _GROUPS))
    for start in range(0, len(order), size):
        yield order[start : start + size]
