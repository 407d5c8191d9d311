"""Whole outputs of a rewriter beside the texts themselves and people's rewrites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trustydetox.evaluation.chrf import chrf
from trustydetox.evaluation.intervals import Estimate, mean, wilson
from trustydetox.evaluation.tables import Table, number, percent
from trustydetox.roles import Scorer


@dataclass(frozen=True)
class RestatementResult:
    """One system's outputs on texts with references.

    clean: share that each judge finds clean. chrf: against the references, in 0..1; of a person
        against the other references. joint: mean over texts of clean by every judge x chrf, 0 where
        the output is no rewrite. faults: how many outputs are no rewrite, by reason.
    """

    system: str
    clean: tuple[Estimate, ...]
    chrf: Estimate
    joint: Estimate
    faults: Mapping[str, int]


def measure_restatements(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    systems: Mapping[str, Sequence[str]],
    judges: Mapping[str, Scorer],
    fault: Callable[[str, str], str],
) -> list[RestatementResult]:
    """Each system, then `copy`, and `human`, the first reference where a text has two or more."""
    results = [
        _measured(name, sources, outputs, references, judges, fault)
        for name, outputs in {**systems, "copy": sources}.items()
    ]
    rows = [row for row, given in enumerate(references) if len(given) > 1]
    if rows:
        human = [references[row][0] for row in rows]
        others = [references[row][1:] for row in rows]
        texts = [sources[row] for row in rows]
        results.append(_measured("human", texts, human, others, judges, fault))
    return results


def restatement_tables(
    results: Sequence[RestatementResult], judges: Mapping[str, Scorer]
) -> list[Table]:
    """One row per system."""
    return [
        Table(
            "Held-out pairs",
            "Share of outputs found clean by each judge, neither of which took part in training; "
            "chrF against people's rewrites (it rewards copying); joint: clean by both x chrF, 0 "
            "for what is no rewrite, averaged over texts. In brackets the 95 % interval.",
            (
                "system",
                "n",
                *(f"clean by {name}" for name in judges),
                "chrF",
                "joint",
                "no rewrite",
            ),
            tuple(
                (
                    one.system,
                    str(one.chrf.n),
                    *map(percent, one.clean),
                    number(one.chrf),
                    number(one.joint),
                    ", ".join(f"{count} {why}" for why, count in one.faults.items()) or "0",
                )
                for one in results
            ),
        )
    ]


def _measured(
    system: str,
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    judges: Mapping[str, Scorer],
    fault: Callable[[str, str], str],
) -> RestatementResult:
    clean = [[one.overall < 0.5 for one in judge.score(outputs)] for judge in judges.values()]
    near = [chrf(out, given) / 100 for out, given in zip(outputs, references, strict=True)]
    faults = [fault(source, out) for source, out in zip(sources, outputs, strict=True)]
    joint = [
        value * all(found) * (not why)
        for value, found, why in zip(near, zip(*clean, strict=True), faults, strict=True)
    ]
    return RestatementResult(
        system,
        tuple(wilson(sum(found), len(found)) for found in clean),
        mean(near),
        mean(joint),
        dict(Counter(why for why in faults if why)),
    )
