"""How good rewrites are beside people's: toxicity, whole sentences, fluency, content, facts.

Each system is measured on the same rows with the same instruments; none of these was used to
make a rewrite. A number of one system is a column with one value per row, NaN where the row says
nothing about it, so that two systems are compared row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from trustydetox.detoxifier import Detoxifier
from trustydetox.evaluation.chrf import chrf
from trustydetox.evaluation.deleting import (
    count_words,
    delete_listed,
    delete_masked,
    delete_random,
    keep_common,
)
from trustydetox.evaluation.dialogue import Wordlist
from trustydetox.evaluation.fluency import FluencyFacts, FluencyModel
from trustydetox.evaluation.intervals import NOTHING, Estimate, mean, wilson
from trustydetox.evaluation.judging import Judge, JudgeFacts
from trustydetox.evaluation.wording import (
    content_words,
    facts,
    is_empty,
    joints,
    kept_by_all,
    negations,
    residues,
    tokens,
)
from trustydetox.records import Verdict

Progress = Callable[[str], None]
Columns = Mapping[str, Any]

COPY = "copy"
HUMAN = "human-1"

SHARES = frozenset(
    (
        "non_toxic_a non_toxic_b broken unchanged unresolved empty residue facts negation steady"
    ).split()
)
"""Measures that are yes or no in every row."""

_COMPARED = "non_toxic_a non_toxic_b broken fluency content length chrf joint".split()
_TOLERANCE = 1.0
_WORST = 20


@dataclass(frozen=True)
class Pair:
    """A toxic text and what people made of it: at least one rewrite."""

    source: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Instruments:
    """What measures: two judges, a fluency model, names to keep; `listed` makes a baseline."""

    judges: tuple[Judge, Judge]
    fluency: FluencyModel
    names: frozenset[str]
    listed: Wordlist

    @property
    def joint(self) -> str:
        """The name of the joint score, which holds for these two judges only."""
        return "J_local@" + "+".join(judge.facts.digest for judge in self.judges)


@dataclass(frozen=True)
class System:
    """One output per source.

    resolved: False where the system gave up; such a row counts as unchanged and toxic.
    again: whether rewriting the output once more changes nothing; None where nobody can.
    spent: how many references, from the first, are the system's own; measured against the rest.
    """

    name: str
    outputs: tuple[str, ...]
    resolved: tuple[bool, ...] = ()
    again: tuple[bool, ...] | None = None
    spent: int = 0


@dataclass(frozen=True)
class SystemResult:
    """Numbers of one system by measure.

    non_toxic_a, non_toxic_b: judged clean. broken: more broken joints than the source.
    fluency: change of log-probability per token less the mean of the references', in standard
        deviations of a person's change; without references the plain change in nats.
    content: share of the source's content words that every reference keeps and the output too.
    length: characters of the output over those of the source.
    facts, negation: of the rows that have any, those that keep every number and name; as many
        negations.
    steady: rewriting the output changes nothing.
    chrf: against the references after the first.
    joint: mean of the two judges' verdicts x content x whether no joint broke and the fluency is at
        most one standard deviation below the references'.
    """

    system: str
    numbers: Mapping[str, Estimate]


@dataclass(frozen=True)
class Difference:
    """A recipe's number less another system's, on the rows where both have one, paired.

    Beside human-1 both are measured against the references after the first.
    """

    recipe: str
    other: str
    numbers: Mapping[str, Estimate]


@dataclass(frozen=True)
class Goal:
    """A number that a recipe should reach."""

    recipe: str
    what: str
    goal: str
    value: Estimate
    reached: bool


@dataclass(frozen=True)
class Worst:
    """A row of a recipe among those with the lowest J_local, least fluent first."""

    recipe: str
    source: str
    output: str
    references: tuple[str, ...]
    resolved: bool
    non_toxic_a: bool
    non_toxic_b: bool
    broken: bool
    content: float
    fluency: float
    joint: float


@dataclass(frozen=True)
class RewriteReport:
    """All that `evaluate rewrites` measures.

    deviation: a person's standard deviation, over rows, of the change in log-probability per
        token; the unit of `fluency`.
    human_length: mean over rows and references of the characters kept.
    paired: systems on rows with references; unpaired: on toxic rows without.
    """

    joint: str
    judges: tuple[JudgeFacts, ...]
    fluency: FluencyFacts
    names: int
    deviation: float
    human_length: float
    paired: tuple[SystemResult, ...]
    differences: tuple[Difference, ...]
    goals: tuple[Goal, ...]
    unpaired_source: str
    unpaired: tuple[SystemResult, ...]
    worst: tuple[Worst, ...]


def measure_rewrites(
    pairs: Sequence[Pair],
    unpaired: tuple[str, Sequence[str]],
    recipes: Mapping[str, Detoxifier],
    instruments: Instruments,
    *,
    progress: Progress,
) -> RewriteReport:
    """Every system on the pairs, and those that need no reference on the unpaired source."""
    bench = Bench(pairs, instruments)
    systems = [
        *_systems([pair.source for pair in pairs], recipes, instruments, progress),
        *people(pairs),
    ]
    columns = {system.name: bench.columns(system) for system in systems}
    progress(f"{len(systems)} systems measured on {len(pairs)} rows with references")
    later = {name: bench.columns(_named(systems, name), spent=1) for name in recipes}
    results = tuple(SystemResult(name, estimates(each)) for name, each in columns.items())
    differences = tuple(
        Difference(
            recipe, other, _differences(later[recipe] if other == HUMAN else columns[recipe], each)
        )
        for recipe in recipes
        for other, each in columns.items()
        if other != recipe
    )
    source, texts = unpaired
    alone = Bench([Pair(text, ()) for text in texts], instruments)
    others = _systems(texts, recipes, instruments, progress)
    length = bench.human_length
    return RewriteReport(
        instruments.joint,
        tuple(judge.facts for judge in instruments.judges),
        instruments.fluency.facts,
        len(instruments.names),
        bench.deviation,
        length,
        results,
        differences,
        tuple(goal for name in recipes for goal in _goals(name, results, differences, length)),
        source,
        tuple(SystemResult(one.name, estimates(alone.columns(one))) for one in others),
        tuple(
            one for name in recipes for one in _worst(_named(systems, name), pairs, columns[name])
        ),
    )


def people(pairs: Sequence[Pair]) -> list[System]:
    """What people kept of each source, and the first person's rewrite."""
    return [
        System(
            "delete oracle",
            tuple(keep_common(pair.source, pair.references[0]) for pair in pairs),
        ),
        System(HUMAN, tuple(pair.references[0] for pair in pairs), spent=1),
    ]


