"""The pipeline: gate, attribute, mask, infill, check, and what happens where nothing passes.

It knows the roles only; which steps play them is a recipe's choice.

Scores of one text differ by float noise with the batch it is scored in. So that no record depends
on batch size or neighbours, every choice that such noise could turn is made on values computed
alone, in a batch of one: see `is_unsettled`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from typing import Literal, TypeVar, get_args

from trustydetox.errors import ConfigError, ContractError, did_you_mean
from trustydetox.records import (
    Attempt,
    Attribution,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
    Veto,
)
from trustydetox.roles import (
    TIE,
    Attributor,
    Check,
    Infiller,
    Masker,
    Scorer,
    ScoringCheck,
    SparingMasker,
    SteadyMasker,
)
from trustydetox.spans import Edit, Span, apply_edits, compose, merge, minimal, overlapping, sources

Fallback = Literal["drop", "redact", "keep"]

ROUNDING = 2e-5
"""Relative distance to a border of rounding within which a value is computed alone."""

SPARED = "spared"
"""Why a toxic text is unresolved of which a rule keeps every toxic span: it leaves as it came."""

LANGUAGE = "language"
"""Why a foreign text is unresolved: what the scorer says of it isn't to be trusted, so neither
dropped nor redacted does it leave."""

DIGITS = 4
"""Significant digits with which records write a value."""

MOST_MISSES = 5
"""Candidates without success that a record remembers, so that its size stays bounded."""

_LEFT = frozenset({SPARED, LANGUAGE})

T = TypeVar("T")


def is_unsettled(value: float, *borders: float) -> bool:
    """Whether float noise could put `value` on the other side of a border.

    Borders are the given ones (within `TIE`) and those between two numbers of `DIGITS`
    significant digits (within a relative `ROUNDING`), so that what is written stays the same too.
    """
    if any(abs(value - border) <= TIE for border in borders):
        return True
    if value == 0.0 or not math.isfinite(value):
        return False
    exponent = math.floor(math.log10(abs(value)))
    digits = abs(value) * 10.0 ** (DIGITS - 1 - exponent)
    return abs(digits % 1.0 - 0.5) <= ROUNDING * digits


def never(text: str, /) -> bool:
    """No text is foreign."""
    return False


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan says of one text; `masked` is None where the text isn't toxic."""

    text: str
    toxicity: Toxicity
    masked: MaskedText | None


@dataclass(slots=True)
class _Case:
    """A toxic text on its way through the rounds."""

    text: str
    toxicity: Toxicity
    current: Attempt
    kept: tuple[Span, ...] = ()  # what a rule keeps, sorted and disjoint
    masked: tuple[MaskedText, ...] = ()  # of the original, one per round
    misses: list[Attempt] = field(default_factory=list)
    taken: Attempt | None = None
    reason: str = ""
    vetoes: tuple[Veto, ...] = ()
    alone: dict[str, Toxicity] = field(default_factory=dict)  # of rewrites scored by themselves


