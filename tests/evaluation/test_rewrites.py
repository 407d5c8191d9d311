from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import WordsKept, detoxifier
from trustydetox.evaluation.chrf import chrf
from trustydetox.evaluation.dialogue import Wordlist
from trustydetox.evaluation.fluency import FluencyModel
from trustydetox.evaluation.intervals import Estimate
from trustydetox.evaluation.judging import Judge, JudgeFacts
from trustydetox.evaluation.rewrites import (
    COPY,
    HUMAN,
    Bench,
    Instruments,
    Pair,
    RewriteReport,
    System,
    estimates,
    measure_rewrites,
    people,
    rewrite_with,
)
from trustydetox.evaluation.tables import markdown, rewrite_tables, values

FAKE = Path(__file__).parents[1] / "recipes" / "fake.yaml"

CORPUS = [
    "the old dog sleeps in the garden .",
    "the dog barks at the gate , twice .",
    "you are late , my dear neighbour .",
    "he is not a kind man .",
    "she sold 3 ladders to the man in the garden .",
    "that is an old idea .",
]

PAIRS = [
    Pair("the damn dog barks in the garden", ("The dog barks in the garden", "the dog barks")),
    Pair("you are an idiot , he is not", ("You are wrong, he is not.",)),
    Pair("berta sold 3 stupid ladders", ("Berta sold 3 ladders", "berta sold 3 old ladders")),
]


@dataclass(frozen=True)
class InsultCount:
    """As many points as a text has words of a list."""

    insults: frozenset[str]

    def score_texts(self, texts: Sequence[str]) -> list[float]:
        return [float(sum(word in self.insults for word in text.split())) for text in texts]


def judge(name: str, *insults: str) -> Judge:
    some = Estimate(1.0, 1.0, 1.0, 10)
    facts = JudgeFacts(name, "a list", f"digest-{name}", 1, 0.5, some, some, some)
    return Judge(facts, InsultCount(frozenset(insults)))


INSTRUMENTS = Instruments(
    (judge("a", "damn", "idiot", "stupid"), judge("b", "idiot", "stupid")),
    FluencyModel.learn(CORPUS * 2),
    frozenset({"berta"}),
    Wordlist.of(["damn", "stupid"]),
)
BENCH = Bench(PAIRS, INSTRUMENTS)


def quiet(what: str) -> None:
    pass


def columns(*outputs: str, **settings: Any) -> dict[str, list[float]]:
    measured = BENCH.columns(System("own", outputs, **settings))
    return {name: [float(value) for value in column] for name, column in measured.items()}


def test_a_copy_keeps_everything_and_stays_toxic() -> None:
    found = columns(*(pair.source for pair in PAIRS))
    assert found["non_toxic_a"] == [0, 0, 0]
    assert found["non_toxic_b"] == [1, 0, 0]
    assert found["content"] == pytest.approx([1, math.nan, 1], nan_ok=True)
    assert found["length"] == [1, 1, 1]
    assert found["unchanged"] == [1, 1, 1]
    assert found["broken"] == [0, 0, 0]
    assert found["joint"][1:] == [0, 0]


def test_what_is_lost_counts_where_every_reference_kept_it() -> None:
    found = columns("the dog", "you are , he is", "berta sold ladders [MASK]")
    # Kept by both people: dog and barks; the garden went with one of them. None in the second
    # row; sold and ladders, berta and 3 in the third.
    assert found["content"] == pytest.approx([0.5, math.nan, 0.75], nan_ok=True)
    assert found["broken"] == [0, 1, 0]
    assert found["residue"] == [0, 0, 1]
    assert found["facts"] == pytest.approx([math.nan, math.nan, 0.0], nan_ok=True)
    assert found["negation"] == pytest.approx([math.nan, 0.0, math.nan], nan_ok=True)
    assert found["length"][0] == 7 / 32
    assert found["joint"][1] == 0.0  # a broken joint is not fluent


