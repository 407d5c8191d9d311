"""Scorers: whether a text is toxic, as an absolute, calibrated probability."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from trustydetox.errors import ConfigError, ModelError, did_you_mean
from trustydetox.records import Attribution, Toxicity
from trustydetox.roles import TIE, Attributor, Scorer
from trustydetox.steps.asking import Endpoint
from trustydetox.steps.classifying import (
    HIGHEST,
    Classifier,
    Tagger,
    load_classifier,
    load_tagger,
)
from trustydetox.steps.sentences import LONG, MANY, require_surer, said_in, sure_in
from trustydetox.steps.viewing import View
from trustydetox.steps.windowing import Judging, ViewOf, read

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class EncoderScorer:
    """Probability by an encoder; a long text is as toxic as its worst window.

    Costs one forward pass per window of 128 tokens.
    """

    guide: Judging
    view: ViewOf

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, with the network's labels."""
        return _judged(self.guide, self.view, texts)


@dataclass(frozen=True)
class ClassifierScorer:
    """Probability by any sequence classifier, from a folder or the Hub.

    model, revision: a folder, or an id of the Hub and the commit that is meant.
    labels: each label of the model -> `toxic` or `clean`; a set that isn't the model's is refused.
    multi_label: whether labels are judged apart; without it, what the model's configuration says.
    overall: the rule for the overall probability. Of labels that share one, it is the sum of the
        toxic ones. Of labels judged apart, it is the `highest` toxic one's, or that of the label
        named here.

    A probability is as well calibrated as the model. A long text is as toxic as its worst window
    of up to 512 tokens; costs one forward pass per window.
    """

    model: str
    labels: Mapping[str, str]
    revision: str | None = None
    multi_label: bool | None = None
    overall: str = HIGHEST
    view: ViewOf = View.of
    guide: Classifier = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        guide = load_classifier(
            self.model,
            self.labels,
            self.revision,
            multi_label=self.multi_label,
            overall=self.overall,
        )
        object.__setattr__(self, "guide", guide)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, with the probability of each label."""
        return _judged(self.guide, self.view, texts)


@dataclass(frozen=True)
class TokenClassifierScorer:
    """Probability of a text's worst token by any token classifier; it marks words too.

    model, revision, labels: as for `ClassifierScorer`. Named `recipe` as its marker, the
    attributor `token-head` uses the same network.
    """

    model: str
    labels: Mapping[str, str]
    revision: str | None = None
    view: ViewOf = View.of
    guide: Tagger = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "guide", load_tagger(self.model, self.labels, self.revision))

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, without labels; a text without words has next to none."""
        return _judged(self.guide, self.view, texts)


