from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.pretrained import bert_classifier
from trustydetox.errors import ModelError
from trustydetox.steps.fetching import convert, fetch
from trustydetox.steps.loading import load


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    """A model whose weights are pickled, as older ones on the Hub are."""
    folder = Path(bert_classifier(tmp_path / "old", ["clean", "toxic"]))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_pickled_weights_become_the_same_safetensors(pickled: Path, tmp_path: Path) -> None:
    convert(pickled, tmp_path / "new")
    found = load_file(tmp_path / "new" / "model.safetensors")
    wanted = torch.load(pickled / "pytorch_model.bin", weights_only=True)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in found)
    assert load("classifier", str(tmp_path / "new")).model.config.num_labels == 2


class Mark:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_code_in_a_pickle_is_not_run_and_nothing_is_left(pickled: Path, tmp_path: Path) -> None:
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(Mark(tmp_path / "was_run")))
    with pytest.raises(ModelError, match="hold more than weights or can't be read"):
        convert(pickled, tmp_path / "new")
    assert not (tmp_path / "was_run").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


def test_nothing_is_written_over(pickled: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(ModelError, match="is there already"):
        convert(pickled, tmp_path / "new")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no weights"):
        convert(tmp_path / "empty", tmp_path / "new")


def test_no_network_is_one_error() -> None:
    with pytest.raises(ModelError, match="can't download nobody/nothing"):
        fetch("nobody/nothing")
