"""Filling masked spans with what an expert says and an anti-expert wouldn't.

Both methods add up logits of a base and its experts. Every choice in which two pieces come within
`TIE` of one another is made again with the text alone in its batch, so that neighbours never count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Span
from trustydetox.steps.differing import differing
from trustydetox.steps.experts import Experts, Row, Voice, load_experts, padded
from trustydetox.steps.infilling import mended
from trustydetox.steps.passages import Passage, combined, passages_of

if TYPE_CHECKING:
    from torch import Tensor

TIE = 2e-3
"""Two logits nearer than this may change places with the batch."""

Suffix = Literal["none", "masked", "original"]


@dataclass(frozen=True)
class _Blanks:
    """A passage as pieces, and which of them are to be filled.

    runs: per span that changes, its range of pieces; spans: where it is in the passage.
    """

    passage: Passage
    ids: tuple[int, ...]
    runs: tuple[range, ...]
    spans: tuple[Span, ...]

    @property
    def places(self) -> list[int]:
        """The pieces to be filled, in order."""
        return [at for run in self.runs for at in run]


@dataclass(frozen=True)
class ExpertInfiller:
    """Each masked piece filled in turn, from left to right, by base plus weighted experts.

    base, experts: denoisers of BART's architecture, from folders or of the Hub; experts may be
        adapters on the base.
    weights: of the experts' logits, in their order; TMaRCo names the toxic one first, so its
        weight is negative.
    suffix: what experts see behind the place: nothing, as TMaRCo does; the text with its masked
        spans masked; or the text as it was, toxic words and all (its `combine_original`).
    candidates: how many of the likeliest first pieces to go on from.
    revisions: of the Hub's models, the commit that is meant.

    After TMaRCo's `rephrase`: base logits come from the original text, so that what was there has
    a say; one piece is replaced by one piece. Departures: whole words are masked, special pieces
    are never filled in, and only the masked spans change. Costs a pass of the base per text and
    one of each expert per masked piece, all texts of a batch together.
    """

    base: str
    experts: Sequence[str]
    weights: Sequence[float] = (-0.5, 0.5)
    suffix: Suffix = "masked"
    candidates: int = 4
    revisions: Mapping[str, str] | None = None
    _experts: Experts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = get_args(Suffix)
        if self.suffix not in known:
            raise ConfigError(
                f"no suffix is called {self.suffix!r}{did_you_mean(self.suffix, known)}"
            )
        if self.candidates < 1:
            raise ConfigError(f"candidates must be at least 1, got {self.candidates}")
        object.__setattr__(self, "_experts", _weighed(self))

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Up to `candidates` candidates per text."""
        return _infilled(self._experts, masked, self._rewrites, whole=True)

    def _rewrites(self, passages: Sequence[Passage]) -> list[tuple[tuple[Rewrite, ...], bool]]:
        """Candidates of each passage, and whether a batch of others can't have changed them."""
        jobs = [_blanks(self._experts, passage) for passage in passages]
        filled = self._filled(jobs)
        return [
            (tuple(dict.fromkeys(_spelt(self._experts, job, ids) for ids in each)), steady)
            for job, (each, steady) in zip(jobs, filled, strict=True)
        ]

    def fill(self, ids: Sequence[int], places: Sequence[int]) -> list[int]:
        """One text as pieces with those in `places` filled, the likeliest way."""
        job = _Blanks(
            Passage(0, MaskedText("", ())), tuple(ids), tuple(range(p, p + 1) for p in places), ()
        )
        ((first, *_), _) = self._filled([job])[0]
        return first

    def _filled(self, jobs: Sequence[_Blanks]) -> list[tuple[list[list[int]], bool]]:
        """Each job's pieces, filled in several ways, and whether no choice was a near tie."""
        base = self._base_logits(jobs)
        ways = [[list(job.ids)] if job.runs else [] for job in jobs]
        steady = [True] * len(jobs)
        for step in range(max((len(job.places) for job in jobs), default=0)):
            open_ = [
                (at, way)
                for at, job in enumerate(jobs)
                if step < len(job.places)
                for way in range(len(ways[at]))
            ]
            rows = [self._row(jobs[at], ways[at][way], step) for at, way in open_]
            for number, scores in self._expert_logits(rows):
                at, way = open_[number]
                scores = scores + base[at][step]
                scores[list(self._experts.special)] = float("-inf")
                most = self.candidates if step == 0 else 1
                values, picks = scores.topk(most + 1)
                gaps = (values[:-1] - values[1:]).tolist()
                steady[at] &= min(gaps) > TIE
                place = jobs[at].places[step]
                first, *others = picks.tolist()[:most]
                for other in others:
                    ways[at].append([*ways[at][way][:place], other, *ways[at][way][place + 1 :]])
                ways[at][way][place] = first
        return list(zip(ways, steady, strict=True))

    def _row(self, job: _Blanks, filled: Sequence[int], step: int) -> Row:
        """What experts see when the piece number `step` is to be filled."""
        place = job.places[step]
        rest: Sequence[int] = job.ids[-1:]
        if self.suffix != "none":
            rest = job.ids[place + 1 :]
        if self.suffix == "masked":
            later = set(job.places[step + 1 :])
            rest = [
                self._experts.blank if place + 1 + at in later else piece
                for at, piece in enumerate(rest)
            ]
        return Row((*filled[:place], self._experts.blank, *rest), place)

    def _base_logits(self, jobs: Sequence[_Blanks]) -> list[list[Tensor]]:
        """What the base expects in each masked place of the original, per job."""
        rows = [Row(job.ids, place) for job in jobs for place in job.places]
        found: list[Any] = [None] * len(rows)
        for batch in self._experts.batches(rows):
            logits = self._experts.base.logits([rows[at] for at in batch], self._experts.padding)
            for at, each in zip(batch, logits, strict=True):
                found[at] = each
        rest = iter(found)
        return [[next(rest) for _ in job.places] for job in jobs]

    def _expert_logits(self, rows: Sequence[Row]) -> Iterator[tuple[int, Tensor]]:
        """The weighted sum of what the experts expect, per row."""
        for batch in self._experts.batches(rows):
            asked = [rows[at] for at in batch]
            several = [
                weight * voice.logits(asked, self._experts.padding)
                for weight, voice in zip(self.weights, self._experts.voices, strict=True)
            ]
            yield from zip(batch, sum(several[1:], several[0]), strict=True)