def rewrite_with(name: str, detoxifier: Detoxifier, texts: Sequence[str]) -> System:
    """A recipe's outputs; what it can't resolve it keeps. Outputs are rewritten once more."""
    keeping = replace(detoxifier, fallback="keep")
    records = list(keeping.run(texts))
    outputs = tuple(record.output or "" for record in records)
    return System(
        name,
        outputs,
        tuple(record.verdict is not Verdict.UNRESOLVED for record in records),
        tuple(record.output == record.original for record in keeping.run(outputs)),
    )


@dataclass(frozen=True)
class Bench:
    """Rows and instruments; measures one system after the other."""

    pairs: Sequence[Pair]
    instruments: Instruments

    @property
    def human_length(self) -> float:
        """Mean over all references of their characters over their source's."""
        ratios = [
            len(reference) / len(pair.source)
            for pair in self.pairs
            for reference in pair.references
        ]
        return sum(ratios) / len(ratios) if ratios else math.nan

    @cached_property
    def deviation(self) -> float:
        """Standard deviation over rows of the first reference's change; NaN where there is none."""
        import numpy as np

        change = [
            written[0] - before
            for before, written in zip(self._before, self._written, strict=True)
            if written
        ]
        # No spread is no unit.
        return (float(np.nanstd(change, ddof=1)) if len(change) > 1 else 0.0) or math.nan

    @cached_property
    def _before(self) -> list[float]:
        return self.instruments.fluency.score([pair.source for pair in self.pairs])

    @cached_property
    def _written(self) -> list[list[float]]:
        flat = iter(
            self.instruments.fluency.score(
                [reference for pair in self.pairs for reference in pair.references]
            )
        )
        return [[next(flat) for _ in pair.references] for pair in self.pairs]

    def columns(self, system: System, *, spent: int | None = None) -> Columns:
        """One value per row and measure; `spent` references count for nothing."""
        import numpy as np

        skipped = system.spent if spent is None else spent
        sources = [pair.source for pair in self.pairs]
        references = [pair.references[skipped:] for pair in self.pairs]
        resolved = np.array(system.resolved or [True] * len(sources), dtype=bool)
        words = [tokens(text) for text in sources]
        said = [tokens(text) for text in system.outputs]
        clean = [
            np.array(judge.is_clean(system.outputs), dtype=bool) & resolved
            for judge in self.instruments.judges
        ]
        broken = np.array(
            [joints(o) > joints(s) for s, o in zip(sources, system.outputs, strict=True)], bool
        )
        content = np.array(
            [
                _share(kept_by_all(source, [tokens(one) for one in others]), content_words(output))
                for source, others, output in zip(words, references, said, strict=True)
            ]
        )
        fluency = self._fluency(system.outputs, skipped)
        empty = np.array([is_empty(text) for text in system.outputs], bool)
        fluent = ~broken & ~empty & (fluency >= -_TOLERANCE)
        # Where people kept no content word in common there is none to lose.
        joint = (clean[0] * 0.5 + clean[1] * 0.5) * np.nan_to_num(content, nan=1.0) * fluent
        compared = np.array([bool(others) for others in references], bool)
        return {
            "non_toxic_a": clean[0].astype(float),
            "non_toxic_b": clean[1].astype(float),
            "broken": broken.astype(float),
            "fluency": fluency,
            "content": content,
            "length": np.array(
                [len(o) / len(s) for s, o in zip(sources, system.outputs, strict=True)]
            ),
            "unchanged": np.array(
                [o == s for s, o in zip(sources, system.outputs, strict=True)], float
            ),
            "unresolved": (~resolved).astype(float),
            "empty": empty.astype(float),
            "residue": np.array(
                [residues(o) > residues(s) for s, o in zip(sources, system.outputs, strict=True)],
                float,
            ),
            "facts": np.array([self._keeps_facts(*each) for each in zip(words, said, strict=True)]),
            "negation": np.array(
                [_keeps_negation(*each) for each in zip(words, said, strict=True)]
            ),
            "steady": np.full(len(sources), math.nan)
            if system.again is None
            else np.array(system.again, float),
            "chrf": np.array(
                [
                    chrf(output, pair.references[1:])
                    for pair, output in zip(self.pairs, system.outputs, strict=True)
                ]
            ),
            "joint": np.where(compared, joint, math.nan),
        }

    def _fluency(self, outputs: Sequence[str], skipped: int) -> Any:
        import numpy as np

        after = np.array(self.instruments.fluency.score(outputs))
        if not any(pair.references for pair in self.pairs):
            return after - self._before
        # The source's own log-probability falls out of the difference of the two changes.
        human = [
            np.mean(one[skipped:]) if len(one) > skipped else math.nan for one in self._written
        ]
        return (after - human) / self.deviation

    def _keeps_facts(self, source: Sequence[str], output: Sequence[str]) -> float:
        stated = facts(source, self.instruments.names)
        return float(stated <= facts(output, self.instruments.names)) if stated else math.nan