@dataclass(frozen=True, kw_only=True)
class Detoxifier:
    """Turns texts into records: clean texts leave as they came, toxic ones are mended or fall back.

    threshold: a text of this toxicity or more is toxic.
    labels: so is one of which a label of the scorer's has its probability here or more. A score
        without the label, as a gate's of a text that it finds clean, has nothing of it.
    fallback: what leaves where no candidate passes: nothing, the text with its masked spans
        replaced by `redaction`, or the text as it came, as foreign and spared ones do in any case.
    rounds: how often the best candidate so far may be masked and infilled again.
    tries: most candidates of a round that are judged, the infiller's first ones. Where it is not
        how a span was filled that fails, but what else the text says, all would fail in turn.
    is_foreign: whether a text is in a language that the steps don't read; such a text is scored
        and never mended.
    """

    scorer: Scorer
    attributor: Attributor
    masker: Masker
    infiller: Infiller
    checks: Sequence[Check]
    threshold: float = 0.5
    labels: Mapping[str, float] = field(default_factory=dict)
    fallback: Fallback = "drop"
    redaction: str = "[removed]"
    rounds: int = 3
    tries: int = 8
    is_foreign: Callable[[str], bool] = never

    def __post_init__(self) -> None:
        if not self.checks:
            raise ConfigError("checks must hold at least one check, else any rewrite passes")
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError(f"threshold must be in (0, 1], got {self.threshold}")
        for label, limit in self.labels.items():
            if not 0.0 < limit <= 1.0:
                raise ConfigError(f"the threshold of {label!r} must be in (0, 1], got {limit}")
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}")
        if self.tries < 1:
            raise ConfigError(f"tries must be at least 1, got {self.tries}")
        known = get_args(Fallback)
        if self.fallback not in known:
            near = did_you_mean(str(self.fallback), known)
            raise ConfigError(f"no fallback is called {self.fallback!r}{near}")

    def run(self, texts: Iterable[str], *, batch_size: int = 256) -> Iterator[Record]:
        """One record per text, in order; pulls `batch_size` texts at a time.

        Toxic texts of one such window go through the rounds together. What a record says depends
        neither on `batch_size` nor on the neighbours of its text.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        return self._stream(iter(_texts(texts)), batch_size)

    def score(self, texts: Sequence[str]) -> list[Toxicity]:
        """Toxicity of each text as the gate sees it; all of `texts` is one window."""
        return self._gate([_text(text, index) for index, text in enumerate(_texts(texts))])

    def rule_of(self, toxicity: Toxicity) -> str:
        """The rule by which a text of this toxicity is toxic, as in a Record; `""`: it isn't."""
        if toxicity.overall >= self.threshold:
            return "threshold"
        for label, limit in self.labels.items():
            if toxicity.by_label.get(label, 0.0) >= limit:
                return f"labels.{label}"
        return ""

    def find(self, texts: Sequence[str]) -> list[Found]:
        """Toxicity of each text and, where it is toxic, its masked spans; nothing is mended.

        All of `texts` is one window. A toxic foreign text has no masked span.
        """
        texts = [_text(text, index) for index, text in enumerate(_texts(texts))]
        scores = self._gate(texts, labels=True)
        toxic = [i for i, score in enumerate(scores) if self.rule_of(score)]
        foreign = {i for i in toxic if self.is_foreign(texts[i])}
        native = [i for i in toxic if i not in foreign]
        masked: dict[int, MaskedText] = {i: MaskedText(texts[i], ()) for i in foreign}
        toxic_texts = [texts[i] for i in native]
        for i, found, (_, left) in zip(
            native, self._mask(toxic_texts, written=True), self._sparing(toxic_texts), strict=True
        ):
            is_spared = left is not None and not self.rule_of(left)
            masked[i] = MaskedText(texts[i], (), (), found.vetoes) if is_spared else found
        return [
            Found(text, score, masked.get(i))
            for i, (text, score) in enumerate(zip(texts, scores, strict=True))
        ]

    def _stream(self, texts: Iterator[str], batch_size: int) -> Iterator[Record]:
        seen = 0
        while window := list(islice(texts, batch_size)):
            yield from self._clean([_text(text, seen + i) for i, text in enumerate(window)])
            seen += len(window)

    def _clean(self, texts: Sequence[str]) -> list[Record]:
        scores = self._gate(texts)
        cases = {
            index: _Case(text, score, Attempt(Rewrite(text, ()), score, ()))
            for index, (text, score) in enumerate(zip(texts, scores, strict=True))
            if self.rule_of(score)
        }
        for case in cases.values():
            if self.is_foreign(case.text):
                case.reason = LANGUAGE
        active = [case for case in cases.values() if not case.reason]
        self._spare(active)
        for _ in range(self.rounds):
            active = self._round(active)
        settled = dict(zip(cases, self._records(list(cases.values())), strict=True))
        return [
            settled.get(i) or Record(text, Verdict.CLEAN, text, score)
            for i, (text, score) in enumerate(zip(texts, scores, strict=True))
        ]

    def _spare(self, cases: Sequence[_Case]) -> None:
        """Note what a rule keeps in each case, and how toxic its text is but for that."""
        found = self._sparing([case.text for case in cases])
        for case, (kept, score) in zip(cases, found, strict=True):
            if score is not None:
                case.kept = kept
                case.current = replace(case.current, toxicity=score)

    def _sparing(self, texts: Sequence[str]) -> list[tuple[tuple[Span, ...], Toxicity | None]]:
        """What a rule keeps of each text, and how toxic it is but for that; None: nothing is."""
        if not isinstance(self.masker, SparingMasker):
            return [((), None)] * len(texts)
        kept = [merge(self.masker.kept(text)) for text in texts]
        scores = iter(
            self._gate([_without(text, one) for text, one in zip(texts, kept, strict=True) if one])
        )
        return [(one, next(scores) if one else None) for one in kept]

    def _round(self, cases: Sequence[_Case]) -> list[_Case]:
        """One round over `cases`; returns those that got better without passing."""
        pending: list[tuple[_Case, MaskedText]] = []
        masks = self._mask([case.current.rewrite.text for case in cases])
        for case, masked in zip(cases, masks, strict=True):
            if not case.current.rewrite.edits:
                case.vetoes = masked.vetoes
            # But for what a rule keeps the text isn't toxic: nothing is there to mend.
            is_spared = not case.current.rewrite.edits and not self.rule_of(case.current.toxicity)
            if masked.masked and not is_spared:
                case.masked += (_on_original(case.current.rewrite, masked),)
                pending.append((case, masked))
            elif not case.misses:
                case.reason = SPARED if masked.vetoes or is_spared else "no-span"
        infilled = self._infill([masked for _, masked in pending])
        queues: list[tuple[_Case, list[Rewrite]]] = []
        for (case, _), proposals in zip(pending, infilled, strict=True):
            candidates = _candidates(case.current.rewrite, proposals)[: self.tries]
            if candidates:
                queues.append((case, candidates))
            elif not case.misses:
                case.reason = "no-candidate"
        missed: dict[int, list[Attempt]] = {}
        for rank in range(max((len(queue) for _, queue in queues), default=0)):
            waiting = [
                (case, queue[rank])
                for case, queue in queues
                if case.taken is None and rank < len(queue)
            ]
            attempts = self._judge(waiting)
            for (case, _), attempt in zip(waiting, attempts, strict=True):
                if attempt.passed:
                    case.taken = attempt
                else:
                    case.misses.append(attempt)
                    missed.setdefault(id(case), []).append(attempt)
        better: list[_Case] = []
        for case, _ in queues:
            if case.taken is not None:
                continue
            case.reason = "checks"
            best = self._lowest(missed[id(case)], case)
            if self._is_lower(best, case.current, case):
                case.current = best
                better.append(case)
        return better

    def _records(self, cases: Sequence[_Case]) -> list[Record]:
        """What leaves for each toxic text; redacted texts are scored anew, together."""
        edits: list[tuple[Edit, ...]] = []
        for case in cases:
            if case.taken is not None:
                edits.append(case.taken.rewrite.edits)
            elif self.fallback == "redact" and case.reason not in _LEFT:
                edits.append(self._redacted(case))
            else:
                edits.append(())
        changed = [i for i, case in enumerate(cases) if case.taken is None and edits[i]]
        outputs = [_counted(cases[i], Rewrite(cases[i].text, edits[i])).text for i in changed]
        after = dict(zip(changed, self._gate(outputs), strict=True))
        return [self._record(case, edits[i], after.get(i)) for i, case in enumerate(cases)]

    def _record(self, case: _Case, edits: tuple[Edit, ...], after: Toxicity | None) -> Record:
        masked = _joined(case.text, case.masked)
        misses = tuple(case.misses[:MOST_MISSES])
        if case.taken is not None:
            return Record(
                case.text,
                Verdict.REWRITTEN,
                case.taken.rewrite.text,
                case.toxicity,
                edits=edits,
                masked=masked,
                toxicity_after=case.taken.toxicity,
                findings=case.taken.findings,
                misses=misses,
                rule=self.rule_of(case.toxicity),
                vetoes=case.vetoes,
            )
        is_dropped = self.fallback == "drop" and case.reason not in _LEFT
        return Record(
            case.text,
            Verdict.UNRESOLVED,
            None if is_dropped else apply_edits(case.text, edits),
            case.toxicity,
            reason=case.reason,
            edits=edits,
            masked=masked,
            toxicity_after=after,
            findings=self._nearest(case),
            misses=misses,
            rule=self.rule_of(case.toxicity),
            vetoes=case.vetoes,
        )

    def _redacted(self, case: _Case) -> tuple[Edit, ...]:
        masked = _joined(case.text, case.masked)
        spans = merge(masked.masked) if masked else ()
        # Nothing to point at: the whole text goes, so that redacting never lets it out whole.
        spans = spans or (Span(0, len(case.text)),)
        return tuple(
            Edit(span, self.redaction) for span in spans if span.of(case.text) != self.redaction
        )

    def _nearest(self, case: _Case) -> tuple[Finding, ...]:
        """Findings of the miss that failed least: fewest failures, then the lowest toxicity."""
        if not case.misses:
            return ()
        fewest = min(_failures(miss) for miss in case.misses)
        least = [miss for miss in case.misses if _failures(miss) == fewest]
        return self._lowest(least, case).findings

    def _gate(self, texts: Sequence[str], *, labels: bool = False) -> list[Toxicity]:
        """Toxicity of each text; blank ones are clean without asking the scorer."""
        scored = [text for text in texts if text.strip()]
        scores = iter(self._score(scored, labels=labels))
        return [next(scores) if text.strip() else Toxicity(0.0) for text in texts]

    def _score(self, texts: Sequence[str], *, labels: bool = False) -> list[Toxicity]:
        if not texts:
            return []
        scores = _returned(self.scorer, self.scorer.score(list(texts)), len(texts))
        # Some scores have no labels: whether one is unknown, only those that have any can say.
        known = dict.fromkeys(name for score in scores for name in score.by_label)
        for label in self.labels if known else ():
            if label not in known:
                raise ConfigError(
                    f"the scorer knows no label {label!r}{did_you_mean(label, known)}"
                )
        if len(texts) == 1:
            return scores
        return [
            self._score_alone(text)
            if is_unsettled(score.overall, self.threshold)
            or any(
                is_unsettled(score.by_label.get(name, 0.0), limit)
                for name, limit in self.labels.items()
            )
            or (labels and any(map(is_unsettled, score.by_label.values())))
            else score
            for text, score in zip(texts, scores, strict=True)
        ]

    def _score_alone(self, text: str) -> Toxicity:
        return self._score([text])[0]

    def _mask(self, texts: Sequence[str], *, written: bool = False) -> list[MaskedText]:
        """Spans to go, of each text; `written`: their weights go into a file.

        Texts are attributed together only where the masker can say that noise couldn't change
        its choice.
        """
        if not isinstance(self.masker, SteadyMasker):
            return [self._mask_one(self._attribute([text])[0]) for text in texts]
        found: list[MaskedText] = []
        for text, attribution in zip(texts, self._attribute(texts), strict=True):
            masked = self._mask_one(attribution)
            if len(texts) > 1 and (
                self.masker.is_near_tie(attribution, TIE)
                or (written and any(map(is_unsettled, masked.weights)))
            ):
                masked = self._mask_one(self._attribute([text])[0])
            found.append(masked)
        return found

    def _mask_one(self, attribution: Attribution) -> MaskedText:
        masked = self.masker.mask(attribution)
        _require_same(self.masker, masked.text, attribution.text)
        return masked

    def _attribute(self, texts: Sequence[str]) -> list[Attribution]:
        if not texts:
            return []
        found = _returned(self.attributor, self.attributor.attribute(list(texts)), len(texts))
        for text, attribution in zip(texts, found, strict=True):
            _require_same(self.attributor, attribution.text, text)
        return found

    def _infill(self, masked: Sequence[MaskedText]) -> list[tuple[Rewrite, ...]]:
        if not masked:
            return []
        found = _returned(self.infiller, self.infiller.infill(list(masked)), len(masked))
        for one, candidates in zip(masked, found, strict=True):
            for candidate in candidates:
                _require_same(self.infiller, candidate.original, one.text)
        return found

    def _judge(self, candidates: Sequence[tuple[_Case, Rewrite]]) -> list[Attempt]:
        """Candidates with what the guide and every check found; the guide's finding is first."""
        rewrites = [rewrite for _, rewrite in candidates]
        counted = [_counted(case, rewrite) for case, rewrite in candidates]
        columns = [
            self._check(check, counted if isinstance(check, ScoringCheck) else rewrites)
            for check in self.checks
        ]
        scores = self._gate([rewrite.text for rewrite in counted])
        return [
            Attempt(rewrite, score, (self._guided(score), *findings))
            for rewrite, score, *findings in zip(rewrites, scores, *columns, strict=True)
        ]

    def _guided(self, score: Toxicity) -> Finding:
        rule = self.rule_of(score)
        label = rule.removeprefix("labels.")
        if label != rule:
            return Finding(rule, False, score.by_label[label], self.labels[label])
        return Finding("toxicity", not rule, score.overall, self.threshold)

    def _check(self, check: Check, rewrites: Sequence[Rewrite]) -> list[Finding]:
        found = _returned(check, check.check(list(rewrites)), len(rewrites))
        for finding in found:
            _require_same(check, finding.check, check.name)
        if len(rewrites) == 1:
            return found
        return [
            self._check(check, [rewrite])[0]
            if is_unsettled(finding.value, finding.limit)
            else finding
            for rewrite, finding in zip(rewrites, found, strict=True)
        ]

    def _lowest(self, attempts: Sequence[Attempt], case: _Case) -> Attempt:
        """The least toxic attempt, of equals the first."""
        least = min(attempt.toxicity.overall for attempt in attempts)
        near = [a for a in attempts if a.toxicity.overall <= least + TIE]
        if len(near) > 1:
            near = [self._attempt_alone(attempt, case) for attempt in near]
        return min(near, key=lambda attempt: attempt.toxicity.overall)

    def _is_lower(self, attempt: Attempt, current: Attempt, case: _Case) -> bool:
        if abs(attempt.toxicity.overall - current.toxicity.overall) <= TIE:
            attempt, current = (self._attempt_alone(one, case) for one in (attempt, current))
        return attempt.toxicity.overall < current.toxicity.overall

    def _attempt_alone(self, attempt: Attempt, case: _Case) -> Attempt:
        text = _counted(case, attempt.rewrite).text
        if text not in case.alone:
            (case.alone[text],) = self._gate([text])
        return replace(attempt, toxicity=case.alone[text])