def test_each_judge_has_half_of_the_joint_score() -> None:
    clean, split, toxic = (
        columns("", output, "") for output in ("he is not", "he is not damn", "he is not idiot")
    )
    assert min(found["fluency"][1] for found in (clean, split, toxic)) >= -1
    assert [found["joint"][1] for found in (clean, split, toxic)] == [1, 0.5, 0]


def test_a_text_without_a_letter_is_empty_and_worth_nothing() -> None:
    found = columns("", "! .", "berta sold 3 ladders")
    assert found["empty"] == [1, 1, 0]
    assert found["joint"] == [0, 0, 1]


def test_an_unresolved_row_counts_as_toxic() -> None:
    outputs = ["the dog barks", "he is not", "berta sold 3 ladders"]
    assert columns(*outputs)["non_toxic_a"] == [1, 1, 1]
    found = columns(*outputs, resolved=(True, True, False))
    assert found["non_toxic_a"] == found["non_toxic_b"] == [1, 1, 0]
    assert found["unresolved"] == [0, 0, 1]
    assert found["joint"][2] == 0.0


def test_fluency_is_the_change_beside_the_mean_of_the_references() -> None:
    model = INSTRUMENTS.fluency
    output = "the dog sleeps"
    (said,) = model.score([output])
    people_say = model.score(list(PAIRS[0].references))
    before = model.score([pair.source for pair in PAIRS])
    first = model.score([pair.references[0] for pair in PAIRS])
    change = [after - was for after, was in zip(first, before, strict=True)]
    middle = sum(change) / 3
    deviation = math.sqrt(sum((one - middle) ** 2 for one in change) / 2)
    assert pytest.approx(deviation) == BENCH.deviation
    assert columns(output, "he is not", "x")["fluency"][0] == pytest.approx(
        (said - sum(people_say) / 2) / deviation
    )


def test_a_person_is_measured_against_the_others() -> None:
    oracle, human = people(PAIRS)
    assert oracle.outputs[0] == "the dog barks in the garden"
    assert human.name == HUMAN
    measured = BENCH.columns(human)
    # Against the second reference of the first and third row; nobody else wrote the second.
    assert [float(x) for x in measured["content"]] == pytest.approx([1, math.nan, 1], nan_ok=True)
    assert math.isnan(measured["fluency"][1])
    assert math.isnan(measured["joint"][1])
    assert measured["chrf"][0] == pytest.approx(chrf(human.outputs[0], ["the dog barks"]))
    assert [math.isnan(x) for x in measured["chrf"]] == [False, True, False]


def test_swapped_judges_swap_their_columns() -> None:
    turned = Bench(PAIRS, Instruments(INSTRUMENTS.judges[::-1], *_rest(INSTRUMENTS)))
    copy = System(COPY, tuple(pair.source for pair in PAIRS))
    assert turned.columns(copy)["non_toxic_a"].tolist() == [1, 0, 0]
    assert turned.columns(copy)["non_toxic_b"].tolist() == [0, 0, 0]
    assert turned.instruments.joint == "J_local@digest-b+digest-a"


def _rest(instruments: Instruments) -> tuple[FluencyModel, frozenset[str], Wordlist]:
    return instruments.fluency, instruments.names, instruments.listed


def test_every_number_has_its_n() -> None:
    found = estimates(BENCH.columns(System("own", tuple(pair.source for pair in PAIRS))))
    assert (found["non_toxic_b"].value, found["non_toxic_b"].n) == (1 / 3, 3)
    assert (found["content"].n, found["chrf"].n, found["facts"].n) == (2, 2, 1)
    assert found["steady"].n == 0
    assert found["non_toxic_a"].high > 0.5  # Wilson: nothing in three rows is no certainty


def test_a_recipe_keeps_what_it_cannot_resolve_and_is_asked_again() -> None:
    texts = ["he is an idiot , twice", "idiot", "he is kind"]
    system = rewrite_with("fake", detoxifier(checks=(WordsKept(0.5),)), texts)
    assert system.outputs == ("he is an , twice", "idiot", "he is kind")
    assert system.resolved == (True, False, True)
    assert system.again == (True, True, True)