def estimates(columns: Columns) -> dict[str, Estimate]:
    """Every measure with n and interval: Wilson's for shares, else a bootstrap over rows."""
    import numpy as np

    found: dict[str, Estimate] = {}
    for name, column in columns.items():
        known = column[~np.isnan(column)]
        if not len(known):
            found[name] = NOTHING
        elif name in SHARES:
            found[name] = wilson(int(known.sum()), len(known))
        else:
            found[name] = mean(known)
    return found


def _systems(
    texts: Sequence[str],
    recipes: Mapping[str, Detoxifier],
    instruments: Instruments,
    progress: Progress,
) -> list[System]:
    """The systems that look at the sources only; the first recipe's masker deletes."""
    first, detoxifier = next(iter(recipes.items()))
    deleted = delete_masked(detoxifier, texts)
    random = Random(0)
    budgets = [count_words(t) - count_words(o) for t, o in zip(texts, deleted, strict=True)]
    systems = [
        System(COPY, tuple(texts)),
        System("word-list delete", tuple(delete_listed(t, instruments.listed) for t in texts)),
        System(
            "random delete",
            tuple(delete_random(t, n, random) for t, n in zip(texts, budgets, strict=True)),
        ),
        System(f"trained delete ({first})", tuple(deleted)),
    ]
    for name, recipe in recipes.items():
        systems.append(rewrite_with(name, recipe, texts))
        progress(f"{name}: {len(texts)} texts rewritten, and their outputs again")
    return systems


