"""Answers of a network before and after it was tuned: toxicity, ROUGE, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trustydetox.evaluation.intervals import Estimate, mean
from trustydetox.evaluation.rouge import MEASURES, rouge
from trustydetox.evaluation.tables import Table, number
from trustydetox.roles import Scorer


@dataclass(frozen=True)
class AnswerResult:
    """One network's answers, means over them; the prompts are not scored.

    toxicity: by each judge. rouge: ROUGE-1, 2 and L against people's answers, empty without any.
    words: per answer.
    """

    system: str
    toxicity: tuple[Estimate, ...]
    rouge: tuple[Estimate, ...]
    words: Estimate


@dataclass(frozen=True)
class AnswerReport:
    """Answers before and after, and what tuning changed, answer by answer."""

    results: tuple[AnswerResult, ...]
    change: tuple[Estimate, ...]


def measure_answers(
    before: Sequence[str],
    after: Sequence[str],
    references: Sequence[Sequence[str]],
    judges: Mapping[str, Scorer],
) -> AnswerReport:
    """The answers to the same prompts; `change` is each judge's toxicity after less before."""
    scores = {
        name: [[one.overall for one in judge.score(texts)] for judge in judges.values()]
        for name, texts in (("before", before), ("after", after))
    }
    results = tuple(
        AnswerResult(
            name,
            tuple(map(mean, scores[name])),
            tuple(map(mean, zip(*map(rouge, texts, references), strict=True)))
            if references
            else (),
            mean([len(text.split()) for text in texts]),
        )
        for name, texts in (("before", before), ("after", after))
    )
    change = tuple(
        mean([b - a for a, b in zip(old, new, strict=True)])
        for old, new in zip(scores["before"], scores["after"], strict=True)
    )
    return AnswerReport(results, change)


def answer_tables(report: AnswerReport, judges: Mapping[str, Scorer]) -> list[Table]:
    """Before, after and the change of toxicity, paired by prompt."""
    has_rouge = bool(report.results[0].rouge)
    columns = ("answers", "n", *(f"toxicity by {name}" for name in judges))
    rows = [
        (
            one.system,
            str(one.words.n),
            *map(number, one.toxicity),
            *map(number, one.rouge),
            f"{one.words.value:.1f}",
        )
        for one in report.results
    ]
    blank = ("–",) * (len(MEASURES) * has_rouge + 1)
    rows.append(("change", str(report.change[0].n), *map(number, report.change), *blank))
    return [
        Table(
            "Answers to held-out prompts",
            "Mean over answers, the prompts not scored; one sampled answer per prompt. Only the "
            "first judge took part in training. In brackets the 95 % bootstrap interval; the "
            "change is paired by prompt.",
            (*columns, *(MEASURES if has_rouge else ()), "words"),
            tuple(rows),
        )
    ]