def _texts(texts: Iterable[str]) -> Iterable[str]:
    if isinstance(texts, str):
        raise ConfigError("expected several texts, got one str: pass [text]")
    if not isinstance(texts, Iterable):
        raise ConfigError(f"expected several texts, got {type(texts).__name__}")
    return texts


def _text(text: object, index: int) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"expected a str, got {type(text).__name__} at position {index}")
    return text


def _returned(step: object, results: Sequence[T], count: int) -> list[T]:
    if not isinstance(results, list | tuple):
        kind = type(results).__name__
        raise ContractError(f"{type(step).__name__} returned {kind}, expected a list")
    if len(results) != count:
        raise ContractError(
            f"{type(step).__name__} returned {len(results)} results for {count} inputs"
        )
    return list(results)


def _require_same(step: object, got: str, expected: str) -> None:
    if got != expected:
        raise ContractError(
            f"{type(step).__name__} returned a result for something else than it was given"
        )


def _counted(case: _Case, rewrite: Rewrite) -> Rewrite:
    """The rewrite as its toxicity is measured: as if what a rule keeps weren't there.

    Else no rewrite could pass beside a word that stays. What an edit touches counts.
    """
    spans = [edit.span for edit in rewrite.edits]
    kept = [span for span in case.kept if not overlapping(span, spans)]
    if not kept:
        return rewrite
    ends = [span.end for span in kept]
    lengths = [0, *accumulate(map(len, kept))]
    edits = []
    for edit in rewrite.edits:
        cut = lengths[bisect_right(ends, edit.span.start)]
        edits.append(Edit(Span(edit.span.start - cut, edit.span.end - cut), edit.replacement))
    return Rewrite(_without(rewrite.original, kept), tuple(edits))


