from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.pretrained import bart, bert_classifier, llama, t5
from trustydetox.steps.loading import open_model


def test_facts_come_from_the_files(run: Run, tmp_path: Path) -> None:
    folders = [
        bart(tmp_path / "bart"),
        t5(tmp_path / "t5"),
        llama(tmp_path / "llama"),
        bert_classifier(tmp_path / "bert", ["fine", "rude"]),
    ]
    done = run("explore", *folders, "--json")
    assert done.code == 0, done.err
    one, two, three, four = map(json.loads, done.out.splitlines())
    assert (one["architecture"], one["reads"]) == (
        "BartForConditionalGeneration",
        "both ways, writes left to right",
    )
    assert (one["layers"], one["decoder_layers"], one["width"], one["positions"]) == (1, 1, 32, 160)
    assert two["positions"] is None  # T5 counts distances
    assert (three["reads"], three["fits"][0]) == ("left to right", "base for train sft")
    assert (four["labels"], four["fits"]) == (["fine", "rude"], ["scorer", "attributor"])
    for folder, facts, task in zip(folders[:2], (one, two), ("seq2seq", "seq2seq"), strict=True):
        model = open_model(task, folder)  # type: ignore[arg-type]
        assert facts["parameters"] == sum(p.numel() for p in model.parameters())
        assert facts["memory"]["fp32"] == round(facts["parameters"] * 4 / 1e6)


def test_a_table_has_a_column_per_model(run: Run, tmp_path: Path) -> None:
    folder = t5(tmp_path / "t5")
    done = run("explore", folder)
    assert "T5ForConditionalGeneration" in done.out
    assert "rewriter (seq2seq)" in done.out


@pytest.mark.filterwarnings("ignore::trustydetox.steps.loading.UnpinnedModelWarning")
def test_a_model_that_is_not_here_is_named(run: Run) -> None:
    done = run("explore", "nobody/nothing")
    assert done.code == 6
    assert "trustydetox fetch nobody/nothing" in done.err