@pytest.fixture(scope="module")
def report() -> RewriteReport:
    return measure_rewrites(
        PAIRS,
        ("lone", ["you idiot of old", "what a stupid old idea"]),
        {"fake": detoxifier()},
        INSTRUMENTS,
        progress=quiet,
    )


def numbers(report: RewriteReport, system: str) -> Any:
    return next(one.numbers for one in report.paired if one.system == system)


def test_every_system_is_measured_on_the_same_rows(report: RewriteReport) -> None:
    assert [one.system for one in report.paired] == [
        COPY,
        "word-list delete",
        "random delete",
        "trained delete (fake)",
        "fake",
        "delete oracle",
        HUMAN,
    ]
    assert {one.numbers["broken"].n for one in report.paired} == {3}
    assert numbers(report, "word-list delete")["non_toxic_a"].value == pytest.approx(2 / 3)
    # The fake gate finds the first row mild enough; judge A does not.
    assert numbers(report, "fake")["non_toxic_a"].value == pytest.approx(2 / 3)
    assert numbers(report, "fake")["broken"].value == pytest.approx(1 / 3)
    assert numbers(report, "delete oracle")["non_toxic_b"].value == 1.0


def test_random_deletion_of_as_many_words_loses_content() -> None:
    many = measure_rewrites(
        PAIRS * 8, ("lone", ["kind"]), {"fake": detoxifier()}, INSTRUMENTS, progress=quiet
    )
    random, copy = (numbers(many, name)["content"] for name in ("random delete", COPY))
    assert random.high < copy.value == 1.0
    assert numbers(many, "trained delete (fake)")["content"].value == 1.0


def test_differences_are_paired_and_signed(report: RewriteReport) -> None:
    found = {(one.recipe, one.other): one.numbers for one in report.differences}
    assert len(found) == 6
    gain = found["fake", COPY]["non_toxic_b"]
    assert gain.value == pytest.approx(2 / 3)
    assert gain.n == 3
    beside = found["fake", HUMAN]
    # Judges need no reference; chrF and content speak of the rows with a second person.
    assert (beside["non_toxic_a"].n, beside["chrf"].n, beside["joint"].n) == (3, 2, 2)
    assert beside["chrf"].value == pytest.approx(
        numbers(report, "fake")["chrf"].value - numbers(report, HUMAN)["chrf"].value
    )


def test_goals_say_reached_or_missed(report: RewriteReport) -> None:
    reached = {goal.what: goal.reached for goal in report.goals}
    assert len(reached) == 13
    assert not reached["non-toxic by judge A, less human-1's"]
    assert reached["non-toxic by judge B, less human-1's"]
    assert not reached["broken joints"]
    assert reached["content"]


def test_a_number_that_nobody_knows_is_no_goal_reached() -> None:
    single = [Pair(pair.source, pair.references[:1]) for pair in PAIRS[:2]]
    lonely = measure_rewrites(
        single, ("lone", ["you idiot"]), {"fake": detoxifier()}, INSTRUMENTS, progress=quiet
    )
    reached = {goal.what: goal.reached for goal in lonely.goals}
    assert not reached["chrF less human-1's"]
    assert not reached["numbers and names kept"]


def test_rows_without_references_have_the_numbers_that_need_none(report: RewriteReport) -> None:
    lone = {one.system: one.numbers for one in report.unpaired}
    assert HUMAN not in lone
    assert lone["fake"]["non_toxic_a"].value == 1.0
    assert lone[COPY]["fluency"].value == 0.0
    assert lone["fake"]["content"].n == lone["fake"]["joint"].n == 0


