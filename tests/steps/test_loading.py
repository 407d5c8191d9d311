from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.pretrained import bert_classifier, roberta_classifier
from trustydetox.errors import ConfigError, ModelError
from trustydetox.steps import loading
from trustydetox.steps.loading import (
    UnpinnedModelWarning,
    find,
    has_bfloat16,
    load,
    open_model,
    require_pinned,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return bert_classifier(tmp_path / "model", ["clean", "toxic"])


def test_a_network_comes_frozen_in_float32_and_in_evaluation_mode(folder: str) -> None:
    model = load("classifier", folder).model
    assert model.dtype is torch.float32
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_weights_are_in_memory_once_however_often_they_are_asked_for(folder: str) -> None:
    first = load("classifier", folder)
    assert load("classifier", folder) is first


def test_other_weights_are_another_network(folder: str, tmp_path: Path) -> None:
    other = bert_classifier(tmp_path / "other", ["clean", "toxic"])
    assert load("classifier", other) is not load("classifier", folder)


def test_a_model_of_another_task_is_refused_rather_than_given_a_random_head(folder: str) -> None:
    with pytest.raises(ModelError, match=r"is no masked LM: it holds no weights for 6 of its"):
        load("masked LM", folder)


def test_training_may_start_a_new_head(folder: str) -> None:
    assert open_model("masked LM", folder, new_head=True).config.vocab_size > 100


def test_pickled_weights_are_refused_with_the_command_that_converts_them(folder: str) -> None:
    weights = Path(folder) / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(ModelError, match=f"once: trustydetox fetch {folder}"):
        load("classifier", folder)


def test_a_folder_without_weights_says_so(folder: str) -> None:
    (Path(folder) / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        load("classifier", folder)


def test_code_beside_the_weights_is_never_run(folder: str) -> None:
    config = Path(folder) / "config.json"
    mark = Path(folder) / "was_run"
    (Path(folder) / "own.py").write_text(f"open({str(mark)!r}, 'w')\n", "utf-8")
    text = config.read_text("utf-8").replace(
        "{", '{"auto_map": {"AutoModelForSequenceClassification": "own.Own"},', 1
    )
    config.write_text(text.replace('"bert"', '"own"'), "utf-8")
    with pytest.raises(ModelError):
        load("classifier", folder)
    assert not mark.exists()


def test_what_is_not_here_is_named_with_the_command_that_fetches_it() -> None:
    with pytest.raises(ModelError) as caught:
        find("nobody/nothing", COMMIT)
    assert str(caught.value) == (
        "nobody/nothing is not on this machine; get it once: "
        f"trustydetox fetch nobody/nothing --revision {COMMIT}"
    )


def test_a_model_without_a_commit_is_warned_about() -> None:
    with pytest.warns(UnpinnedModelWarning, match="not pinned"), pytest.raises(ModelError):
        find("nobody/nothing")


@pytest.mark.parametrize("revision", [None, "main", COMMIT[:7]])
def test_a_model_without_a_commit_is_refused_where_locked_is_asked(revision: str | None) -> None:
    with pytest.raises(ConfigError, match="not pinned"):
        require_pinned("nobody/nothing", revision)


def test_a_folder_or_a_commit_counts_as_pinned(folder: str) -> None:
    require_pinned(folder, None)
    require_pinned("nobody/nothing", COMMIT)


def test_a_path_that_leads_nowhere_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        find(str(tmp_path / "gone"))


def test_the_window_leaves_room_for_positions_that_count_from_two(tmp_path: Path) -> None:
    pretrained = load("classifier", roberta_classifier(tmp_path / "roberta", ["clean", "toxic"]))
    model = pretrained.model.cpu()  # a GPU would be of no use after a wrong position
    assert pretrained.window == 128
    assert model(torch.full((1, pretrained.window), 5)).logits.shape == (1, 2)
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, pretrained.window + 1), 5))


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16", True),  # ARM
        ("flags\t\t: fpu avx2", False),
        ("model name\t: bf16", False),
        (None, False),  # no such file: not Linux
    ],
)
def test_a_cpu_that_multiplies_bfloat16_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str | None, has: bool
) -> None:
    described = tmp_path / "cpuinfo"
    if line is not None:
        described.write_text(f"processor\t: 0\n{line}\nbugs\t\t: none\n", "utf-8")
    monkeypatch.setattr(loading, "_CPU", described)
    assert has_bfloat16("cpu") is has
