"""The rows of each arm, made by steps that can be checked by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset, DatasetDict

from tests.fakes import KeepingWordMasker, WordScorer, detoxifier
from trustydetox import Detoxifier, Edit, MaskedText, Record, Span, Toxicity, Verdict
from trustydetox.corpus import DetoxConfig
from trustydetox.corpus.choosing import Chosen, choose
from trustydetox.errors import ConfigError, InputError
from trustydetox.training.sft import arms
from trustydetox.training.sft.arms import Elsewhere, make_arms, train_arms
from trustydetox.training.sft.settings import SftSettings, read_settings

TEXTS = ["one two three four", "you idiot, sit down here", "five six seven", "a moron drove home"]
RESERVE = ["eight nine", "you idiot", "ten eleven"]


@dataclass(frozen=True)
class Detox(DetoxConfig):
    """Cleaning by fakes."""

    pipeline: Detoxifier = field(default_factory=lambda: detoxifier(fallback="drop"))

    def chosen(self) -> Chosen:
        return choose(self.pipeline, None, None, self.rules)


@dataclass
class Settings:
    """As much of the settings as the arms read."""

    detox: DetoxConfig = field(default_factory=Detox)
    texts: list[str] = field(default_factory=lambda: TEXTS)
    split: str = "train"

    class script:  # noqa: N801 - stands for a field
        dataset_train_split = "train"

    training_rows = SftSettings.training_rows

    def rows(self) -> Any:
        return DatasetDict({self.split: Dataset.from_dict({"text": self.texts})})


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def texts(name: str, settings: Settings | None = None, **more: Any) -> list[str]:
    [arm] = make_arms(settings or Settings(), [name], **more)  # type: ignore[arg-type]
    assert arm.name == name
    return list(arm.rows["text"])


def test_raw_rows_are_as_they_came() -> None:
    assert texts("raw") == TEXTS


def test_filtered_rows_lack_the_toxic_ones() -> None:
    assert texts("filtered") == [TEXTS[0], TEXTS[2]]


def test_a_reserve_fills_up_what_the_filter_took_with_clean_rows() -> None:
    made = texts("size-matched", reserve=Dataset.from_dict({"text": RESERVE}))
    assert made == [TEXTS[0], TEXTS[2], "eight nine", "ten eleven"]


def test_a_reserve_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="lacks 2 rows, and the reserve has only 1"):
        texts("size-matched", reserve=Dataset.from_dict({"text": RESERVE[:2]}))


def test_size_matched_without_a_reserve_is_refused() -> None:
    with pytest.raises(ConfigError, match="give one"):
        texts("size-matched")


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers' own making
def test_arms_hold_no_rows_back(tmp_path: Path) -> None:
    options = ["--use_cpu", "--max_steps", "2", "--output_dir", str(tmp_path)]
    held = read_settings(options=[*options, "--eval_strategy", "steps"])
    with pytest.raises(ConfigError, match="set eval_strategy to no"):
        train_arms(held, ["raw"], seeds=1)


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'detoxed'"):
        texts("detox")


def test_detoxed_rows_are_the_recipe_s() -> None:
    made = texts("detoxed")
    assert len(made) == 4
    assert [one for one in made if "idiot" in one or "moron" in one] == []


def test_deleted_spans_leave_the_rest() -> None:
    made = texts("delete-only")
    assert made[0] == TEXTS[0]
    assert made[3] == "a drove home"


def test_a_word_that_a_rule_keeps_does_not_bring_checks_back() -> None:
    keeping = detoxifier(
        scorer=WordScorer({"idiot": 0.9, "boss": 0.7}), masker=KeepingWordMasker(), fallback="drop"
    )
    made = texts("delete-only", Settings(Detox(pipeline=keeping), ["damn that idiot of a boss"]))
    assert made == ["damn that of a boss"]


def test_a_policy_rules_the_arms_too(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("threshold: 0.85\nroles: {text: redact}\n")
    [arm] = make_arms(Settings(Detox(detox_policy=str(policy))), ["detoxed"])  # type: ignore[arg-type]
    assert list(arm.rows["text"]) == [TEXTS[0], "you [removed], sit down here", *TEXTS[2:]]
    assert arm.facts["detox"]["policy"] == str(policy)
    assert arm.facts["detox"]["recipe"]["threshold"] == 0.85


def test_a_split_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no split 'train', only 'dev'"):
        texts("raw", Settings(split="dev"))


def test_random_edits_have_the_budget_and_not_the_place() -> None:
    made, mended = texts("random-edit"), texts("detoxed")
    assert (made[0], made[2]) == (TEXTS[0], TEXTS[2])
    for row in (1, 3):
        assert len(made[row].split()) == len(mended[row].split())
    assert "idiot" in made[1] or "moron" in made[3]


def test_random_places_depend_on_the_seed_and_the_text_alone() -> None:
    masked = [MaskedText("one two three four five idiot six seven", (Span(24, 29),))]
    drawn = {seed: Elsewhere(detoxifier(), seed).infill(masked)[0][0].text for seed in range(12)}
    assert len(set(drawn.values())) > 3
    assert drawn[5] == Elsewhere(detoxifier(), 5).infill(masked * 2)[1][0].text


def test_moved_edits_cover_as_many_words_each_and_never_overlap() -> None:
    from random import Random

    text = "aa bb cc dd ee ff gg"
    edits = (Edit(Span(0, 5), "X"), Edit(Span(9, 11), ""))
    record = Record(text, Verdict.REWRITTEN, "X cc  ee ff gg", Toxicity(1.0), edits=edits)
    seen = set()
    for seed in range(60):
        moved = arms._moved(record, Random(seed))
        sizes = sorted(len(edit.span.of(text).split()) for edit in moved.edits)
        assert sizes == [1, 2]
        assert {edit.replacement for edit in moved.edits} == {"X", ""}
        seen.add(moved.edits[0].span.start)
    assert len(seen) > 3


def test_a_text_that_the_recipe_cannot_mend_has_no_candidate() -> None:
    stuck = replace(detoxifier(), infiller=arms.Nothing())
    masked = [MaskedText("you idiot", (Span(4, 9),))]
    assert Elsewhere(stuck, 0).infill(masked) == [()]