@dataclass(frozen=True, kw_only=True)
class WorstSentence:
    """The toxicity by another scorer; a long text is at most as toxic as its worst sentence.

    Sentences that are harmless one by one add up: of 33 long comments that people found harmless
    the embedded guide alone calls 26 toxic, and 14 with this limit (jigsaw_sample_demo). And the
    more sentences there are, the likelier one looks toxic by chance, so that a long text's odds
    may be divided: of 482 long harmless comments of jigsaw_sample_demo and jigsaw_sample_detoxify
    22.6 % are found toxic without and 13.7 % with `sure` at 0.7, of 52 toxic ones 90 and 81 %.
    Of 3,072 chats of lm_self_dialogue `mini` found 41 of 13 sentences and more toxic, 31 once no
    word lifts such a text (see `Attributed`), and finds 27 with `surer` at 0.8; of 22 comments as
    long of civil_comments_toxic_half 19, 19 and 18.

    above: texts that `scorer` finds less toxic than this aren't read by sentences.
    long: from how many sentences on a text is.
    sure: the toxicity of the worst sentence at which a long text is as likely toxic as not; 0.5
        leaves its odds as they are. Labels, which have thresholds of their own, stay.
    surer: the same for the worst sentence of a text of `MANY`; None is `sure`. The text itself, in
        which calm sentences water down the worst, is held to `sure` there too.

    Costs `scorer` a second pass over the long texts that it finds toxic.
    """

    scorer: Scorer
    above: float = 0.3
    long: int = LONG
    sure: float = 0.5
    surer: float | None = None

    def __post_init__(self) -> None:
        if not 0.5 <= self.sure < 1.0:
            raise ConfigError(f"sure must be in [0.5, 1), got {self.sure}")
        require_surer(self.sure, self.surer)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, no label over the one of the sentence where it is the highest."""
        found = self.scorer.score(texts)
        said = {
            i: spans for i, text in enumerate(texts) if len(spans := said_in(text)) >= self.long
        }
        read = {i: spans for i, spans in said.items() if self._is_above(texts[i], found[i])}
        parts = [span.of(texts[i]) for i, spans in read.items() for span in spans]
        scores = iter(self.scorer.score(parts))
        for i, spans in said.items():
            whole = _doubted(found[i], self.sure)
            if i in read:
                sure = sure_in(len(spans), self.sure, self.surer)
                whole = _capped(whole, [_doubted(next(scores), sure) for _ in spans])
            found[i] = whole
        return found

    def _is_above(self, text: str, score: Toxicity) -> bool:
        # Float noise of the batch must not choose.
        if abs(score.overall - self.above) <= TIE:
            (score,) = self.scorer.score([text])
        return score.overall >= self.above


@dataclass(frozen=True)
class Attributed:
    """The toxicity by another scorer, in doubt where no word accounts for it, surer where one does.

    A scorer also learns which groups of people insults are about, and then finds a kind word about
    a group toxic. An attributor that was taught by marked words has no word to point at there: of
    the 57 such statements that `mini` took for toxic (of 1,314, about groups that no training text
    is made up of) 36 had none, and of 1,925 toxic rows of fourteen sources 43. What has no such
    word can't be mended by words either.

    least: the weight from which on a word accounts for toxicity.
    sure: texts of one half and more, and of less than this, are asked about; one without such a
        word is as likely toxic as not at `sure` (its odds are divided).
    likely, convincing: texts of `likely` and more, and of less than one half, are asked about too;
        one with a word that weighs `convincing` or more counts as one half. Single letters, which
        no masker masks alone, don't convince. Of dev rows of nine labelled sources that have such a
        word people found 80 of 121 toxic where the embedded guide says 0.4 to 0.5, 54 of 84 where
        it says 0.3 to 0.4, and 23 of 46 where 0.2 to 0.3.

    Texts of `MANY` sentences aren't asked about below one half: of 893 such chats of
    lm_self_dialogue 12 are from 0.3 to 0.5, all have such a word, and one means a person.

    For thresholds of one half and more: under it a text in doubt may stand below a milder one that
    isn't asked about. Costs one pass of the attributor over the texts in question.
    """

    scorer: Scorer
    attributor: Attributor
    least: float
    sure: float = 0.8
    likely: float = 0.5
    convincing: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 < self.likely <= 0.5 <= self.sure < 1.0:
            raise ConfigError(
                "expected 0 < likely <= 0.5 <= sure < 1, got likely "
                f"{self.likely} and sure {self.sure}"
            )
        if self.likely < 0.5 and not self.least <= self.convincing:
            raise ConfigError(
                f"convincing must be at least {self.least}, as least is, got {self.convincing}"
            )

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text; labels, which have thresholds of their own, stay."""
        found = self.scorer.score(texts)
        borders = (self.likely, 0.5, self.sure)
        for i, score in enumerate(found):
            # Float noise of the batch must not choose.
            if min(abs(score.overall - border) for border in borders) <= TIE:
                (found[i],) = self.scorer.score([texts[i]])
        asked = [
            i
            for i, score in enumerate(found)
            if 0.5 <= score.overall < self.sure
            or (self.likely <= score.overall < 0.5 and len(said_in(texts[i])) < MANY)
        ]
        weighed = self.attributor.attribute([texts[i] for i in asked]) if asked else []
        for i, attribution in zip(asked, weighed, strict=True):
            if found[i].overall < 0.5:
                if self._reaches(attribution, self.convincing, shortest=2):
                    found[i] = replace(found[i], overall=0.5)
            elif not self._reaches(attribution, self.least):
                found[i] = _doubted(found[i], self.sure)
        return found

    def _reaches(self, attribution: Attribution, limit: float, *, shortest: int = 1) -> bool:
        """Whether a word of `shortest` characters or more weighs as much."""

        def strongest(one: Attribution) -> float:
            weights = zip(one.units, one.weights, strict=True)
            return max((w for unit, w in weights if len(unit) >= shortest), default=-math.inf)

        if abs(strongest(attribution) - limit) <= TIE:
            (attribution,) = self.attributor.attribute([attribution.text])
        return strongest(attribution) >= limit


def _doubted(score: Toxicity, sure: float) -> Toxicity:
    """The toxicity with its odds divided by those of `sure`."""
    odds = score.overall * (1.0 - sure)
    return Toxicity(odds / (odds + (1.0 - score.overall) * sure), score.by_label)


def _capped(whole: Toxicity, sentences: Sequence[Toxicity]) -> Toxicity:
    """The toxicity of a text, nowhere over the highest of its sentences."""
    # A sentence that a gate found clean has no labels.
    by_label = {
        label: min(value, max(one.by_label.get(label, 0.0) for one in sentences))
        for label, value in whole.by_label.items()
    }
    return Toxicity(min(whole.overall, max(one.overall for one in sentences)), by_label)


