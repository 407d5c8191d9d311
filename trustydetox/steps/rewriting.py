"""Rewriting sentences with a network that was trained on toxic sentences and people's rewrites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trustydetox.errors import ConfigError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.steps.differing import differing
from trustydetox.steps.loading import Pretrained, load
from trustydetox.steps.passages import Passage, combined, passages_of


@dataclass(frozen=True)
class Seq2SeqInfiller:
    """Each sentence with a masked span written anew, as far as its words differ.

    model, revision: a text-to-text network of any architecture (BART, T5, …).
    prompt: what the network was trained to read; `{}` stands for the sentence.
    beams: width of the search; candidates: how many of its results, at most as many.
    longest: most pieces that are written; without it, half as many again as are read, and ten.

    After ParaDetox (Logacheva et al. 2022), whose BART reads a sentence without a prompt. The
    network doesn't see which words were masked: sentences without any stay as they are. Sentences
    are written apart, so that neighbours are none.
    """

    model: str
    revision: str | None = None
    prompt: str = "{}"
    beams: int = 5
    candidates: int = 5
    longest: int | None = None
    _pretrained: Pretrained = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.prompt.count("{}") != 1:
            raise ConfigError(f"prompt must hold one {{}} for the sentence, got {self.prompt!r}")
        if not 1 <= self.candidates <= self.beams:
            raise ConfigError(
                f"candidates must be from 1 to beams ({self.beams}), got {self.candidates}"
            )
        object.__setattr__(self, "_pretrained", load("seq2seq", self.model, self.revision))

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Up to `candidates` candidates per text."""
        return [self._one(one) for one in masked]

    def _one(self, masked: MaskedText) -> tuple[Rewrite, ...]:
        passages = passages_of(masked, self._fits, whole=False) or []
        return combined(masked, passages, [self._passage(passage) for passage in passages])

    def _fits(self, text: str) -> bool:
        return len(self._read(text)) <= self._pretrained.window

    def _read(self, text: str) -> list[int]:
        # A lone surrogate, which the tokenizer refuses, reads as a question mark.
        readable = text.strip().encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._pretrained.pieces.encode(self.prompt.replace("{}", readable)).ids
        return ids

    def _passage(self, passage: Passage) -> list[Rewrite]:
        import torch

        pretrained = self._pretrained
        ids = self._read(passage.masked.text)
        most = min(self.longest or len(ids) * 3 // 2 + 10, pretrained.window)
        settings: dict[str, Any] = {
            "num_beams": self.beams,
            "num_return_sequences": self.candidates,
            "max_new_tokens": most,
            "do_sample": False,
            # What the model's own file says of lengths is meant for its own use.
            "max_length": None,
            "min_length": 0,
            "early_stopping": self.beams > 1,
        }
        with torch.inference_mode():
            written = pretrained.model.generate(  # type: ignore[operator]
                torch.tensor([ids], device=pretrained.device), **settings
            )
        texts = [
            pretrained.pieces.decode(each, skip_special_tokens=True).strip()
            for each in written.tolist()
        ]
        rewrites = dict.fromkeys(differing(passage.masked.text, text) for text in texts if text)
        return [rewrite for rewrite in rewrites if rewrite.edits]
