"""Reports as tables: for a terminal, for Markdown (the model card) and as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from trustydetox.evaluation.dialogue import DialogueResult
from trustydetox.evaluation.identity import IdentityResult
from trustydetox.evaluation.intervals import Estimate
from trustydetox.evaluation.judging import JudgeFacts
from trustydetox.evaluation.reading import ReadingReport
from trustydetox.evaluation.rewrites import Difference, Goal, RewriteReport, SystemResult
from trustydetox.evaluation.scorer import OneClassResult, ScorerReport, TwoClassResult
from trustydetox.evaluation.spans import SpanReport

SCHEMA = 1
_EMPTY = "–"


@dataclass(frozen=True)
class Table:
    """A title, a note that says how to read it, column heads and rows of cells."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def span_tables(report: SpanReport) -> list[Table]:
    """One table per set of posts."""
    return [
        Table(
            f"Toxic spans: {result.source}",
            f"n = {result.share_empty.n} posts; {percent(result.share_empty)} of them without "
            "gold spans. F1 is the mean over posts of character F1 (SemEval-2021 Task 5), the gate "
            "included; precision and recall are over all characters. In brackets the 95 % "
            "bootstrap interval.",
            ("system", "F1", "F1 with gold", "empty kept empty", "precision", "recall"),
            tuple(
                (
                    scores.system,
                    number(scores.f1),
                    number(scores.f1_marked),
                    number(scores.empty_accuracy),
                    number(scores.precision),
                    number(scores.recall),
                )
                for scores in result.systems
            ),
        )
        for result in report.results
    ]


def scorer_tables(report: ScorerReport) -> list[Table]:
    """Discrimination, threshold and calibration, one-class sources, identity, dialogue, edits."""
    return [
        Table(
            "Documents: guide against TF-IDF regressions trained on the same rows",
            "AUC with its 95 % bootstrap interval. The ratio is (1 - AUC) of the guide over that "
            "of the better baseline, paired; 0.75 is 25 % lower.",
            (
                "source",
                "n",
                "toxic",
                "guide",
                "word TF-IDF",
                "char TF-IDF",
                "ratio",
                "gain",
                "goal",
            ),
            tuple(map(_discrimination, report.two_class)),
        ),
        Table(
            f"Documents: the guide at its threshold ({report.threshold:g}), calibration, the check",
            "ECE over 15 bins of equal mass. Shared errors: correlation of score minus label of "
            "guide and check.",
            ("source", "n", "recall", "false positives", "ECE", "check AUC", "shared errors"),
            (
                *map(_at_threshold, report.two_class),
                (
                    "all",
                    str(report.calibration.error.n),
                    _EMPTY,
                    _EMPTY,
                    number(report.calibration.error),
                    _EMPTY,
                    _EMPTY,
                ),
            ),
        ),
        Table(
            "Reliability of the guide over all sources with both classes",
            "Bins of equal mass.",
            ("n", "mean probability", "share toxic"),
            tuple(
                (str(one.n), f"{one.said:.3f}", f"{one.toxic:.3f}")
                for one in report.calibration.bins
            ),
        ),
        Table(
            "Sources of one class",
            "Share found toxic at the threshold (recall where all is toxic, false-positive rate "
            "where nothing is) and share changed by the recipe, with Wilson's 95 % interval.",
            ("source", "n", "all are", "found by the guide", "by the check", "changed"),
            tuple(map(_one_class, report.one_class)),
        ),
        Table(
            "Identity statements",
            "Templates kept out of training; held-out terms too. The gap is the largest minus the "
            "smallest share found toxic of any term.",
            ("terms", "tone", "n", "changed", "found toxic", "gap", "most often found"),
            tuple(map(_identity, report.identity)),
        ),
        Table(
            "Clean dialogue: share of rows changed",
            "Plain rows hold no word of the two profanity lexicons and no common insult.",
            ("source", "n plain", "plain", "n others", "others"),
            tuple(map(_dialogue, report.dialogue)),
        ),
        Table(
            "Edits",
            "For every record its edits turn its original into its output; a break would have "
            "stopped the run.",
            ("source", "records", "clean", "rewritten", "unresolved", "dropped", "edits"),
            tuple(
                (
                    one.source,
                    *(
                        f"{count}"
                        for count in (
                            one.records,
                            one.clean,
                            one.rewritten,
                            one.unresolved,
                            one.dropped,
                            one.edits,
                        )
                    ),
                )
                for one in report.edits
            ),
        ),
    ]


