"""TMaRCo with TrustyAI's methods, on the steps of this package: change one import.

from trustydetox.tmarco import TMaRCo   # was: from trustyai.language.detoxify import TMaRCo
tmarco = TMaRCo(expert_weights=[-1, 2])
tmarco.load_models(["trustyai/gminus", "trustyai/gplus"])
tmarco.rephrase(["…"])
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError, require_extra
from trustydetox.records import MaskedText
from trustydetox.spans import Span, merge

if TYPE_CHECKING:
    from trustydetox.roles import Scorer
    from trustydetox.steps.diverging import ExpertDivergence
    from trustydetox.steps.filling import ExpertInfiller

DEFAULT_MODEL = "facebook/bart-large"
DEFAULT_EXPERTS = ("trustyai/gminus", "trustyai/gplus")
MASK = "<mask>"


class TMaRCo:
    """Masks the words on which experts disagree and fills them in anew.

    base_model: a denoiser of BART's architecture, a folder or an id of the Hub; its tokenizer is
        used. expert_weights: one per expert, the toxic one's negative.
    tokenizer, max_length, model_type, device: TrustyAI's; only their defaults are taken.
    gate: a scorer; without it, recipe `mini`'s. gate_threshold: below it a text stays as it is.
    strict_compat: behave as TrustyAI's code (commit 1e57d0e) where the list below says so.

    Known faults of that code, each fixed here:

    - Its scores are divided by their mean, so it edits clean texts and no one-piece text. *Fixed by
      the gate and a whole-word mask; strict_compat takes the gate away.*
    - It masks pieces, so half words; *strict_compat does so too*. Its score puts a padding piece
      before each mask; *strict_compat does so too*.
    - Its experts see nothing behind a mask, or the toxic original; *strict_compat does so too*,
      else they see the text with its masks. The exception for the last two places is gone.
    - Equal experts gave NaN; now 0. `rephrase` ignored its threshold, and `masks` given to it were
      read by position; now they are read by what stands around them. A literal `<mask>` crashed.
    - Tokenizing and joining lost bytes; now only masked spans change. *strict_compat joins.*
    - `use_logits=False` compared lists of different pieces: refused. `compute_probs=True` used
      logits as factors; as weighted log-probabilities it chooses what logits choose, so it does.
    - `rephrase_incrementally` read a text letter by letter, and its end was the wrong way round.
    - `reflect` gave every text the first one's prompt, asked one question twice and spelt words
      without their first letter. `train_models` trained copying: see `train_models`.
    - Memory grew with the square of a text, and one text was read at a time: texts share batches
      now. A text of more than 512 pieces is refused here; recipes take it in windows.
    - Any id with a local folder of that name was read from there, others as causal models; experts
      and weights were shared by all objects.
    """

    def __init__(
        self,
        base_model: str | None = None,
        expert_weights: Sequence[float] | None = None,
        tokenizer: str | None = None,
        max_length: int = 150,
        model_type: str = "seq2seq_lm",
        device: str | None = None,
        *,
        gate: Scorer | None = None,
        gate_threshold: float = 0.5,
        strict_compat: bool = False,
    ) -> None:
        if tokenizer is not None or device is not None:
            raise ConfigError("tokenizer and device come with the model; leave them out")
        if model_type != "seq2seq_lm":
            raise ConfigError(
                f"model_type {model_type!r} has no place for a mask; the experts are seq2seq_lm"
            )
        self.base_model = base_model or DEFAULT_MODEL
        self.expert_weights = list(expert_weights or (-0.5, 0.5))
        self.experts: list[str] = []
        self.gate_threshold = gate_threshold
        self.strict_compat = strict_compat
        self._gate = gate

    def load_models(
        self, experts: Sequence[str] | None = None, expert_weights: Sequence[float] | None = None
    ) -> None:
        """Name the experts, the toxic one first, and read them from disk."""
        if expert_weights is not None:
            self.expert_weights = list(expert_weights)
        self.experts = list(experts or DEFAULT_EXPERTS)
        self._divergence(normalise=True)

    def score(
        self,
        sentences: Sequence[str],
        use_logits: bool = True,
        normalize: bool = True,
    ) -> list[list[float]]:
        """One number per piece of each sentence; normalised, a sentence's mean is 1."""
        _require_sentences(sentences)
        if not use_logits:
            raise ConfigError("use_logits=False compares lists of different pieces; leave it out")
        return self._divergence(normalise=normalize).by_piece(sentences)

    def mask(
        self,
        sentences: Sequence[str],
        threshold: float = 1.2,
        normalize: bool = True,
        use_logits: bool = True,
        scores: Sequence[Sequence[float]] | None = None,
    ) -> list[str]:
        """The sentences with `<mask>` for each word, or piece, that is above the threshold."""
        found = self._masked(sentences, threshold, normalize, use_logits, scores)
        return [
            "".join(MASK if is_masked else part for part, is_masked in _parts(one)) for one in found
        ]

    def rephrase(
        self,
        originals: Sequence[str],
        scores: Sequence[Sequence[float]] | None = None,
        masked_outputs: Sequence[str] | None = None,
        compute_probs: bool = False,
        combine_original: bool = False,
        expert_weights: Sequence[float] | None = None,
        conditional: bool = True,
        threshold: float = 1.2,
    ) -> list[str]:
        """The originals with their masked spans filled in; unchanged where none is masked.

        masked_outputs: what `mask` gave, else it is asked with `threshold`.
        conditional: leave a text alone of which no piece is above the threshold.
        """
        _require_sentences(originals)
        if masked_outputs is not None:
            masked = [
                _aligned(original, given, number)
                for number, (original, given) in enumerate(
                    zip(originals, masked_outputs, strict=True)
                )
            ]
        else:
            masked = self._masked(originals, threshold, True, True, scores)
        if conditional and scores is not None:
            masked = [
                one if max(each, default=0.0) > threshold else MaskedText(one.text, ())
                for one, each in zip(masked, scores, strict=True)
            ]
        infiller = self._infiller(expert_weights, combine_original)
        if self.strict_compat:
            return [self._joined(infiller, one) if one.masked else one.text for one in masked]
        return [
            candidates[0].text if candidates else one.text
            for one, candidates in zip(masked, infiller.infill(masked), strict=True)
        ]

    def rephrase_incrementally(
        self, text: str, threshold: float = 1.2, max_attempts: int = 10
    ) -> str:
        """The text rephrased again and again, until nothing is masked or nothing changes."""
        for _ in range(max_attempts):
            (rephrased,) = self.rephrase([text], threshold=threshold)
            if rephrased == text:
                break
            text = rephrased
        return text

    def reflect(
        self,
        texts: Sequence[str],
        threshold: float = 1.2,
        *,
        chat_model: str,
        url: str | None = None,
        key: str | None = None,
        chain_of_thought: bool = False,
    ) -> list[str]:
        """The texts as a chat model rewrites them, told which words are masked.

        chat_model: a folder or an id of the Hub, or with `url` the name by which an endpoint knows
        it; see `ChatInfiller`, whose frame stands in place of TrustyAI's prompts.
        chain_of_thought: in turns, with the rephrased text as a draft.
        """
        from trustydetox.steps.chatting import ChatInfiller

        masked = self._masked(texts, threshold, True, True, None)
        drafts = self._infiller(None, False) if chain_of_thought else None
        chat = ChatInfiller(
            chat_model, url, key, prompt="reflect" if drafts else "plain", infiller=drafts
        )
        return [
            candidates[0].text if candidates else one.text
            for one, candidates in zip(masked, chat.infill(masked), strict=True)
        ]

    def train_models(
        self,
        dataset_name: str,
        perc: int = 100,
        expert_feature: str = "toxic",
        content_feature: str = "comment_text",
        model_prefix: str = "g_",
        *,
        lora: bool = True,
        steps: int = 5000,
    ) -> dict[str, float]:
        """Train an expert on each side, use both, and give exp(loss) per side, held back.

        dataset_name: a file as `clean` reads it. expert_feature: 1 is toxic, 0 is not, anything
        else (Jigsaw's -1) is left out. perc: share of its rows to use, the first ones.

        Trained is denoising, as MaRCo does; TrustyAI's trained copying, on blocks of 128 pieces
        with what was left over thrown away.
        """
        from trustydetox.training.denoising import Denoising, train_expert

        require_extra("peft", "train_models", "train")
        sides: dict[str, list[str]] = {"minus": [], "plus": []}
        rows = list(_rows(dataset_name, content_feature, expert_feature))
        for text, label in rows[: max(1, len(rows) * perc // 100)]:
            if label in (0, 1) and text.strip():
                sides["minus" if label else "plus"].append(text)
        settings = Denoising(self.base_model, lora=lora, steps=steps, every=max(1, steps // 10))
        found = {}
        for name, texts in sides.items():
            back = max(1, len(texts) // 20)
            folder = Path(f"{model_prefix}{name}")
            learned = train_expert(texts[back:], texts[:back], folder, settings, _silent)
            found[name] = math.exp(learned.after)
        self.load_models([f"{model_prefix}{name}" for name in sides])
        return found

    @cached_property
    def _scorer(self) -> Scorer:
        if self._gate is not None:
            return self._gate
        from trustydetox.recipes import load_recipe

        return load_recipe("mini").scorer

    def _divergence(self, *, normalise: bool) -> ExpertDivergence:
        from trustydetox.steps.diverging import ExpertDivergence

        if not self.experts:
            raise ConfigError("no experts yet: call load_models first")
        return ExpertDivergence(
            self.base_model, tuple(self.experts), normalise=normalise, lead=self.strict_compat
        )

    def _infiller(self, weights: Sequence[float] | None, combine_original: bool) -> ExpertInfiller:
        from trustydetox.steps.filling import ExpertInfiller, Suffix

        if not self.experts:
            raise ConfigError("no experts yet: call load_models first")
        suffix: Suffix = "masked"
        if self.strict_compat:
            suffix = "original" if combine_original else "none"
        return ExpertInfiller(
            self.base_model,
            tuple(self.experts),
            tuple(weights or self.expert_weights),
            suffix,
            candidates=1,
        )

    def _masked(
        self,
        sentences: Sequence[str],
        threshold: float,
        normalise: bool,
        use_logits: bool,
        scores: Sequence[Sequence[float]] | None,
    ) -> list[MaskedText]:
        _require_sentences(sentences)
        if scores is None:
            scores = self.score(sentences, use_logits, normalise)
        tokenizer = self._divergence(normalise=normalise)._experts.tokenizer
        found = []
        toxic = self._toxic(sentences)
        for text, values, is_toxic in zip(sentences, scores, toxic, strict=True):
            offsets = tokenizer.encode(text).offsets[1:-1]
            if len(offsets) != len(values):
                raise ConfigError(f"a text of {len(offsets)} pieces came with {len(values)} scores")
            spans = [
                _behind_space(text, start, end)
                for (start, end), value in zip(offsets, values, strict=True)
                if value > threshold and text[start:end].strip()
            ]
            if not self.strict_compat:
                spans = list(merge(_whole_word(text, span) for span in spans))
            found.append(MaskedText(text, tuple(_distinct(spans)) if is_toxic else ()))
        return found

    def _toxic(self, sentences: Sequence[str]) -> list[bool]:
        if self.strict_compat or not sentences:
            return [True] * len(sentences)
        return [one.overall >= self.gate_threshold for one in self._scorer.score(sentences)]

    def _joined(self, infiller: ExpertInfiller, masked: MaskedText) -> str:
        """The whole text as the tokenizer joins its pieces."""
        experts = infiller._experts
        encoding = experts.tokenizer.encode(masked.text)
        places = [
            at
            for at, (start, end) in enumerate(encoding.offsets)
            if any(start < span.end and end > span.start for span in masked.masked)
        ]
        filled = infiller.fill(encoding.ids, places)
        return str(experts.tokenizer.decode(filled, skip_special_tokens=True)).strip()


def _require_sentences(sentences: Sequence[str]) -> None:
    if isinstance(sentences, str):
        raise ConfigError("expected a list of texts, got one str: its letters would be texts")


def _behind_space(text: str, start: int, end: int) -> Span:
    while text[start].isspace():
        start += 1
    return Span(start, end)


def _whole_word(text: str, span: Span) -> Span:
    start, end = span.start, span.end
    while start > 0 and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return Span(start, end)


def _distinct(spans: Sequence[Span]) -> Iterator[Span]:
    """Spans without those that start before the last one ended: pieces of one character."""
    end = 0
    for span in spans:
        if span.start >= end:
            yield span
            end = span.end


def _parts(masked: MaskedText) -> Iterator[tuple[str, bool]]:
    at = 0
    for span in masked.masked:
        yield masked.text[at : span.start], False
        yield span.of(masked.text), True
        at = span.end
    yield masked.text[at:], False


def _aligned(original: str, given: str, number: int) -> MaskedText:
    """Which spans of the original stand as masks in `given`, by what stands around them."""
    parts = [re.escape(part) for part in re.split(rf"(?:{MASK})+", given)]
    found = re.fullmatch("(.+?)".join(parts), original, re.DOTALL)
    if found is None:
        raise ConfigError(f"masked_outputs[{number}] isn't originals[{number}] with masks in it")
    spans = [Span(*found.span(group)) for group in range(1, len(parts))]
    return MaskedText(original, tuple(_trimmed(original, span) for span in spans))


def _trimmed(text: str, span: Span) -> Span:
    part = span.of(text)
    stripped = part.strip()
    if not stripped:
        return span
    start = span.start + part.index(stripped)
    return Span(start, start + len(stripped))


def _rows(path: str, text: str, label: str) -> Iterator[tuple[str, float]]:
    from trustydetox.errors import InputError, did_you_mean
    from trustydetox.rows import open_reader

    reader = open_reader(path)
    try:
        for row in reader.rows():
            for column in (text, label):
                if not row.error and column not in row.values:
                    near = did_you_mean(column, row.values)
                    raise InputError(f"{path}, row {row.number}, has no column {column!r}{near}")
            values: Any = {} if row.error else row.values
            try:
                yield str(values[text]), float(values[label])
            except (KeyError, TypeError, ValueError):
                continue
    finally:
        reader.close()


def _silent(line: str) -> None:
    """Training says nothing: a library doesn't print."""
