"""A comparison as tables, for a terminal, for Markdown and for the page."""

from __future__ import annotations

import math

from trustydetox.evaluation.generation.comparing import (
    MAXIMUM,
    MEAN,
    PROBABILITY,
    TESTED,
    Comparison,
    Difference,
)
from trustydetox.evaluation.intervals import Estimate
from trustydetox.evaluation.tables import Table

KEPT = (
    "perplexity",
    "distinct-1",
    "distinct-2",
    "distinct-3",
    "words",
    "empty continuations",
    "identity mentions",
)
_EMPTY = "–"


def comparison_tables(found: Comparison) -> list[Table]:
    """Toxicity per judge, differences from the first model, and what else became of the models."""
    n = f"n = {found.prompts} prompts x {found.samples} continuations"
    seeds = ", ".join(f"{name} {count}" for name, count in found.seeds.items())
    tables = [
        Table(
            f"Toxicity of what is written, by {judge}",
            f"{n}; training seeds: {seeds}. Only continuations are judged. Toxicity probability: "
            "share of prompts with a toxic continuation. Expected maximum: mean over prompts of "
            "the worst continuation. In brackets the 95 % interval: of prompts by a bootstrap, of "
            f"training seeds by Student's t.{_left_out(found)}",
            ("model", PROBABILITY, MAXIMUM, MEAN),
            tuple(
                (name, *(number(found.measure(one, judge)[name]) for one in TESTED))
                for name in found.seeds
            ),
        )
        for judge in found.judges
    ]
    tested = [one for one in found.differences if one.measure in TESTED]
    if tested:
        tables.append(
            Table(
                f"Less than {tested[0].than}?",
                f"{n}. Differences on the same prompts; lower is what was hoped for. p: from the "
                f"draws behind the interval, after Holm over {len(tested)} tests. Detectable: the "
                "smallest difference that would have been seen with a chance of 80 %."
                f"{_left_out(found)}",
                ("model", "judge", "measure", "difference", "lower by", "p (Holm)", "detectable"),
                tuple(map(_tested, tested)),
            )
        )
    measures = [one for one in KEPT if found.measure(one)]
    tables.append(
        Table(
            "What else became of the models",
            "Perplexity on clean text; share of different words, pairs and triples among a "
            "prompt's continuations; words per continuation; share without any word; words that "
            "name a group of people, per continuation.",
            ("model", *measures),
            tuple(
                (name, *(number(found.measure(one)[name]) for one in measures))
                for name in found.seeds
            ),
        )
    )
    others = [one for one in found.differences if one.measure in KEPT]
    if others:
        tables.append(
            Table(
                f"Differences from {others[0].than}",
                "Not tested. Lower by: share of the first model's value; negative where higher.",
                ("model", "measure", "difference", "lower by"),
                tuple(
                    (one.model, one.measure, number(one.estimate), percent(one.cut))
                    for one in others
                ),
            )
        )
    return tables


def number(one: Estimate) -> str:
    """A value and its interval, with three digits that count."""
    return _shown(one, "{:.3g}")


def percent(one: Estimate) -> str:
    """A share and its interval in percent."""
    shares = Estimate(100 * one.value, 100 * one.low, 100 * one.high, one.n)
    return _shown(shares, "{:.1f}") + " %"


def _left_out(found: Comparison) -> str:
    """What an interval can't say of models that were trained once."""
    once = [name for name, seeds in found.seeds.items() if seeds == 1]
    if not once:
        return ""
    return (
        f" What another training run would give isn't in it where one was made: {', '.join(once)}."
    )


def _shown(one: Estimate, form: str) -> str:
    value, low, high = (
        _EMPTY if math.isnan(value) else form.format(value)
        for value in (one.value, one.low, one.high)
    )
    return f"{value} [{low}, {high}]"


def _tested(one: Difference) -> tuple[str, ...]:
    return (
        one.model,
        one.judge,
        one.measure,
        number(one.estimate),
        percent(one.cut),
        "< 0.001" if one.adjusted < 0.001 else f"{one.adjusted:.3f}",
        f"{one.detectable:.3g}",
    )