@dataclass(frozen=True)
class Ensemble:
    """What several scorers say together.

    rule: `mean`, `highest` (any may raise the alarm) or `lowest` (all must agree). A label's
        probability is that of the scorers that have it, by the same rule.
    """

    scorers: Sequence[Scorer]
    rule: str = "mean"

    def __post_init__(self) -> None:
        if not self.scorers:
            raise ConfigError("an ensemble needs at least one scorer")
        if self.rule not in _RULES:
            raise ConfigError(f"no rule is called {self.rule!r}{did_you_mean(self.rule, _RULES)}")

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, with the labels of all scorers."""
        columns = [scorer.score(texts) for scorer in self.scorers]
        return [self._together(several) for several in zip(*columns, strict=True)]

    def _together(self, several: Sequence[Toxicity]) -> Toxicity:
        join = _RULES[self.rule]
        labels = dict.fromkeys(label for one in several for label in one.by_label)
        return Toxicity(
            join([one.overall for one in several]),
            {
                label: join([one.by_label[label] for one in several if label in one.by_label])
                for label in labels
            },
        )


_RULES: Mapping[str, Callable[[list[float]], float]] = {
    "mean": fmean,
    "highest": max,
    "lowest": min,
}


@dataclass(frozen=True)
class RecordedScores:
    """Scores that a data set already has, by text; another scorer answers for all other texts.

    path: a Parquet, CSV or JSON Lines file.
    text, toxicity: its columns; a toxicity must be in [0, 1].
    scorer: asked for texts that aren't in the file, which every rewrite is.

    Of a text that stands there twice the higher score counts. In memory it holds a hash per text.
    """

    path: str
    scorer: Scorer
    text: str = "text"
    toxicity: str = "toxicity"
    _known: Mapping[bytes, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known: dict[bytes, float] = {}
        for number, (text, score) in enumerate(_columns(Path(self.path), self.text, self.toxicity)):
            if text is None or score is None:
                continue
            if not 0.0 <= score <= 1.0:
                raise ConfigError(
                    f"{self.path}, row {number}: {self.toxicity} must be in [0, 1], got {score}"
                )
            key = _digest(text)
            known[key] = max(score, known.get(key, score))
        object.__setattr__(self, "_known", known)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text; recorded ones have no labels."""
        recorded = [self._known.get(_digest(text)) for text in texts]
        new = [text for text, score in zip(texts, recorded, strict=True) if score is None]
        others = iter(self.scorer.score(new) if new else [])
        return [next(others) if score is None else Toxicity(score) for score in recorded]


