"""What the pipeline knows about a text: each step adds one of these and changes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trustydetox.errors import SpanError
from trustydetox.spans import Edit, Span, apply_edits, require_disjoint


@dataclass(frozen=True, slots=True)
class Toxicity:
    """Absolute, calibrated probability that a reader finds the text toxic, in [0, 1].

    by_label: probability per label of the scorer that gave it; labels don't sum to 1.
    """

    overall: float
    by_label: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("overall", self.overall), *self.by_label.items()):
            # NaN fails this comparison too, which is what we want.
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"toxicity {name!r} must be in [0, 1], got {value}")


@dataclass(frozen=True, slots=True)
class Attribution:
    """Weight of each unit (word) of `text`: relative, positive = more toxic.

    A weight is in the attributor's own scale; only maskers compare it with a threshold.
    """

    text: str
    units: tuple[Span, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        require_disjoint(self.units, len(self.text))
        if len(self.units) != len(self.weights):
            raise SpanError(f"{len(self.units)} units but {len(self.weights)} weights")


@dataclass(frozen=True, slots=True)
class Veto:
    """A toxic span that stays all the same, and the name of the rule that says so."""

    span: Span
    rule: str


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text and the spans of it that must go.

    weights: strength of each masked span in [0, 1], 1 the strongest of the text.
    vetoes: spans that would have had to go, but for a rule.
    """

    text: str
    masked: tuple[Span, ...]
    weights: tuple[float, ...] = ()
    vetoes: tuple[Veto, ...] = ()

    def __post_init__(self) -> None:
        require_disjoint(self.masked, len(self.text))
        if self.weights and len(self.weights) != len(self.masked):
            raise SpanError(f"{len(self.masked)} masked spans but {len(self.weights)} weights")

    @property
    def weighted(self) -> tuple[tuple[Span, float], ...]:
        """Each masked span with its weight, which is 1 where none are given."""
        weights = self.weights or (1.0,) * len(self.masked)
        return tuple(zip(self.masked, weights, strict=True))

    def only(self, weighted: Sequence[tuple[Span, float]]) -> MaskedText:
        """These spans of the same text instead, weighed against the strongest of them."""
        strongest = max((weight for _, weight in weighted), default=1.0)
        return replace(
            self,
            masked=tuple(span for span, _ in weighted),
            weights=tuple(weight / strongest for _, weight in weighted),
        )


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A candidate: the original and the edits that turn it into `.text`."""

    original: str
    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        require_disjoint([edit.span for edit in self.edits], len(self.original))

    @property
    def text(self) -> str:
        """The rewritten text, derived anew from original and edits."""
        return apply_edits(self.original, self.edits)


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement of one candidate; `passed` says on which side of `limit` the value lies."""

    check: str
    passed: bool
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A candidate and all that the checks found."""

    rewrite: Rewrite
    toxicity: Toxicity
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(finding.passed for finding in self.findings)


class Verdict(StrEnum):
    """What was concluded about a text; what was *done* is the record's output."""

    CLEAN = "clean"
    REWRITTEN = "rewritten"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Record:
    """The history of one text.

    output: the text that leaves, or None where it was dropped.
    reason: why the text is unresolved (`""` otherwise).
    edits: what turns original into output; empty where it was dropped.
    masked: the spans found toxic, whether or not they could be mended.
    toxicity_after: of the output without what a rule keeps; None where nothing was edited.
    findings: of the attempt that was taken, else of the nearest miss.
    misses: the first candidates that failed a check, in the order they were judged.
    rule: by which the text is toxic: `threshold`, or `labels.` and a label; before it `roles.` and
        a role where that one's words have a rule of their own. `""` where the text is clean.
    vetoes: toxic spans of the original that a rule kept.
    """

    original: str
    verdict: Verdict
    output: str | None
    toxicity: Toxicity
    reason: str = ""
    edits: tuple[Edit, ...] = ()
    masked: MaskedText | None = None
    toxicity_after: Toxicity | None = None
    findings: tuple[Finding, ...] = ()
    misses: tuple[Attempt, ...] = ()
    rule: str = ""
    vetoes: tuple[Veto, ...] = ()

    def __post_init__(self) -> None:
        if self.output is None:
            if self.edits:
                raise SpanError("a dropped text has no edits")
        elif apply_edits(self.original, self.edits) != self.output:
            raise SpanError("the edits don't turn the original into the output")