def rewrite_tables(report: RewriteReport) -> list[Table]:
    """Systems beside people, paired differences, goals, rows without references, instruments.

    No text of a row: the worst rows stand in the report only.
    """
    n = max((one.numbers["broken"].n for one in report.paired), default=0)
    recipes = list(dict.fromkeys(goal.recipe for goal in report.goals))
    return [
        Table(
            "Rewrites: people's rows",
            f"n = {n} rows where no other n is named. Non-toxic by two judges that had no part in "
            "the rewriting; unresolved rows count as toxic. Broken: a, an, the, is, are, was, "
            "were, be, such, your, of, to right before a sign or the end, more than in the source. "
            "Fluency: change of log-probability per token, less the mean of the references', in "
            f"standard deviations of a person's change ({report.deviation:.2f} nats). Content: of "
            "the source's content words that every reference keeps. People's length ratio is "
            f"{report.human_length:.3f}. human-1 is measured against the other references. "
            f"{report.joint}: non-toxic x content x fluent.",
            (
                "system",
                "non-toxic A",
                "non-toxic B",
                "broken",
                "fluency",
                "content",
                "length",
                "J_local",
            ),
            tuple(_rewrites(one, n) for one in report.paired),
        ),
        Table(
            "Rewrites: guards",
            f"n = {n} rows where no other n is named. Numbers and names, negation: of the rows "
            "that have any, those that keep all. Again: rewriting the output changes nothing. chrF "
            "against the references after the first; it rewards copying and is no goal.",
            (
                "system",
                "unchanged",
                "unresolved",
                "empty",
                "residue",
                "numbers, names",
                "negation",
                "again",
                "chrF",
            ),
            tuple(map(_guards, report.paired)),
        ),
        *(
            Table(
                f"Rewrites: {recipe} less every other system",
                f"Paired over {n} rows where no other n is named. Beside human-1 both are "
                "measured against the references after the first.",
                (
                    "less",
                    "non-toxic A",
                    "non-toxic B",
                    "broken",
                    "fluency",
                    "content",
                    "length",
                    "chrF",
                    "J_local",
                ),
                tuple(_difference(one, n) for one in report.differences if one.recipe == recipe),
            )
            for recipe in recipes
        ),
        *(
            Table(
                f"Rewrites: what {recipe} should reach",
                "",
                ("what", "goal", "n", "value", ""),
                tuple(_goal(goal) for goal in report.goals if goal.recipe == recipe),
            )
            for recipe in recipes
        ),
        Table(
            f"Rewrites: {report.unpaired_source}",
            "Toxic rows without references. Fluency: change of log-probability per token against "
            "the source, in nats.",
            (
                "system",
                "n",
                "non-toxic A",
                "non-toxic B",
                "broken",
                "fluency",
                "length",
                "unchanged",
                "numbers, names",
                "negation",
            ),
            tuple(map(_unpaired, report.unpaired)),
        ),
        Table(
            "Rewrites: the judges",
            "Trained on rows that train no model of a recipe. AUC, recall and false positives on "
            "the tenth of their rows that only chose the threshold. Fluency: Kneser-Ney over 4 "
            f"words, {report.fluency.texts} sentences, {report.fluency.tokens} tokens "
            f"(@{report.fluency.digest}); {report.names} names.",
            (
                "judge",
                "architecture",
                "rows",
                "held out",
                "AUC",
                "threshold",
                "recall",
                "false positives",
            ),
            tuple(map(_judge, report.judges)),
        ),
    ]


def reading_tables(report: ReadingReport) -> list[Table]:
    """What readers said of each system, and how far they agree."""
    return [
        Table(
            f"Blind reading: {report.rows} rows, {report.readers} readers",
            "Share of yes over all readers' answers, with Wilson's 95 % interval; the readers "
            "didn't know whose rewrite a line was.",
            ("system", "answers", "a person would write it", "it says the same"),
            tuple(
                (one.system, str(one.natural.n), percent(one.natural), percent(one.same))
                for one in report.results
            ),
        ),
        Table(
            "Agreement of the first two readers",
            "Share of lines with the same answer, and Cohen's kappa.",
            ("question", "lines", "agree", "kappa", "differ"),
            tuple(
                (
                    one.question,
                    str(one.share.n),
                    percent(one.share),
                    _EMPTY if math.isnan(one.kappa) else f"{one.kappa:.2f}",
                    str(len(one.differing)),
                )
                for one in report.agreements
            ),
        ),
    ]


def markdown(tables: Iterable[Table]) -> str:
    """Tables with a heading of the third level and their note each."""
    return "\n".join(_markdown(table) for table in tables)


def values(report: Any) -> Any:
    """A report as JSON values: dataclasses as objects, NaN as null."""
    if is_dataclass(report) and not isinstance(report, type):
        named = {field.name: values(getattr(report, field.name)) for field in fields(report)}
        if isinstance(report, TwoClassResult):
            named["goal"] = report.goal
        return named
    if isinstance(report, Mapping):
        return {key: values(value) for key, value in report.items()}
    if isinstance(report, tuple | list):
        return [values(value) for value in report]
    if isinstance(report, float) and not math.isfinite(report):
        return None
    return report


