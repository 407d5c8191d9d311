"""The roles of the pipeline: all that a plug-in author reads.

Promises common to Scorer, Attributor, Infiller and Check: one result per input in the same
order, an empty batch and an empty text are legal, inputs are left unchanged, and the same batch
gives the same results. The pipeline checks count and identity and raises ContractError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from trustydetox.records import Attribution, Finding, MaskedText, Rewrite, Toxicity
from trustydetox.spans import Span

TIE = 2e-3
"""Two values nearer than this are compared anew, each computed alone: what stands in the same batch
moves a value by less, and must not choose."""


class Scorer(Protocol):
    """Says whether a text is toxic: absolute."""

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """One toxicity per text."""
        ...


class Attributor(Protocol):
    """Says which words make it so: relative."""

    def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
        """One attribution per text, whose `.text` is that text."""
        ...


class Masker(Protocol):
    """Turns weights into the spans that must go."""

    def mask(self, attribution: Attribution, /) -> MaskedText:
        """The spans to rewrite; none is a legal answer."""
        ...


@runtime_checkable
class SteadyMasker(Masker, Protocol):
    """A masker that knows when float noise in the weights could change what it masks.

    Optional: for any other masker the pipeline attributes every toxic text alone, which is as
    exact and about half as fast.
    """

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        """Whether weights that each move by up to `margin` could mask other spans."""
        ...


@runtime_checkable
class SparingMasker(Masker, Protocol):
    """A masker that keeps some words whatever they weigh.

    Optional: how toxic a rewrite still is the pipeline measures as if they weren't there, for no
    rewrite could mend what they say. Where the masker can't say what it keeps, all counts.
    """

    def kept(self, text: str, /) -> list[Span]:
        """What stays of a text, in any order."""
        ...


class Infiller(Protocol):
    """Proposes what to put in place of the masked spans."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Candidates per masked text, best first, maybe none; `.original` is the masked text's."""
        ...


class Check(Protocol):
    """Measures a candidate against one requirement."""

    @property
    def name(self) -> str:
        """The word by which records name this check."""
        ...

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """One finding per candidate."""
        ...


@runtime_checkable
class ScoringCheck(Check, Protocol):
    """A check that measures toxicity, and so isn't shown what a rule keeps: see SparingMasker."""

    @property
    def scorer(self) -> Scorer:
        """What it asks."""
        ...

    @property
    def limit(self) -> float:
        """A candidate of this toxicity or more fails."""
        ...


class Action(StrEnum):
    """What becomes of a passage that is toxic, from least to most.

    KEEP: it isn't even looked at.
    FLAG: it leaves as it came, and its record says that it is toxic.
    DROP: its row goes.
    REDACT: its toxic spans give way to a mark; nothing is written in their place.
    REWRITE: they are mended, and where that fails the pipeline's fallback is taken.
    """

    KEEP = "keep"
    FLAG = "flag"
    DROP = "drop"
    REDACT = "redact"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text inside a row.

    path: the column's name for a plain text column, else a JSON Pointer such as
        `/messages/2/content`; it is also the record's `field`.
    role: whose words (`user`, `assistant`, `completion`, …), `text` for a plain column.
    threshold: from which toxicity on it is toxic; None for the pipeline's own.
    """

    path: str
    role: str
    text: str
    action: Action
    threshold: float | None = None


class RowFormat(Protocol):
    """Where in a row the texts are: `write(row, texts of read(row)) == row`."""

    def read(self, row: Mapping[str, Any], /) -> list[Passage]:
        """The passages of a row, in reading order."""
        ...

    def write(
        self, row: Mapping[str, Any], texts: Sequence[str | None], /
    ) -> dict[str, Any] | None:
        """The row with one text per passage; None among them drops the row."""
        ...