@dataclass(frozen=True)
class ExpertDecoder:
    """The text written anew by base plus weighted experts, as far as words differ.

    base, experts, revisions: as for `ExpertInfiller`.
    weights: of the experts' logits; the anti-expert's is negative. base_weight: of the base's.
    temperature: divides the base's logits only, as MaRCo's code does.
    repetition: penalty on pieces that stand there already (Keskar et al. 2019), on the sum.
    longest: most pieces of a passage that is written.

    MaRCo (Hallinan et al. 2023): the base reads the text as it was, the experts read it with each
    masked span as one mask, so what comes may be longer or shorter. Greedy. Departures: what is
    written leaves as edits of the words that differ, and special pieces are never written. Costs
    one piece of each network per piece, with what was written kept in memory.
    """

    base: str
    experts: Sequence[str]
    weights: Sequence[float] = (-1.5, 4.25)
    base_weight: float = 1.0
    temperature: float = 2.5
    repetition: float = 1.0
    longest: int = 128
    revisions: Mapping[str, str] | None = None
    _experts: Experts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.temperature <= 0.0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        if self.repetition < 1.0:
            raise ConfigError(f"repetition must be at least 1, got {self.repetition}")
        object.__setattr__(self, "_experts", _weighed(self))

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """At most one candidate per text."""
        return _infilled(self._experts, masked, self._rewrites, whole=True)

    def _rewrites(self, passages: Sequence[Passage]) -> list[tuple[tuple[Rewrite, ...], bool]]:
        jobs = [_blanks(self._experts, passage) for passage in passages]
        written = self.write(
            [job.ids for job in jobs], [_collapsed(job, self._experts.blank) for job in jobs]
        )
        found: list[tuple[tuple[Rewrite, ...], bool]] = []
        for job, (ids, steady) in zip(jobs, written, strict=True):
            text = self._experts.tokenizer.decode(ids, skip_special_tokens=True).strip()
            rewrite = differing(job.passage.masked.text, text)
            found.append(((rewrite,) if text and rewrite.edits else (), steady))
        return found

    def write(
        self, originals: Sequence[Sequence[int]], masked: Sequence[Sequence[int]]
    ) -> list[tuple[list[int], bool]]:
        """The pieces written for each text, and whether no choice was a near tie."""
        import torch

        experts = self._experts
        device = experts.voices[0].network.device
        speakers = [
            _Speaker(experts.base, originals, experts.padding, self.base_weight / self.temperature),
            *(
                _Speaker(voice, masked, experts.padding, weight)
                for voice, weight in zip(experts.voices, self.weights, strict=True)
            ),
        ]
        config = experts.voices[0].network.config
        start, end = config.decoder_start_token_id, config.eos_token_id
        written: list[list[int]] = [[] for _ in originals]
        steady = [True] * len(originals)
        active = list(range(len(originals)))
        given = torch.tensor([[start, config.bos_token_id]] * len(active), device=device)
        never = [each for each in experts.special if each != end]
        with torch.inference_mode():
            while active:
                first, *others = (speaker.next(given) for speaker in speakers)
                scores = self._penalised(sum(others, first), [written[at] for at in active])
                scores[:, never] = float("-inf")
                values, picks = scores.topk(2)
                for row, at in enumerate(active):
                    steady[at] &= bool(values[row, 0] - values[row, 1] > TIE)
                    written[at].append(int(picks[row, 0]))
                going = [
                    row
                    for row, at in enumerate(active)
                    if written[at][-1] != end and len(written[at]) < self.longest
                ]
                if going and len(going) < len(active):
                    for speaker in speakers:
                        speaker.keep(going)
                active = [active[row] for row in going]
                given = picks[going, :1]
        return list(zip(written, steady, strict=True))

    def _penalised(self, scores: Tensor, written: Sequence[Sequence[int]]) -> Tensor:
        from torch import where

        for row, pieces in enumerate(written if self.repetition > 1.0 else ()):
            seen = sorted(set(pieces))
            old = scores[row, seen]
            scores[row, seen] = where(old > 0.0, old / self.repetition, old * self.repetition)
        return scores