def _discrimination(one: TwoClassResult) -> tuple[str, ...]:
    return (
        one.source,
        str(one.auc.n),
        f"{one.toxic.value:.0%}",
        number(one.auc),
        *(number(estimate) for estimate in one.baselines.values()),
        number(one.ratio),
        number(one.gain),
        one.goal,
    )


def _at_threshold(one: TwoClassResult) -> tuple[str, ...]:
    return (
        one.source,
        str(one.auc.n),
        percent(one.recall),
        percent(one.false_positives),
        number(one.error),
        number(one.check_auc),
        number(one.shared_errors),
    )


def _one_class(one: OneClassResult) -> tuple[str, ...]:
    return (
        one.source,
        str(one.found.n),
        "toxic" if one.label else "clean",
        percent(one.found),
        percent(one.check_found),
        percent(one.changed),
    )


def _identity(one: IdentityResult) -> tuple[str, ...]:
    worst = ", ".join(f"{rate.term} {rate.toxic.value:.0%}" for rate in one.worst)
    return (
        one.terms,
        one.tone,
        str(one.toxic.n),
        percent(one.changed),
        percent(one.toxic),
        percent(one.gap),
        worst or _EMPTY,
    )


def _dialogue(one: DialogueResult) -> tuple[str, ...]:
    return (
        one.source,
        str(one.plain.n),
        percent(one.plain),
        str(one.worded.n),
        percent(one.worded),
    )


def _rewrites(one: SystemResult, n: int) -> tuple[str, ...]:
    numbers = one.numbers
    return (
        one.system,
        percent(numbers["non_toxic_a"]),
        percent(numbers["non_toxic_b"]),
        percent(numbers["broken"]),
        *(_of(numbers[name], n) for name in ("fluency", "content", "length", "joint")),
    )


def _guards(one: SystemResult) -> tuple[str, ...]:
    numbers = one.numbers
    return (
        one.system,
        percent(numbers["unchanged"]),
        percent(numbers["unresolved"]),
        percent(numbers["empty"]),
        percent(numbers["residue"]),
        _counted(numbers["facts"]),
        _counted(numbers["negation"]),
        percent(numbers["steady"]),
        _points(numbers["chrf"]),
    )


def _difference(one: Difference, n: int) -> tuple[str, ...]:
    numbers = one.numbers
    return (
        one.other,
        *(_of(numbers[name], n) for name in ("non_toxic_a", "non_toxic_b", "broken", "fluency")),
        _of(numbers["content"], n),
        _of(numbers["length"], n),
        _points(numbers["chrf"]),
        _of(numbers["joint"], n),
    )


def _goal(goal: Goal) -> tuple[str, ...]:
    return (
        goal.what,
        goal.goal,
        str(goal.value.n),
        number(goal.value),
        "reached" if goal.reached else "missed",
    )


def _unpaired(one: SystemResult) -> tuple[str, ...]:
    numbers = one.numbers
    return (
        one.system,
        str(numbers["broken"].n),
        percent(numbers["non_toxic_a"]),
        percent(numbers["non_toxic_b"]),
        percent(numbers["broken"]),
        number(numbers["fluency"]),
        number(numbers["length"]),
        percent(numbers["unchanged"]),
        _counted(numbers["facts"]),
        _counted(numbers["negation"]),
    )


def _judge(one: JudgeFacts) -> tuple[str, ...]:
    return (
        f"{one.name}@{one.digest}",
        one.architecture,
        str(one.trained),
        str(one.auc.n),
        number(one.auc),
        f"{one.threshold:.3f}",
        percent(one.recall),
        percent(one.false_positives),
    )


def _of(estimate: Estimate, n: int) -> str:
    """With its own number of rows where that isn't the table's."""
    said = number(estimate)
    return said if estimate.n in (0, n) else f"{said}, n = {estimate.n}"


def _counted(estimate: Estimate) -> str:
    return f"{percent(estimate)}, n = {estimate.n}" if estimate.n else _EMPTY


def _points(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return _EMPTY
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}], n = {estimate.n}"


def number(estimate: Estimate | None) -> str:
    """The value with its interval, three digits; a dash where there is none."""
    if estimate is None or math.isnan(estimate.value):
        return _EMPTY
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def percent(estimate: Estimate | None) -> str:
    """A share with its interval in percent; a dash where there is none."""
    if estimate is None or math.isnan(estimate.value):
        return _EMPTY
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _markdown(table: Table) -> str:
    lines = [
        f"### {table.title}",
        "",
        table.note,
        "",
        _line(table.columns),
        _line("---" for _ in table.columns),
        *map(_line, table.rows),
        "",
    ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
