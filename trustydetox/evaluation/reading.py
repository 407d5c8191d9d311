"""A blind reading: people say of sentences, whose author they don't know, how they read.

Protocol: the rewrites of some texts by several systems are shuffled into one sheet. Two readers
answer two questions about each line, apart from one another and without the key: would a person
write this sentence? does it say the same as the original, insults aside? Only then is the key read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from trustydetox.errors import InputError
from trustydetox.evaluation.intervals import Estimate, wilson

QUESTIONS = ("natural", "same")
"""Would a person write this? Does it say the same?"""

_YES = {"y": True, "n": False}


@dataclass(frozen=True)
class Line:
    """A line of the sheet, and what only the key says of it: which row and whose rewrite."""

    number: int
    original: str
    rewrite: str
    row: int
    system: str


@dataclass(frozen=True)
class ReadingResult:
    """How one system's rewrites were read: shares of yes over all readers' answers."""

    system: str
    natural: Estimate
    same: Estimate


@dataclass(frozen=True)
class Agreement:
    """How far two readers agree on a question.

    kappa: Cohen's; NaN where both gave one answer only. differing: numbers of the lines.
    """

    question: str
    share: Estimate
    kappa: float
    differing: tuple[int, ...]


@dataclass(frozen=True)
class ReadingReport:
    """What a blind reading found."""

    rows: int
    readers: int
    results: tuple[ReadingResult, ...]
    agreements: tuple[Agreement, ...]


def sheet_of(
    originals: Sequence[str], systems: Mapping[str, Sequence[str]], *, seed: int
) -> list[Line]:
    """Every system's rewrite of every text, shuffled and numbered from 1."""
    lines = [
        (original, outputs[row], row, system)
        for system, outputs in systems.items()
        for row, original in enumerate(originals)
    ]
    Random(seed).shuffle(lines)
    return [Line(number, *line) for number, line in enumerate(lines, 1)]


def write_sheet(lines: Sequence[Line], folder: Path) -> None:
    """Write sheet.csv, to be filled in by each reader in a copy, and key.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "sheet.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("number", "original", "rewrite", *QUESTIONS))
        writer.writerows((line.number, line.original, line.rewrite, "", "") for line in lines)
    key = {str(line.number): {"row": line.row, "system": line.system} for line in lines}
    (folder / "key.json").write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")


def measure_reading(key: Path, sheets: Sequence[Path]) -> ReadingReport:
    """Rates and agreement from the key and two readers' sheets or more."""
    systems: dict[int, tuple[int, str]] = {
        int(number): (int(line["row"]), str(line["system"]))
        for number, line in json.loads(key.read_text(encoding="utf-8")).items()
    }
    answers = [_answers(path, set(systems)) for path in sheets]
    names = list(dict.fromkeys(system for _, system in sorted(systems.values())))
    results = [
        ReadingResult(
            name,
            *(
                _share([a[number][question] for a in answers for number in numbers])
                for question in QUESTIONS
            ),
        )
        for name in names
        for numbers in [[n for n, (_, system) in systems.items() if system == name]]
    ]
    agreements = [_agreement(question, *answers[:2]) for question in QUESTIONS]
    rows = len({row for row, _ in systems.values()})
    return ReadingReport(rows, len(answers), tuple(results), tuple(agreements))


Answers = Mapping[int, Mapping[str, bool]]


def _answers(path: Path, numbers: set[int]) -> Answers:
    found: dict[int, dict[str, bool]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            said = {question: (row.get(question) or "").strip().lower() for question in QUESTIONS}
            wrong = [question for question, answer in said.items() if answer not in _YES]
            if wrong:
                raise InputError(
                    f"{path}, line {row.get('number')}: expected y or n under {wrong[0]!r}"
                )
            found[int(row["number"])] = {question: _YES[said[question]] for question in QUESTIONS}
    if missing := sorted(numbers - set(found)):
        raise InputError(f"{path} lacks the answers to {len(missing)} lines, first {missing[0]}")
    return found


def _share(values: Sequence[bool]) -> Estimate:
    return wilson(sum(values), len(values))


def _agreement(question: str, one: Answers, other: Answers) -> Agreement:
    pairs = [(one[number][question], other[number][question]) for number in one]
    same = sum(a == b for a, b in pairs) / len(pairs)
    first, second = (sum(each) / len(pairs) for each in zip(*pairs, strict=True))
    chance = first * second + (1 - first) * (1 - second)
    return Agreement(
        question,
        _share([a == b for a, b in pairs]),
        (same - chance) / (1 - chance) if chance < 1 else float("nan"),
        tuple(number for number in one if one[number][question] != other[number][question]),
    )
