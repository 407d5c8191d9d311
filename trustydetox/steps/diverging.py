"""Words on whose likelihood language models of toxic and of harmless text disagree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Literal, get_args

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.records import Attribution
from trustydetox.steps.attributing import first_sign, joined
from trustydetox.steps.experts import Experts, Row, load_experts
from trustydetox.steps.viewing import View
from trustydetox.steps.windowing import ViewOf, Window, in_pieces, windows_of, words_of

if TYPE_CHECKING:
    from torch import Tensor

Definition = Literal["tmarco", "marco"]


@dataclass(frozen=True)
class ExpertDivergence:
    """Weight of a word = how far experts differ in what they expect in its place.

    base: the denoiser whose tokenizer is used, and which adapters sit on.
    experts: two or more, from folders or of the Hub; the mean over all pairs counts.
    definition: `tmarco`: the Jensen-Shannon distance (root of the divergence, in nats, at most
        0.83) per piece, each masked in turn; a word weighs as much as its heaviest piece, where
        TMaRCo's code masks pieces alone. `marco`: half the sum of both Kullback-Leibler
        divergences (Jeffreys; what MaRCo's code computes and its paper calls Jensen-Shannon), each
        whole word masked by one mask; words are ours, where MaRCo's are NLTK's.
    normalise: divide by the mean over the text's pieces or words, as both codes do. That makes
        weights relative, so that some word of any text weighs more than 1: only the gate can say
        that a text is clean. Where experts agree everywhere, all weights are 0.
    lead: put a padding piece before each mask, as TMaRCo's code does.
    revisions: of the Hub's models, the commit that is meant.

    Sources: Hallinan et al. 2023, "Detoxifying text with MaRCo"; trustyai.language.detoxify. Both
    leave a text alone that is longer than the network reads; here it is read in windows. Costs a
    pass per piece or word and expert; texts share batches, whose memory doesn't grow with the text.
    """

    base: str
    experts: Sequence[str]
    definition: Definition = "tmarco"
    normalise: bool = True
    lead: bool = False
    revisions: Mapping[str, str] | None = None
    view: ViewOf = View.of
    _experts: Experts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = get_args(Definition)
        if self.definition not in known:
            near = did_you_mean(self.definition, known)
            raise ConfigError(f"no definition is called {self.definition!r}{near}")
        object.__setattr__(self, "_experts", load_experts(self.base, self.experts, self.revisions))

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text."""
        views = [self.view(text) for text in texts]
        windows = windows_of(self._experts.tokenizer, [v.text for v in views], self._experts.window)
        pieces: list[dict[int, float]] = [{} for _ in texts]
        for window, places, values in self._divergences(windows, views):
            found = pieces[window.text]
            for at, value in zip(places, values, strict=True):
                start = first_sign(views[window.text].text, *window.offsets[at])
                if start is not None:
                    found[start] = max(value, found.get(start, value))
        return [
            joined(text, view, self._scaled(found), max)
            for text, view, found in zip(texts, views, pieces, strict=True)
        ]

    def by_piece(self, texts: Sequence[str]) -> list[list[float]]:
        """The weight of each piece of each text, in the order of the tokenizer, special ones out.

        For texts that fit one window; a longer one is refused.
        """
        if self.definition != "tmarco":
            raise ConfigError("only the definition tmarco gives weights by piece")
        windows = windows_of(self._experts.tokenizer, texts, self._experts.window)
        if len(windows) != len(texts):
            raise ConfigError(
                f"a text is longer than the {self._experts.window} pieces that the experts read"
            )
        views = [View.of(text) for text in texts]
        found: list[list[float]] = [[] for _ in texts]
        for window, places, values in self._divergences(windows, views):
            scaled = self._scaled(dict(zip(places, values, strict=True)))
            found[window.text] = [scaled[at] for at in places]
        return found

    def _scaled(self, values: Mapping[int, float]) -> dict[int, float]:
        mean = sum(values.values()) / max(1, len(values)) if self.normalise else 1.0
        return {at: value / mean if mean > _NOISE else 0.0 for at, value in values.items()}

    def _divergences(
        self, windows: Sequence[Window], views: Sequence[View]
    ) -> Iterator[tuple[Window, list[int], list[float]]]:
        """Each window with its places (first pieces of what is masked) and their divergences."""
        asked = [list(self._asked(window, views[window.text])) for window in windows]
        rows = [row for each in asked for _, row in each]
        values = [0.0] * len(rows)
        for batch in self._experts.batches(rows):
            found = in_pieces(self._batch, [rows[at] for at in batch])
            for at, value in zip(batch, found, strict=True):
                values[at] = value
        rest = iter(values)
        for window, each in zip(windows, asked, strict=True):
            yield window, [at for at, _ in each], [next(rest) for _ in each]

    def _asked(self, window: Window, view: View) -> Iterator[tuple[int, Row]]:
        """What to mask in a window: the place of its first piece, and the row with the mask."""
        ids = tuple(window.ids)
        mask = (self._experts.padding, self._experts.blank) if self.lead else (self._experts.blank,)
        for start, end in self._masks(window, view):
            place = start + len(mask) - 1
            yield start, Row((*ids[:start], *mask, *ids[end:]), place)

    def _masks(self, window: Window, view: View) -> Iterator[tuple[int, int]]:
        """Ranges of pieces: each alone, or those of a word."""
        places = range(1, len(window.ids) - 1)
        if self.definition == "tmarco":
            yield from ((at, at + 1) for at in places)
            return
        starts = [first_sign(view.text, *window.offsets[at]) for at in places]
        at = 0
        for start, end in words_of(view):
            inside = []
            while at < len(starts):
                piece = starts[at]
                if piece is not None and piece >= end:
                    break
                if piece is not None and piece >= start:
                    inside.append(places[at])
                at += 1
            if inside:
                yield inside[0], inside[-1] + 1

    def _batch(self, rows: Sequence[Row]) -> list[float]:
        """The mean divergence over all pairs of experts, per row."""
        import torch

        logs = [
            voice.logits(rows, self._experts.padding).double().log_softmax(-1)
            for voice in self._experts.voices
        ]
        measure = _distance if self.definition == "tmarco" else _jeffreys
        pairs = [measure(one, other) for one, other in combinations(logs, 2)]
        found: list[float] = torch.stack(pairs).mean(0).tolist()
        return found


_NOISE = 1e-6  # a mean below it is that of experts who agree


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Jensen-Shannon distance of log-probabilities, in nats: the root of the divergence."""
    middle = one.logaddexp(other) - math.log(2)
    halves = (one.exp() * (one - middle) + other.exp() * (other - middle)).sum(-1)
    return (halves / 2).clamp(min=0.0).sqrt()


def _jeffreys(one: Tensor, other: Tensor) -> Tensor:
    """Half the sum of both Kullback-Leibler divergences of log-probabilities, in nats."""
    return ((one.exp() - other.exp()) * (one - other)).sum(-1) / 2
