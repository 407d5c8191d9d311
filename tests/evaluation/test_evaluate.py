from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import WordScorer, WordsKept, detoxifier
from trustydetox.evaluation.baselines import TfidfRegression
from trustydetox.evaluation.intervals import Estimate
from trustydetox.evaluation.scorer import Baselines, TwoClassResult, measure_scorer, scoring_check
from trustydetox.evaluation.tables import Table, markdown, scorer_tables, values
from trustydetox.steps.checking import LessToxic
from trustydetox.training.sources import Source

FAKE = Path(__file__).parents[1] / "recipes" / "fake.yaml"
Run = Callable[..., Any]

TEXTS = [f"row {k}, you {'idiot' if k % 2 else 'fellow'} of old" for k in range(40)]
LABELS = [k % 2 for k in range(40)]


def quiet(what: str) -> None:
    pass


def test_evaluate_spans_measures_the_recipe_beside_its_baselines(
    data: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "spans.json"
    ran = run("evaluate", "spans", "--data", data, "--recipe", FAKE, "-o", out)
    assert ran.exit_code == 0, ran.stderr
    assert "toxic_spans_semeval2021" in ran.stdout
    trial, rated, explained = json.loads(out.read_text("utf-8"))["results"]
    recipe, nothing, *_ = trial["systems"]
    # Of ten posts two hold an insult that nobody marked; the recipe marks every insult.
    assert trial["share_empty"]["value"] == pytest.approx(0.2)
    assert recipe["f1"] == {"value": 0.8, "low": 0.5, "high": 1.0, "n": 10}
    assert recipe["f1_marked"]["value"] == 1.0
    assert recipe["empty_accuracy"]["value"] == 0.0
    assert nothing["f1"]["value"] == pytest.approx(0.2)
    assert rated["systems"][0]["f1"]["n"] == 4
    assert explained["systems"][0]["f1"]["value"] == 1.0


def test_evaluate_scorer_measures_every_source_and_its_control(
    data: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "scorer.json"
    ran = run("evaluate", "scorer", "--data", data, "--recipe", FAKE, "-o", out)
    assert ran.exit_code == 0, ran.stderr
    report = json.loads(out.read_text("utf-8"))
    two = {one["source"]: one for one in report["two_class"]}
    assert two["edos"]["auc"]["value"] == 1.0
    assert two["edos"]["recall"]["value"] == 1.0
    assert two["edos"]["goal"] == "none (n < 500)"
    # The control: the labels of this source are the wrong way round.
    assert two["vicomtech_stormfront"]["auc"]["value"] == 0.0
    assert two["vicomtech_stormfront"]["recall"]["value"] == 0.0
    one_class = {one["source"]: one for one in report["one_class"]}
    assert one_class["civil_comments_toxic_half"]["found"]["value"] == 1.0
    assert one_class["bold"]["found"]["value"] == 0.0
    assert one_class["bold"]["changed"]["value"] == 0.0
    assert {one["source"] for one in report["dialogue"]} == {
        "lm_self_dialogue",
        "lm_sgd",
        "lm_multidogo",
    }
    assert all(one["plain"]["value"] == 0.0 for one in report["dialogue"])
    edits = {one["source"]: one for one in report["edits"]}
    assert edits["goemotions"]["clean"] == edits["goemotions"]["records"] > 0
    assert edits["civil_comments_toxic_half"]["clean"] == 0
    assert report["schema"] == 1


def test_a_sheet_is_made_read_and_counted(data: Path, run: Run, tmp_path: Path) -> None:
    ran = run("evaluate", "sheet", "--data", data, "--recipe", FAKE, "-o", tmp_path)
    assert ran.exit_code == 0, ran.stderr
    head, *lines = (tmp_path / "sheet.csv").read_text("utf-8").splitlines()
    assert head == "number,original,rewrite,natural,same"
    readers = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for path in readers:
        filled = [line.removesuffix(",,") + ",y,n" for line in lines]
        path.write_text("\n".join([head, *filled]) + "\n", "utf-8")
    out = tmp_path / "reading.json"
    ran = run("evaluate", "reading", tmp_path / "key.json", *readers, "-o", out)
    assert ran.exit_code == 0, ran.stderr
    report = json.loads(out.read_text("utf-8"))
    assert [one["system"] for one in report["results"]].count("human-1") == 1
    assert {(one["natural"]["value"], one["same"]["value"]) for one in report["results"]} == {
        (1, 0)
    }
    ran = run("evaluate", "reading", tmp_path / "key.json", readers[0])
    assert ran.exit_code == 2
    assert "two readers" in ran.stderr


def test_evaluate_refuses_an_output_it_can_t_name(data: Path, run: Run, tmp_path: Path) -> None:
    ran = run("evaluate", "spans", "--data", data, "-o", tmp_path / "out.txt")
    assert ran.exit_code == 2
    assert ran.stderr == "error: expected an output that ends in .json or .md, got 'out.txt'\n"


def test_evaluate_refuses_an_output_it_can_t_write(data: Path, run: Run, tmp_path: Path) -> None:
    ran = run("evaluate", "scorer", "--data", data, "-o", tmp_path / "none" / "out.json")
    assert ran.exit_code == 2
    assert ran.stderr.count("\n") == 1


def test_evaluate_names_the_data_file_that_is_missing(run: Run, tmp_path: Path) -> None:
    ran = run("evaluate", "spans", "--data", tmp_path, "--recipe", FAKE)
    assert ran.exit_code == 3
    assert "train.parquet" in ran.stderr


def baselines() -> Baselines:
    return Baselines.learn(TEXTS, [float(label) for label in LABELS])


@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_regression_learns_from_soft_labels(unit: Any) -> None:
    soft = TfidfRegression.learn(unit, TEXTS, [0.9 if label else 0.1 for label in LABELS])
    insult, kind = soft.score_texts(["you idiot of old", "you fellow of old"])
    assert kind < 0.5 < insult
    turned = TfidfRegression.learn(unit, TEXTS, [0.1 if label else 0.9 for label in LABELS])
    insult, kind = turned.score_texts(["you idiot of old", "you fellow of old"])
    assert insult < 0.5 < kind
    assert soft.score_texts([]) == []


def test_the_check_is_measured_beside_the_guide() -> None:
    report = measure_scorer(
        detoxifier(),
        LessToxic(WordScorer({"fellow": 0.9, "fine": 0.4}), limit=0.3),
        [Source("own", tuple(TEXTS), tuple(LABELS)), Source("kind", ("fine",) * 3, (0,) * 3)],
        baselines(),
        dialogues={"kind": []},
        progress=quiet,
    )
    (own,) = report.two_class
    assert own.check_auc is not None
    assert (own.auc.value, own.check_auc.value) == (1.0, 0.0)
    # Guide: 0 - 0 on kind rows, 0.9 - 1 on insults. Check: 0.9 - 0 and 0 - 1. Both fall together.
    assert own.shared_errors is not None
    assert own.shared_errors.value == pytest.approx(1.0)
    assert own.error.value == pytest.approx(0.1 * 20 / 40, abs=0.02)
    (kind,) = report.one_class
    assert (kind.source, kind.found.value, kind.label) == ("kind", 0.0, 0)
    # 0.4 is over the check's own limit of 0.3, though not over the recipe's threshold.
    assert kind.check_found is not None
    assert kind.check_found.value == 1.0
    assert report.calibration.error.n == 40


def test_a_recipe_without_a_scoring_check_has_no_check_columns() -> None:
    check = LessToxic(WordScorer())
    assert scoring_check(detoxifier()) is None
    assert scoring_check(detoxifier(checks=(WordsKept(), check))) is check
    source = Source("own", tuple(TEXTS), tuple(LABELS))
    report = measure_scorer(detoxifier(), None, [source], baselines(), dialogues={}, progress=quiet)
    assert report.two_class[0].check_auc is None
    assert report.two_class[0].shared_errors is None
    table = scorer_tables(report)[1]
    assert table.rows[0][-2:] == ("–", "–")


def result(
    baseline: float, ratio: float, gain: tuple[float, float], n: int = 600
) -> TwoClassResult:
    some = Estimate(0.5, 0.4, 0.6, n)
    return TwoClassResult(
        source="own",
        toxic=some,
        auc=some,
        check_auc=None,
        baselines={"word TF-IDF": Estimate(baseline, 0.0, 1.0, n)},
        better="word TF-IDF",
        ratio=Estimate(ratio, 0.0, 9.0, n),
        gain=Estimate(sum(gain) / 2, *gain, n),
        recall=some,
        false_positives=some,
        error=some,
        shared_errors=None,
    )


@pytest.mark.parametrize(
    ("measured", "goal"),
    [
        (result(0.90, 0.75, (0.0, 0.1)), "25 % lower: reached"),
        (result(0.90, 0.76, (0.0, 0.1)), "25 % lower: missed"),
        (result(0.97, 0.99, (-0.01, 0.0)), "not below: reached"),
        (result(0.97, 0.99, (-0.02, -0.001)), "not below: missed"),
        (result(0.90, 0.10, (0.0, 0.1), n=499), "none (n < 500)"),
    ],
)
def test_the_goal_of_a_source_depends_on_its_baseline(measured: TwoClassResult, goal: str) -> None:
    assert measured.goal == goal


def test_tables_become_markdown() -> None:
    table = Table("Title", "A note.", ("a", "b"), (("1", "x|y"), ("2", "z")))
    assert markdown([table]) == (
        "### Title\n\nA note.\n\n| a | b |\n| --- | --- |\n| 1 | x\\|y |\n| 2 | z |\n"
    )


def test_a_number_that_is_none_becomes_null() -> None:
    assert values({"a": [float("nan"), 1.0], "b": Estimate(0.5, float("nan"), 1.0, 3)}) == {
        "a": [None, 1.0],
        "b": {"value": 0.5, "low": None, "high": 1.0, "n": 3},
    }
