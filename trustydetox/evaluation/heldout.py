"""How a scorer does on labelled texts that were held out of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from trustydetox.evaluation.identity import load_statements
from trustydetox.evaluation.intervals import Estimate, bootstrap, wilson
from trustydetox.evaluation.measures import auc, calibration_error
from trustydetox.evaluation.tables import Table, number, percent
from trustydetox.roles import Scorer


@dataclass(frozen=True)
class SourceResult:
    """One source's held-out texts; a label of 0.5 or more counts as toxic.

    recall, false_positives: at the threshold. error: expected calibration error.
    """

    source: str
    toxic: Estimate
    auc: Estimate
    recall: Estimate
    false_positives: Estimate
    error: Estimate


@dataclass(frozen=True)
class TermResult:
    """Share of statements about one group, none of them hostile, that are found toxic."""

    term: str
    toxic: Estimate


@dataclass(frozen=True)
class GateResult:
    """What a gate in front of a scorer does to held-out texts.

    recall: of what the scorer alone flags. saved: share of what it finds clean that it needn't
        read.
    cost: CPU seconds with the gate over those without.
    """

    limit: float
    recall: Estimate
    saved: Estimate
    cost: float
    texts: int


def measure_held_out(
    scorer: Scorer,
    sources: Mapping[str, tuple[Sequence[str], Sequence[float]]],
    threshold: float = 0.5,
) -> list[SourceResult]:
    """Texts and labels by source; with several sources, a last row for all of them."""
    scores = {
        name: [score.overall for score in scorer.score(texts)]
        for name, (texts, _) in sources.items()
    }
    rows = {
        name: (scores[name], [int(label >= 0.5) for label in labels])
        for name, (_, labels) in sources.items()
    }
    if len(rows) > 1:
        found, labels = zip(*rows.values(), strict=True)
        rows["all"] = ([*chain(*found)], [*chain(*labels)])
    return [_measured(name, *pair, threshold) for name, pair in rows.items()]


def measure_statements(scorer: Scorer, threshold: float = 0.5) -> list[TermResult]:
    """Statements about who people are: all, then the five terms most often found toxic."""
    statements = load_statements()
    templates = [one for tone in statements.templates.values() for one in tone]
    results = []
    for term in (*statements.held_out, *statements.common):
        found = scorer.score([term.fill(template) for template in templates])
        toxic = sum(one.overall >= threshold for one in found)
        results.append(TermResult(term.adjective, wilson(toxic, len(found))))
    hits = sum(round(one.toxic.value * one.toxic.n) for one in results)
    whole = TermResult("all", wilson(hits, sum(one.toxic.n for one in results)))
    worst = sorted(results, key=lambda one: -one.toxic.value)[:5]
    return [whole, *(one for one in worst if one.toxic.value > 0)]


def held_out_tables(
    results: Sequence[SourceResult], terms: Sequence[TermResult], threshold: float = 0.5
) -> list[Table]:
    """One table per source and one per identity term."""
    return [
        Table(
            "Held-out texts",
            f"None of them trained. At the threshold {threshold:g}; ECE over 15 bins of equal "
            "mass. In brackets the 95 % interval (bootstrap, Wilson's for shares).",
            ("source", "n", "toxic", "AUC", "recall", "false positives", "ECE"),
            tuple(
                (
                    one.source,
                    str(one.toxic.n),
                    f"{one.toxic.value:.0%}",
                    number(one.auc),
                    percent(one.recall),
                    percent(one.false_positives),
                    number(one.error),
                )
                for one in results
            ),
        ),
        Table(
            "Statements about who people are",
            "None is hostile; share found toxic, all terms and those most often found.",
            ("term", "n", "found toxic"),
            tuple((one.term, str(one.toxic.n), percent(one.toxic)) for one in terms),
        ),
    ]


def gate_tables(result: GateResult, recipe: str) -> list[Table]:
    """What the gate saves and what it costs."""
    return [
        Table(
            f"As the first gate of {recipe}",
            f"n = {result.texts} held-out texts. Recall of what the recipe's scorer alone flags; "
            "share of what it finds clean that it needn't read; CPU time with the gate over that "
            "without, one run.",
            ("limit", "recall", "clean texts saved", "CPU time"),
            (
                (
                    f"{result.limit:.4g}",
                    f"{percent(result.recall)}, n = {result.recall.n}",
                    f"{percent(result.saved)}, n = {result.saved.n}",
                    f"{result.cost:.2f}",
                ),
            ),
        )
    ]


def _measured(
    name: str, scores: Sequence[float], labels: Sequence[int], threshold: float
) -> SourceResult:
    n = len(labels)
    toxic = [score >= threshold for score, label in zip(scores, labels, strict=True) if label]
    clean = [score >= threshold for score, label in zip(scores, labels, strict=True) if not label]
    return SourceResult(
        name,
        wilson(sum(labels), n),
        bootstrap(auc(labels, scores), n),
        wilson(sum(toxic), len(toxic)),
        wilson(sum(clean), len(clean)),
        bootstrap(calibration_error(labels, scores), n),
    )
