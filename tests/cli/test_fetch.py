from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.pretrained import bert_classifier


def test_a_folder_of_pickled_weights_becomes_one_of_safetensors(run: Any, tmp_path: Path) -> None:
    folder = Path(bert_classifier(tmp_path / "old", ["clean", "toxic"]))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    done = run("fetch", str(folder), "-o", str(tmp_path / "new"))
    assert (done.code, done.out) == (0, f"{tmp_path / 'new'}\n")
    assert (tmp_path / "new" / "model.safetensors").is_file()


def test_without_a_network_a_model_can_t_be_fetched(run: Any) -> None:
    done = run("fetch", "nobody/nothing")
    assert done.code == 6
    assert "can't download nobody/nothing" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a/b", "c/d", "--revision", "0" * 40], "are for one model"),
        (["a/b", "-o", "dir"], "is for a folder"),
        (["."], "is a folder"),
    ],
)
def test_options_that_don_t_fit_are_refused(run: Any, arguments: list[str], said: str) -> None:
    done = run("fetch", *arguments)
    assert done.code == 2
    assert said in done.err