def _without(text: str, spans: Sequence[Span]) -> str:
    return apply_edits(text, [Edit(span, "") for span in spans])


def _failures(attempt: Attempt) -> int:
    return sum(not finding.passed for finding in attempt.findings)


def _candidates(current: Rewrite, proposals: Iterable[Rewrite]) -> list[Rewrite]:
    """Proposals for the current text as rewrites of the original, each output once.

    One that changes nothing, or only undoes all that was mended, is no candidate.
    """
    seen = {current.original, current.text}
    candidates: list[Rewrite] = []
    for proposal in proposals:
        edits = compose(current.original, current.edits, proposal.edits)
        rewrite = Rewrite(current.original, minimal(current.original, edits))
        if rewrite.text not in seen:
            seen.add(rewrite.text)
            candidates.append(rewrite)
    return candidates


def _on_original(rewrite: Rewrite, masked: MaskedText) -> MaskedText:
    """`masked`, given in offsets of the rewritten text, in offsets of the original."""
    if not rewrite.edits:
        return masked
    spans: dict[Span, float] = {}
    places = sources(rewrite.edits, masked.masked)
    for place, (_, strength) in zip(places, masked.weighted, strict=True):
        spans[place] = max(strength, spans.get(place, 0.0))
    return _merged(rewrite.original, spans)


def _joined(text: str, rounds: Sequence[MaskedText]) -> MaskedText | None:
    """All that was masked in any round; None where no round masked."""
    if len(rounds) < 2:
        return rounds[0] if rounds else None
    spans: dict[Span, float] = {}
    for masked in rounds:
        for span, strength in masked.weighted:
            spans[span] = max(strength, spans.get(span, 0.0))
    return _merged(text, spans)


def _merged(text: str, spans: dict[Span, float]) -> MaskedText:
    """One mask over all of `spans`; a joined span is as strong as its strongest part."""
    places = merge(spans)
    starts = [place.start for place in places]
    weights = [0.0] * len(places)
    for span, strength in spans.items():
        at = bisect_right(starts, span.start) - 1
        weights[at] = max(weights[at], strength)
    return MaskedText(text, places, tuple(weights))