@dataclass(frozen=True)
class ModerationScorer:
    """Probability by an OpenAI-compatible moderation endpoint. **Texts are sent there.**

    url, key: the endpoint, and the name of the environment variable that holds its key.
    model: the name by which the endpoint knows it.
    labels: which of its categories count; without them, all. The highest is the overall score.
    """

    url: str
    model: str
    key: str | None = None
    labels: Sequence[str] = ()
    batch: int = 32

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, by category; costs one request per `batch` texts."""
        endpoint = Endpoint(self.url, self.key)
        found: list[Toxicity] = []
        for start in range(0, len(texts), self.batch):
            part = list(texts[start : start + self.batch])
            answer = endpoint.ask("moderations", {"model": self.model, "input": part})
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != len(part):
                raise ModelError(
                    f"{self.url} answered without a result for each of {len(part)} texts"
                )
            found += [self._toxicity(result) for result in results]
        return found

    def _toxicity(self, result: Any) -> Toxicity:
        try:
            scores = {str(name): float(p) for name, p in result["category_scores"].items()}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{self.url} answered without category_scores") from error
        unknown = set(self.labels) - set(scores)
        if unknown or not scores:
            raise ConfigError(
                f"{self.url} knows no category {', '.join(sorted(unknown))}; it has "
                f"{', '.join(scores)}"
            )
        return Toxicity(max(scores[name] for name in self.labels or scores), scores)


@dataclass(frozen=True)
class GuardScorer:
    """Whether a guard model behind a chat endpoint calls a text unsafe. **Texts are sent there.**

    url, key, model: as for `ModerationScorer`. unsafe: how its verdict begins where it does so,
        in any case.
    The probability is that of its first word where the endpoint gives it, else 0 or 1.
    """

    url: str
    model: str
    key: str | None = None
    unsafe: str = "unsafe"

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, without labels; costs one request per text that says anything."""
        return [self._one(text) if text.strip() else Toxicity(0.0) for text in texts]

    def _one(self, text: str) -> Toxicity:
        question = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            "temperature": 0,
            "max_tokens": 16,
            "logprobs": True,
            "top_logprobs": 5,
        }
        answer = Endpoint(self.url, self.key).ask("chat/completions", question)
        unsafe = self.unsafe.strip().lower()
        try:
            choice = answer["choices"][0]
            said = str(choice["message"]["content"]).strip().lower()
            pieces = (choice.get("logprobs") or {}).get("content") or ()
            # Guards begin with line breaks: the verdict is the first piece that isn't blank.
            first: dict[str, Any] = next((each for each in pieces if each["token"].strip()), {})
            tops = first.get("top_logprobs") or ()
            chances = [
                math.exp(each["logprob"])
                for each in tops
                if each["token"].strip() and unsafe.startswith(each["token"].strip().lower())
            ]
        except (LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"{self.url} answered without a verdict") from error
        return Toxicity(min(1.0, sum(chances)) if tops else float(said.startswith(unsafe)))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _columns(path: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    import pyarrow
    from pyarrow import csv, json, parquet

    def read_csv(path: Path) -> pyarrow.Table:
        # Without this a line break in a text ends its row wherever a block of the file ends.
        return csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))

    readers = {".parquet": parquet.read_table, ".csv": read_csv, ".jsonl": json.read_json}
    if path.suffix not in readers:
        raise ConfigError(f"{path}: recorded scores must be in one of {', '.join(readers)}")
    try:
        table = readers[path.suffix](path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(
            f"can't read recorded scores from {path}: {type(error).__name__}"
        ) from error
    for name in names:
        if name not in table.column_names:
            raise ConfigError(
                f"{path} has no column {name!r}{did_you_mean(name, table.column_names)}"
            )
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def _judged(guide: Judging, view: ViewOf, texts: Sequence[str]) -> list[Toxicity]:
    import torch

    def probabilities(ids: Tensor, mask: Tensor) -> Tensor:
        with torch.inference_mode():
            return guide.probabilities(ids, mask)

    worst: list[list[float]] = [[0.0] * (1 + len(guide.labels)) for _ in texts]
    for window, row in read(guide, [view(text).text for text in texts], probabilities):
        worst[window.text] = list(map(max, worst[window.text], row))
    return [
        Toxicity(overall, dict(zip(guide.labels, labels, strict=True)))
        for overall, *labels in worst
    ]


class Ngrams(Protocol):
    """A linear model over hashed character n-grams; see `ngram_slots` for the hash."""

    @property
    def weights(self) -> NDArray[numpy.float32]: ...  # noqa: D102
    @property
    def bias(self) -> float: ...  # noqa: D102
    @property
    def lengths(self) -> tuple[int, int]: ...  # noqa: D102


@dataclass(frozen=True)
class NgramScorer:
    """Probability by a linear model over hashed character n-grams of the view.

    Another architecture than the encoder, so that it errs elsewhere. A long text is scored in
    overlapping pieces of `piece` words and is as toxic as its worst piece.
    """

    ngrams: Ngrams
    view: ViewOf
    piece: int = 60

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text, without labels; about 0.1 ms per 100 characters."""
        return [Toxicity(max(map(self._one, self._pieces(self.view(text).text)))) for text in texts]

    def _pieces(self, text: str) -> list[str]:
        words = text.split()
        step = self.piece * 3 // 4
        last = max(len(words) - self.piece + step, 1)
        return [" ".join(words[at : at + self.piece]) for at in range(0, last, step)]

    def _one(self, text: str) -> float:
        import numpy

        slots = ngram_slots(text, self.ngrams.lengths, len(self.ngrams.weights))
        if not slots:
            return 0.0
        total = float(self.ngrams.weights[numpy.array(slots)].sum(dtype=numpy.float64))
        logit = total / math.sqrt(len(slots)) + self.ngrams.bias
        return 1 / (1 + math.exp(-max(min(logit, 60.0), -60.0)))


def ngram_slots(text: str, lengths: tuple[int, int], size: int) -> list[int]:
    """Slots of the distinct n-grams of the lower-cased words of `text`, sorted.

    An n-gram stays inside a word padded with one space on each side; its slot is the CRC-32 of
    its UTF-8 bytes modulo `size`. Training and scoring share this function.
    """
    shortest, longest = lengths
    grams: set[str] = set()
    for word in set(text.lower().split()):
        # A word without end would take memory without end; none that people write is as long.
        padded = f" {word[:64]} "
        for size_of in range(shortest, longest + 1):
            grams.update(padded[i : i + size_of] for i in range(len(padded) - size_of + 1))
    return sorted({zlib.crc32(gram.encode("utf-8", "replace")) % size for gram in grams})
