"""Every recipe that needs the Hub runs end to end, on tiny models of the same architectures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import pretrained
from trustydetox import recipes
from trustydetox.errors import ConfigError, ModelError
from trustydetox.recipes import downloads_of, load_recipe, models_of, read_recipe
from trustydetox.records import Record, Verdict
from trustydetox.steps.loading import UnpinnedModelWarning

MODELS: dict[str, Callable[[Path], str]] = {
    "facebook/bart-large": pretrained.bart,
    "facebook/bart-base": pretrained.bart,
    "trustyai/gminus": lambda folder: pretrained.bart(folder, 1),
    "trustyai/gplus": lambda folder: pretrained.bart(folder, 2),
    "hallisky/bart-base-toxic-antiexpert": lambda folder: pretrained.bart(folder, 1),
    "hallisky/bart-base-nontoxic-expert": lambda folder: pretrained.bart(folder, 2),
    "google-bert/bert-base-uncased": pretrained.bert_masked_lm,
    "s-nlp/bart-base-detox": pretrained.bart,
    "s-nlp/roberta_toxicity_classifier": lambda folder: pretrained.roberta_classifier(
        folder, ["neutral", "toxic"]
    ),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": pretrained.llama,
}
SHELF = ("chat", "condbert", "marco", "paradetox", "roberta-ig", "tmarco")
TEXTS = [
    "Thank you, that was very good of you.",
    "You are a stupid idiot, and the tests pass.",
    "",
    "Only a moron would sell a car with no brakes. 🙂",
    "I am disappointed by the fact that Jane Five is scheduled for October.",
]


def on_tiny_models(name: str, folder: Path) -> Path:
    """The recipe with each model of the Hub replaced by a tiny one in a folder."""
    made: dict[str, str] = {}

    def local(settings: Any) -> Any:
        if isinstance(settings, dict):
            return {key: local(value) for key, value in settings.items()}
        if isinstance(settings, list):
            return [local(value) for value in settings]
        if settings in MODELS and settings not in made:
            made[settings] = MODELS[settings](folder / settings.replace("/", "--"))
        return made.get(settings, settings) if isinstance(settings, str) else settings

    source = Path(recipes.__file__).with_name(f"{name}.yaml")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(local(yaml.safe_load(source.read_text("utf-8")))), "utf-8")
    return path


def choices(record: Record) -> tuple[object, ...]:
    """What a record says that float noise may not change."""
    return record.verdict, record.output, record.edits, record.masked and record.masked.masked


@pytest.mark.parametrize("name", SHELF)
def test_a_recipe_of_the_shelf_runs_from_text_to_record(name: str, tmp_path: Path) -> None:
    # A random classifier calls everything toxic or nothing: its recipe's gate is opened.
    open_ = {"threshold": 0.001} if name == "roberta-ig" else {}
    detoxifier = load_recipe(on_tiny_models(name, tmp_path), fallback="keep", rounds=1, **open_)
    together = list(detoxifier.run(TEXTS))
    assert [record.original for record in together] == TEXTS
    alone = [record for text in TEXTS for record in detoxifier.run([text])]
    assert list(map(choices, together)) == list(map(choices, alone))
    assert together[1].verdict is not Verdict.CLEAN
    assert together[1].masked is not None
    if not open_:
        assert [record.output for record in together[::2]] == TEXTS[::2]


def test_every_model_of_the_hub_that_recipes_need_is_known_with_its_licence() -> None:
    found = {each.model: each.licence for name in SHELF for each in downloads_of(read_recipe(name))}
    assert found.keys() == MODELS.keys()
    assert found["facebook/bart-large"] == "apache-2.0"
    assert found["trustyai/gminus"] == "unverified"


def test_a_recipe_whose_models_are_missing_says_how_to_get_them() -> None:
    with pytest.warns(UnpinnedModelWarning), pytest.raises(ModelError) as caught:
        load_recipe("paradetox")
    assert str(caught.value).endswith("get it once: trustydetox fetch s-nlp/bart-base-detox")


def test_a_locked_recipe_refuses_models_without_a_commit() -> None:
    with pytest.raises(ConfigError, match="is not pinned, and `locked` was asked for"):
        load_recipe("paradetox", locked=True)


def test_the_manifest_names_the_weights_of_folders_and_the_commits_of_the_hub(
    tmp_path: Path,
) -> None:
    local = models_of(read_recipe(on_tiny_models("paradetox", tmp_path)))
    weights = tmp_path / "s-nlp--bart-base-detox" / "model.safetensors"
    assert len(local[str(weights)]) == 64
    assert models_of(read_recipe("paradetox"))["s-nlp/bart-base-detox"] == "unpinned"


def test_a_model_behind_an_endpoint_is_no_download(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    settings = yaml.safe_load(on_tiny_models("chat", tmp_path).read_text("utf-8"))
    settings["infiller"] = {"step": "chat", "model": "big", "url": "https://host/v1"}
    path.write_text(yaml.safe_dump(settings), "utf-8")
    assert downloads_of(read_recipe(path)) == []
