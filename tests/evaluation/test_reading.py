from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from trustydetox.errors import InputError
from trustydetox.evaluation.reading import (
    QUESTIONS,
    Line,
    measure_reading,
    sheet_of,
    write_sheet,
)

SYSTEMS = {"ours": ["a1", "b1"], "human-1": ["a2", "b2"]}


def filled(folder: Path, name: str, no: dict[str, set[str]]) -> Path:
    """A reader's copy that answers no where a rewrite is named, else yes."""
    with (folder / "sheet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for question in QUESTIONS:
            row[question] = "n" if row["rewrite"] in no.get(question, set()) else "Y "
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sheet_holds_every_rewrite_once_and_says_not_whose_it_is(tmp_path: Path) -> None:
    lines = sheet_of(["a", "b"], SYSTEMS, seed=1)
    assert sorted((line.original, line.rewrite, line.row, line.system) for line in lines) == [
        ("a", "a1", 0, "ours"),
        ("a", "a2", 0, "human-1"),
        ("b", "b1", 1, "ours"),
        ("b", "b2", 1, "human-1"),
    ]
    write_sheet(lines, tmp_path)
    shown = (tmp_path / "sheet.csv").read_text()
    assert "ours" not in shown
    assert "human" not in shown
    key = json.loads((tmp_path / "key.json").read_text())
    assert [
        Line(n, lines[n - 1].original, lines[n - 1].rewrite, **key[str(n)]) for n in (1, 4)
    ] == [
        lines[0],
        lines[3],
    ]


def test_the_order_of_a_sheet_hangs_on_its_seed() -> None:
    texts = [str(number) for number in range(30)]
    sheets = [sheet_of(texts, {"one": texts}, seed=seed) for seed in (1, 1, 2)]
    assert sheets[0] == sheets[1] != sheets[2]


def test_rates_and_agreement_worked_out_by_hand(tmp_path: Path) -> None:
    write_sheet(sheet_of(["a", "b"], SYSTEMS, seed=0), tmp_path)
    one = filled(tmp_path, "one.csv", {"natural": {"a1"}})
    two = filled(tmp_path, "two.csv", {"natural": {"a1", "b1"}, "same": {"b2"}})
    report = measure_reading(tmp_path / "key.json", [one, two])
    assert (report.rows, report.readers) == (2, 2)
    rates = {each.system: (each.natural.value, each.same.value) for each in report.results}
    assert rates == {"ours": (0.25, 1.0), "human-1": (1.0, 0.75)}
    natural, same = report.agreements
    # Three of four alike; by chance 3/4 * 2/4 + 1/4 * 2/4 = 1/2.
    assert natural.share.value == 0.75
    assert natural.kappa == pytest.approx(0.5)
    assert len(natural.differing) == len(same.differing) == 1


def test_an_unanswered_line_is_refused_with_its_number(tmp_path: Path) -> None:
    write_sheet(sheet_of(["a", "b"], SYSTEMS, seed=0), tmp_path)
    good = filled(tmp_path, "good.csv", {})
    with pytest.raises(InputError, match="line 1: expected y or n under 'natural'"):
        measure_reading(tmp_path / "key.json", [good, tmp_path / "sheet.csv"])
    short = tmp_path / "short.csv"
    short.write_text("".join(good.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="lacks the answers to 1 lines, first 4"):
        measure_reading(tmp_path / "key.json", [good, short])