class _Speaker:
    """A voice that reads one text per row and is told piece by piece what was written."""

    def __init__(
        self, voice: Voice, texts: Sequence[Sequence[int]], padding: int, weight: float
    ) -> None:
        import torch

        self.voice, self.weight = voice, weight
        network = voice.speaking()
        ids, self.mask = padded(texts, padding, network.device)
        with torch.inference_mode():
            self.states = network.get_encoder()(
                input_ids=ids, attention_mask=self.mask
            ).last_hidden_state
        self.written: Any = None

    def next(self, pieces: Tensor) -> Tensor:
        """Weighted logits of the next piece, (rows, vocabulary), after these were written."""
        output = self.voice.speaking()(
            encoder_outputs=(self.states,),
            attention_mask=self.mask,
            decoder_input_ids=pieces,
            past_key_values=self.written,
            use_cache=True,
        )
        self.written = output.past_key_values
        logits: Tensor = output.logits[:, -1].float()
        return self.weight * logits

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        from torch import tensor

        kept = tensor(rows, device=self.mask.device)
        self.states, self.mask = self.states[kept], self.mask[kept]
        self.written.batch_select_indices(kept)


def _weighed(step: ExpertInfiller | ExpertDecoder) -> Experts:
    experts = load_experts(step.base, step.experts, step.revisions)
    if len(step.weights) != len(experts.voices):
        raise ConfigError(
            f"expected a weight for each of {len(experts.voices)} experts, got {len(step.weights)}"
        )
    return experts


def _infilled(
    experts: Experts, masked: Sequence[MaskedText], rewrites: Any, *, whole: bool
) -> list[tuple[Rewrite, ...]]:
    """Candidates per text from those of its passages; unsteady passages are done again alone."""

    def fits(text: str) -> bool:
        return len(experts.tokenizer.encode(_readable(text)).ids) <= experts.window

    cut = [passages_of(one, fits, whole=whole) or [] for one in masked]
    every = [passage for each in cut for passage in each]
    found: list[tuple[Rewrite, ...]] = []
    for start in range(0, len(every), _PASSAGES):
        batch = every[start : start + _PASSAGES]
        for passage, (several, steady) in zip(batch, rewrites(batch), strict=True):
            found.append(several if steady or len(batch) == 1 else rewrites([passage])[0][0])
    rest = iter(found)
    return [
        combined(one, each, [next(rest) for _ in each])
        for one, each in zip(masked, cut, strict=True)
    ]


_PASSAGES = 64  # passages that are filled together


def _readable(text: str) -> str:
    # A lone surrogate, which the tokenizer refuses, reads as a question mark.
    return text.encode("utf-8", "replace").decode("utf-8")


def _blanks(experts: Experts, passage: Passage) -> _Blanks:
    """A passage as pieces; a span grows to the borders of the pieces that it touches."""
    text = passage.masked.text
    encoding = experts.tokenizer.encode(_readable(text))
    runs: list[range] = []
    spans: list[Span] = []
    for span in passage.masked.masked:
        inside = [
            at
            for at, (start, end) in enumerate(encoding.offsets)
            if start < span.end and end > span.start
        ]
        if not inside:
            continue
        first, last = inside[0], inside[-1] + 1
        grown = Span(
            min(span.start, _behind_space(text, *encoding.offsets[first])),
            max(span.end, encoding.offsets[last - 1][1]),
        )
        if runs and first < runs[-1].stop:
            runs[-1] = range(runs[-1].start, max(last, runs[-1].stop))
            spans[-1] = Span(spans[-1].start, max(grown.end, spans[-1].end))
        else:
            runs.append(range(first, last))
            spans.append(grown)
    return _Blanks(passage, tuple(encoding.ids), tuple(runs), tuple(spans))


def _behind_space(text: str, start: int, end: int) -> int:
    while start < end - 1 and text[start].isspace():
        start += 1
    return start


def _collapsed(job: _Blanks, blank: int) -> list[int]:
    """The pieces with one mask for each span."""
    ids: list[int] = []
    at = 0
    for run in job.runs:
        ids += [*job.ids[at : run.start], blank]
        at = run.stop
    return [*ids, *job.ids[at:]]


def _spelt(experts: Experts, job: _Blanks, ids: Sequence[int]) -> Rewrite:
    """The passage with what was filled in; its original where nothing sensible was."""
    new = [
        experts.tokenizer.decode([ids[at] for at in run], skip_special_tokens=True).strip()
        for run in job.runs
    ]
    rewrite = None
    if not any("\ufffd" in each for each in new):  # a part of a character
        rewrite = mended(job.passage.masked.text, job.spans, new)
    return rewrite or Rewrite(job.passage.masked.text, ())
