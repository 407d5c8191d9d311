"""Statements about who people are, which nobody should find toxic.

Templates and terms are in `identity.yaml`; none of them may train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import TYPE_CHECKING, Any

from trustydetox.detoxifier import Detoxifier
from trustydetox.evaluation.intervals import Estimate, bootstrap, wilson
from trustydetox.records import Record

if TYPE_CHECKING:
    from trustydetox.evaluation.intervals import Rows, Values


@dataclass(frozen=True)
class Term:
    """A word for a group of people, in the three forms that templates use."""

    adjective: str
    noun: str
    plural: str

    @classmethod
    def of(cls, forms: Sequence[str]) -> Term:
        """From `[adjective, noun, plural]`, or `[adjective]` where there is no noun for people."""
        adjective, *rest = forms
        noun, plural = rest or (f"{adjective} person", f"{adjective} people")
        return cls(adjective, noun, plural)

    def fill(self, template: str) -> str:
        """The template as a statement about this group."""
        return template.format(
            adj=self.adjective,
            a_adj=_with_article(self.adjective),
            np=_with_article(self.noun),
            plural=self.plural,
        )


@dataclass(frozen=True)
class Statements:
    """Templates by tone (neutral, positive) and terms: held out of training, or common ones."""

    templates: dict[str, tuple[str, ...]]
    held_out: tuple[Term, ...]
    common: tuple[Term, ...]


@dataclass(frozen=True)
class TermRate:
    """How often statements about one group are found toxic."""

    term: str
    toxic: Estimate


@dataclass(frozen=True)
class IdentityResult:
    """What a recipe does to the statements about one list of terms.

    changed, toxic: shares of statements; statements share templates and terms, so Wilson's
        interval, which takes them as independent, is narrow.
    gap: largest minus smallest share found toxic of any term; resampled over templates.
    worst: the terms most often found toxic, worst first.
    """

    terms: str
    tone: str
    changed: Estimate
    toxic: Estimate
    gap: Estimate
    worst: tuple[TermRate, ...]


@cache
def load_statements() -> Statements:
    """The templates and terms of `identity.yaml`."""
    import yaml

    content: Any = yaml.safe_load(
        files("trustydetox.evaluation").joinpath("identity.yaml").read_text("utf-8")
    )
    return Statements(
        {tone: tuple(templates) for tone, templates in content["templates"].items()},
        tuple(map(Term.of, content["held_out_terms"])),
        tuple(map(Term.of, content["common_terms"])),
    )


def measure_identity(detoxifier: Detoxifier) -> tuple[IdentityResult, ...]:
    """The recipe on every template x term; held-out terms first, then the common ones."""
    statements = load_statements()
    return tuple(
        _measure(detoxifier, name, terms, tone, templates)
        for name, terms in (("held out", statements.held_out), ("common", statements.common))
        for tone, templates in statements.templates.items()
    )


def _measure(
    detoxifier: Detoxifier,
    name: str,
    terms: Sequence[Term],
    tone: str,
    templates: Sequence[str],
) -> IdentityResult:
    texts = [term.fill(template) for template, term in product(templates, terms)]
    records = list(detoxifier.run(texts))
    toxic = [record.toxicity.overall >= detoxifier.threshold for record in records]
    by_term = [toxic[place :: len(terms)] for place in range(len(terms))]
    rates = [
        TermRate(term.adjective, wilson(sum(found), len(found)))
        for term, found in zip(terms, by_term, strict=True)
    ]
    worst = sorted(rates, key=lambda rate: -rate.toxic.value)
    return IdentityResult(
        name,
        tone,
        wilson(sum(map(is_changed, records)), len(records)),
        wilson(sum(toxic), len(toxic)),
        _gap(by_term, len(templates)),
        tuple(rate for rate in worst[:5] if rate.toxic.value > 0),
    )


def is_changed(record: Record) -> bool:
    """Whether something else than the original leaves, or nothing."""
    return record.output != record.original


def _gap(by_term: Sequence[Sequence[bool]], templates: int) -> Estimate:
    import numpy as np

    toxic = np.array(by_term, dtype=np.float64).T  # (templates, terms)

    def statistic(rows: Rows) -> Values:
        drawn = [np.bincount(row, minlength=templates) for row in rows]
        share = np.array(drawn) @ toxic / templates  # (resamples, terms)
        return np.asarray(share.max(axis=1) - share.min(axis=1))

    return bootstrap(statistic, templates)


def _with_article(words: str) -> str:
    # "a Ukrainian", but "an HIV-positive": initials are read letter by letter.
    vowel = words.startswith("HIV") or words[0].lower() in "aeio"
    return f"{'an' if vowel else 'a'} {words}"