def _named(systems: Sequence[System], name: str) -> System:
    return next(system for system in systems if system.name == name)


def _share(wanted: Any, kept: Any) -> float:
    return (wanted & kept).total() / wanted.total() if wanted else math.nan


def _keeps_negation(source: Sequence[str], output: Sequence[str]) -> float:
    said = negations(source)
    return float(negations(output) >= said) if said else math.nan


def _differences(ours: Columns, theirs: Columns) -> dict[str, Estimate]:
    import numpy as np

    found: dict[str, Estimate] = {}
    for name in _COMPARED:
        change = ours[name] - theirs[name]
        found[name] = mean(change[~np.isnan(change)])
    return found


def _goals(
    recipe: str,
    results: Sequence[SystemResult],
    differences: Sequence[Difference],
    human_length: float,
) -> list[Goal]:
    ours = next(one.numbers for one in results if one.system == recipe)
    gap = next(one.numbers for one in differences if (one.recipe, one.other) == (recipe, HUMAN))
    # Negated comparisons would call a number that nobody knows (NaN) reached.
    listed: list[tuple[str, str, Estimate, bool]] = [
        (f"non-toxic by judge {letter}, less {HUMAN}'s", ">= 0", gap[key], gap[key].value >= 0)
        for letter, key in (("A", "non_toxic_a"), ("B", "non_toxic_b"))
    ]
    listed += [
        ("broken joints", "<= 0.8 %", ours["broken"], ours["broken"].value <= 0.008),
        (
            "fluency, lower bound of ours less the references'",
            ">= -0.10 SD",
            ours["fluency"],
            ours["fluency"].low >= -0.10,
        ),
        ("content", ">= 0.95", ours["content"], ours["content"].value >= 0.95),
        (
            "length ratio",
            f"within 0.06 of {human_length:.3f}",
            ours["length"],
            abs(ours["length"].value - human_length) <= 0.06,
        ),
        ("unchanged", "<= 3 %", ours["unchanged"], ours["unchanged"].value <= 0.03),
        ("empty", "0", ours["empty"], ours["empty"].value == 0),
        ("mask residue", "0", ours["residue"], ours["residue"].value == 0),
        ("numbers and names kept", ">= 99.5 %", ours["facts"], ours["facts"].value >= 0.995),
        ("negation kept", ">= 99.5 %", ours["negation"], ours["negation"].value >= 0.995),
        (
            "rewriting again changes nothing",
            ">= 99 %",
            ours["steady"],
            ours["steady"].value >= 0.99,
        ),
        (f"chrF less {HUMAN}'s", ">= -2", gap["chrf"], gap["chrf"].value >= -2),
    ]
    return [Goal(recipe, *one) for one in listed]


def _worst(system: System, pairs: Sequence[Pair], columns: Columns) -> list[Worst]:
    import numpy as np

    # NaN fluency (an empty output) counts as the least fluent.
    fluency = np.nan_to_num(columns["fluency"], nan=-math.inf)
    order = np.lexsort((fluency, columns["joint"]))[:_WORST]
    return [
        Worst(
            system.name,
            pairs[row].source,
            system.outputs[row],
            pairs[row].references,
            not columns["unresolved"][row],
            bool(columns["non_toxic_a"][row]),
            bool(columns["non_toxic_b"][row]),
            bool(columns["broken"][row]),
            float(columns["content"][row]),
            float(columns["fluency"][row]),
            float(columns["joint"][row]),
        )
        for row in order
    ]