def test_the_worst_rows_are_in_the_report_and_in_no_table(report: RewriteReport) -> None:
    joints = {one.source: one.joint for one in report.worst}
    assert joints[PAIRS[1].source] == 0.0
    assert [*joints.values()] == sorted(joints.values())
    text = markdown(rewrite_tables(report))
    assert report.joint in text
    # The second row has one person's rewrite only: human-1's content is over the two others.
    human = next(line for line in text.splitlines() if line.startswith(f"| {HUMAN} |"))
    assert human.count("n = 2") == 3  # fluency, content, J_local
    assert not any(pair.source in text or pair.references[0] in text for pair in PAIRS)
    assert PAIRS[1].source in json.dumps(values(report))


@pytest.fixture(scope="module")
def pairs_data(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder with two people's rewrites per measured row."""
    root = tmp_path_factory.mktemp("pairs") / "data"
    shutil.copytree(data, root)
    rows = [
        {
            "id": k,
            "toxic": f"pair {k}, your old {thing} is broken, idiot",
            "neutral": [f"Pair {k}, your old {thing} is broken, neighbour.", f"your {thing} broke"],
        }
        for k, thing in enumerate(("garden", "ladder", "kettle", "piano", "bridge", "window"))
    ]
    rows.append({"id": 9, "toxic": "nobody mended this, idiot", "neutral": []})
    pq.write_table(pa.Table.from_pylist(rows), root / "paradetox" / "dev.parquet")
    return root


def test_evaluate_rewrites_measures_a_recipe_beside_people(
    pairs_data: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    out, shown = tmp_path / "rewrites.json", tmp_path / "rewrites.md"
    asked = ("evaluate", "rewrites", "--data", pairs_data, "--recipe", FAKE, "--sample", 4)
    ran = run(*asked, "-o", out)
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(out.read_text("utf-8"))
    paired = {one["system"]: one["numbers"] for one in found["paired"]}
    assert paired[COPY]["non_toxic_a"] == {"value": 0.0, "low": 0.0, "high": 0.4899, "n": 4} | {
        "high": pytest.approx(0.4899, abs=1e-4)
    }
    assert paired[HUMAN]["non_toxic_b"]["value"] == 1.0
    assert paired[str(FAKE)]["content"]["value"] == 1.0
    assert paired[str(FAKE)]["unchanged"]["value"] == 0.0
    assert [one["auc"]["value"] for one in found["judges"]] == [1.0, 1.0]
    assert {one["digest"] for one in found["judges"]} == set(
        found["joint"].removeprefix("J_local@").split("+")
    )
    assert len(found["worst"]) == 4
    assert run(*asked, "-o", shown).exit_code == 0
    for text in (ran.stdout, ran.stderr, shown.read_text("utf-8")):
        assert "your old" not in text
        assert "idiot" not in text


def test_judges_learn_from_no_row_that_trains_or_measures_something_else(
    pairs_data: Path,
) -> None:
    from trustydetox.training.measuring import dev_texts, fluent_texts, judge_rows
    from trustydetox.training.sources import normalise
    from trustydetox.training.splitting import Splits

    splits, dev = Splits.load(), dev_texts(pairs_data)
    rows = {role: judge_rows(pairs_data, splits, role, dev) for role in ("judge-a", "judge-b")}
    assert rows["judge-a"].keys().isdisjoint(rows["judge-b"])
    assert all(len(set(each.values())) == 2 for each in rows.values())
    assert not any(normalise(text) in dev for each in rows.values() for text in each)
    text = next(iter(rows["judge-a"]))
    fewer = judge_rows(pairs_data, splits, "judge-a", dev | {normalise(text)})
    assert rows["judge-a"].keys() - fewer.keys() == {text}
    sentences = list(fluent_texts(pairs_data, splits, dev))
    assert sentences
    assert not any(normalise(sentence) in dev for sentence in sentences)
    assert len(list(fluent_texts(pairs_data, splits, dev | {normalise(sentences[0])}))) < len(
        sentences
    )
    shared = Splits({"lm_ud_ewt": {"guide": 1.0}}, {}, {}, {})
    with pytest.raises(ValueError, match="lm_ud_ewt trains guide"):
        list(fluent_texts(pairs_data, shared, dev))
