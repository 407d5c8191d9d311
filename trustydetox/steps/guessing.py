"""Filling masked spans with what a masked language model expects there, toxic pieces made dear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError
from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Scorer
from trustydetox.steps.infilling import mended
from trustydetox.steps.loading import Pretrained, load
from trustydetox.steps.passages import Passage, combined, passages_of
from trustydetox.steps.viewing import KnownWords

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Guess:
    """A passage as pieces in which some spans are filled.

    ids: the pieces, one mask for every span that is still open. filled: per span, its pieces.
    """

    ids: tuple[int, ...]
    filled: tuple[tuple[int, ...], ...]
    score: float


@dataclass(frozen=True)
class MaskedLMInfiller:
    """Each masked span filled in turn with one to three pieces, the likeliest first.

    model, revision: a masked language model, from a folder or of the Hub.
    scorer: says how toxic each piece of the vocabulary is alone. It is asked once about all of
        them, so it should be a cheap one.
    known: words that are never filled in.
    penalty: logits that a piece loses per unit of log-odds of being toxic.
    similarity: weight of the cosine between the word that goes and what comes, by the model's
        own embeddings, beside the mean log-probability of the pieces.
    pieces: how many pieces may come in place of a span.
    tops: how many first pieces to try for each of these; candidates: how many to give at most.

    After CondBERT (Dale et al. 2021), whose code penalises by counts in its corpora and compares by
    GloVe; here a scorer and the model's embeddings stand for both. Departures: case and spaces stay
    outside the spans, and the penalty covers signs too. Costs about ten passes per span.
    """

    model: str
    scorer: Scorer
    known: KnownWords
    revision: str | None = None
    penalty: float = 3.0
    similarity: float = 1.0
    pieces: Sequence[int] = (1, 2, 3)
    tops: int = 10
    candidates: int = 8
    _pretrained: Pretrained = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.pieces or min(self.pieces) < 1:
            raise ConfigError(f"pieces must be counts of 1 and more, got {list(self.pieces)}")
        if min(self.tops, self.candidates) < 1:
            raise ConfigError("tops and candidates must be at least 1")
        pretrained = load("masked LM", self.model, self.revision)
        if pretrained.tokenizer.mask_token_id is None:
            raise ConfigError(f"{self.model} has no mask in its vocabulary")
        object.__setattr__(self, "_pretrained", pretrained)

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Up to `candidates` candidates per text; each text is filled apart from the others."""
        return [self._one(one) for one in masked]

    def _one(self, masked: MaskedText) -> tuple[Rewrite, ...]:
        passages = passages_of(masked, self._fits, whole=True) or []
        return combined(masked, passages, [self._passage(passage) for passage in passages])

    def _fits(self, text: str) -> bool:
        room = self._pretrained.window - max(self.pieces)
        return len(self._ids(text)) + 2 <= room

    def _ids(self, text: str) -> list[int]:
        # A lone surrogate, which the tokenizer refuses, reads as a question mark.
        readable = text.encode("utf-8", "replace").decode("utf-8")
        return self._pretrained.pieces.encode(readable, add_special_tokens=False).ids

    def _passage(self, passage: Passage) -> list[Rewrite]:
        text, spans = passage.masked.text, passage.masked.masked
        mask = int(self._pretrained.tokenizer.mask_token_id)
        ids, old, end = [], [], 0
        for span in spans:
            ids += [*self._ids(text[end : span.start]), mask]
            old.append(self._ids(span.of(text)))
            end = span.end
        ids += self._ids(text[end:])
        guesses = [_Guess((self._first, *ids, self._last), (), 0.0)]
        for gone in old:
            guesses = sorted(
                (each for guess in guesses for each in self._filled(guess, gone)),
                key=lambda each: -each.score,
            )[: self.candidates]
        rewrites = dict.fromkeys(
            mended(text, spans, [self._spelt(each) for each in guess.filled]) for guess in guesses
        )
        return [rewrite for rewrite in rewrites if rewrite is not None]

    def _filled(self, guess: _Guess, gone: Sequence[int]) -> Iterator[_Guess]:
        """The guess with its first open span filled, in each number of pieces and several ways."""
        mask = int(self._pretrained.tokenizer.mask_token_id)
        place = guess.ids.index(mask)
        for count in self.pieces:
            ids = (*guess.ids[:place], *[mask] * count, *guess.ids[place + 1 :])
            logs = self._logs([ids], place)[0] + self._never[0]
            values, picks = logs.topk(self.tops)
            ways = [
                [(*ids[:place], pick, *ids[place + 1 :]), value]
                for value, pick in zip(values.tolist(), picks.tolist(), strict=True)
                if value > float("-inf")
            ]
            for at in range(place + 1, place + count):
                logs = self._logs([way[0] for way in ways], at) + self._never[1]
                values, picks = logs.max(dim=-1)
                ways = [
                    [(*so_far[:at], pick, *so_far[at + 1 :]), total + value]
                    for (so_far, total), value, pick in zip(
                        ways, values.tolist(), picks.tolist(), strict=True
                    )
                ]
            for so_far, total in ways:
                new = so_far[place : place + count]
                score = total / count + self.similarity * self._likeness(gone, new)
                yield _Guess(so_far, (*guess.filled, tuple(new)), guess.score + score)

    def _logs(self, rows: Sequence[Sequence[int]], at: int) -> Tensor:
        """Log-probabilities in a place after the penalty, shape (rows, vocabulary)."""
        import torch

        pretrained = self._pretrained
        ids = torch.tensor(rows, device=pretrained.device)
        with torch.inference_mode():
            logits: Tensor = pretrained.model(input_ids=ids).logits[:, at].float().cpu()
        return (logits - self._price).log_softmax(-1)

    def _likeness(self, gone: Sequence[int], new: Sequence[int]) -> float:
        import torch

        table: Any = self._pretrained.model.get_input_embeddings().weight
        if not gone:
            return 0.0
        one, other = (table[list(ids)].float().mean(0) for ids in (gone, new))
        return float(torch.cosine_similarity(one, other, dim=0))

    @cached_property
    def _words(self) -> list[str]:
        """How each piece of the vocabulary reads, without the space before it."""
        pieces = self._pretrained.pieces
        size = int(self._pretrained.model.config.vocab_size)
        names = [pieces.id_to_token(at) or "" for at in range(size)]
        return [
            name[2:] if name.startswith("##") else pieces.decode([at]).strip()
            for at, name in enumerate(names)
        ]

    @cached_property
    def _price(self) -> Tensor:
        """Logits that each piece loses."""
        import torch

        odds = torch.tensor([one.overall for one in self.scorer.score(self._words)]).logit(1e-6)
        return self.penalty * odds.clamp(min=0.0)

    @cached_property
    def _never(self) -> tuple[Tensor, Tensor]:
        """Minus infinity for pieces that never come: first in a span, and behind another."""
        import torch

        pieces = self._pretrained.pieces
        special = set(self._pretrained.tokenizer.all_special_ids)
        start, inside = (torch.zeros(len(self._words)) for _ in range(2))
        for at, word in enumerate(self._words):
            plain = word.isalpha() and at not in special
            if not plain or self.known.knows(word):
                start[at] = inside[at] = float("-inf")
            elif (pieces.id_to_token(at) or "").startswith("##"):
                start[at] = float("-inf")
        return start, inside

    def _spelt(self, filled: Sequence[int]) -> str:
        return self._pretrained.pieces.decode(list(filled)).replace(" ##", "").strip()

    @property
    def _first(self) -> int:
        tokenizer = self._pretrained.tokenizer
        return int(
            tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
        )

    @property
    def _last(self) -> int:
        tokenizer = self._pretrained.tokenizer
        return int(
            tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
        )
