from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.serving.models import save_tiny_opt
from trustydetox.errors import ConfigError, ConflictError, InputError, ModelError
from trustydetox.serving import convert
from trustydetox.serving.converting import Format
from trustydetox.serving.manifest import parse_manifest, read_manifest

OF_THE_MODEL = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]


def below(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def change(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("hf", ["MANIFEST.json", *OF_THE_MODEL]),
        (
            "caikit",
            ["MANIFEST.json", *(f"artifacts/{name}" for name in OF_THE_MODEL), "config.yml"],
        ),
        (
            "modelcar",
            ["Containerfile", "MANIFEST.json", *(f"models/{name}" for name in OF_THE_MODEL)],
        ),
    ],
)
def test_a_format_has_its_files(
    saved_opt: Path, tmp_path: Path, form: Format, files: list[str]
) -> None:
    convert(saved_opt, tmp_path / "out", form)
    assert below(tmp_path / "out") == files


@pytest.mark.parametrize(("form", "where"), [("hf", "."), ("caikit", "artifacts")])
def test_weights_keep_their_bytes(
    saved_opt: Path, tmp_path: Path, form: Format, where: str
) -> None:
    convert(saved_opt, tmp_path / "out", form)
    copied = tmp_path / "out" / where / "model.safetensors"
    assert copied.read_bytes() == (saved_opt / "model.safetensors").read_bytes()


def test_the_caikit_settings_are_those_that_caikit_nlp_writes(
    saved_opt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    convert(saved_opt, tmp_path / "out", "caikit")
    settings = yaml.safe_load((tmp_path / "out" / "config.yml").read_text())
    assert settings.pop("tracking_id").count("-") == 4
    assert settings == {
        "artifact_path": "artifacts",
        "caikit_nlp_version": "0.5.15",
        "created": "2023-11-14 22:13:20.000000",
        "eos_token": "</s>",
        "module_class": "caikit_nlp.modules.text_generation.text_generation_local.TextGeneration",
        "module_id": "f9181353-4ccf-4572-bd1e-f12bcda26792",
        "name": "Text Generation",
        "saved": "2023-11-14 22:13:20.000000",
        "torch_dtype": "torch.float16",
        "training_logs": "training_logs.jsonl",
        "version": "0.1.0",
    }


def test_the_legacy_server_finds_the_names_it_knows(saved_opt: Path, tmp_path: Path) -> None:
    convert(saved_opt, tmp_path / "out", "caikit")
    artifacts = tmp_path / "out" / "artifacts"
    config = json.loads((artifacts / "config.json").read_text())
    assert (config["dtype"], config["torch_dtype"]) == ("float16", "float16")
    tokenizer = json.loads((artifacts / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"


@pytest.mark.parametrize("form", ["hf", "caikit"])
def test_the_same_model_gives_the_same_bytes_and_times(
    saved_opt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Format
) -> None:
    def written(name: str) -> dict[str, tuple[bytes, float]]:
        convert(saved_opt, tmp_path / name, form)
        paths = [tmp_path / name / path for path in below(tmp_path / name)]
        return {path.name: (path.read_bytes(), path.stat().st_mtime) for path in paths}

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = written("a")
    assert first == written("b")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    assert first != written("c")


def test_the_manifest_hashes_every_file(saved_opt: Path, tmp_path: Path) -> None:
    manifest = convert(saved_opt, tmp_path / "out", "caikit")
    assert [file.path for file in manifest.files] == below(tmp_path / "out")[1:]
    (weights,) = (file for file in manifest.files if file.path.endswith(".safetensors"))
    content = (saved_opt / "model.safetensors").read_bytes()
    assert (weights.size, weights.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert read_manifest(tmp_path / "out") == manifest


def test_a_revision_changes_with_one_byte(opt: Path, tmp_path: Path) -> None:
    before = convert(opt, tmp_path / "a", "hf").revision
    assert convert(opt, tmp_path / "b", "hf").revision == before
    change(opt / "generation_config.json", max_length=21)
    assert convert(opt, tmp_path / "c", "hf").revision != before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: (out / "config.yml").write_text("name: other\n"), "config.yml has changed"),
        (lambda out: (out / "config.yml").unlink(), "config.yml is missing"),
        (lambda out: (out / "MANIFEST.json").unlink(), "holds no MANIFEST.json"),
        (lambda out: (out / "MANIFEST.json").write_text("[]"), "is no manifest"),
    ],
)
def test_a_converted_folder_that_was_touched_is_noticed(
    saved_opt: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    convert(saved_opt, tmp_path / "out", "caikit")
    spoil(tmp_path / "out")
    with pytest.raises(InputError, match=said):
        read_manifest(tmp_path / "out")


def test_a_manifest_that_leads_out_of_its_folder_is_refused() -> None:
    content = {"format": "hf", "files": {"../x": {"bytes": 1, "sha256": "0"}}}
    with pytest.raises(InputError, match="lies outside"):
        parse_manifest(json.dumps(content).encode(), "here")


def test_what_was_written_loads_and_gives_the_same_logits(saved_opt: Path, tmp_path: Path) -> None:
    convert(saved_opt, tmp_path / "out", "caikit", verify=True)

    def logits(folder: Path) -> torch.Tensor:
        tokens = AutoTokenizer.from_pretrained(folder)("you idiot 🙂", return_tensors="pt")
        model = AutoModelForCausalLM.from_pretrained(folder)
        with torch.inference_mode():
            return torch.as_tensor(model(input_ids=tokens["input_ids"]).logits)

    assert torch.equal(logits(saved_opt), logits(tmp_path / "out" / "artifacts"))


def test_sharded_weights_are_all_there(tmp_path: Path) -> None:
    save_tiny_opt(tmp_path / "model", shard="50KB")
    convert(tmp_path / "model", tmp_path / "out", "hf", verify=True)
    shards = [name for name in below(tmp_path / "out") if name.endswith(".safetensors")]
    assert shards == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]


def test_code_and_pickles_beside_the_model_stay_behind(opt: Path, tmp_path: Path) -> None:
    for name in ("modeling_x.py", "training_args.bin", "optimizer.pt"):
        (opt / name).write_bytes(b"x")
    convert(opt, tmp_path / "out", "hf")
    assert below(tmp_path / "out") == ["MANIFEST.json", *OF_THE_MODEL]


def of_another_tokenizer(model: Path) -> None:
    change(model / "config.json", vocab_size=259)


def cut_short(model: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1])


def a_shard_away(model: Path) -> None:
    shutil.rmtree(model)
    save_tiny_opt(model, shard="50KB")
    (model / "model-00002-of-00003.safetensors").unlink()


def only_pickles(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "which is none"),
        (lambda model: (model / "config.json").unlink(), "holds no config.json"),
        (lambda model: (model / "config.json").write_text("{"), "is no JSON"),
        (lambda model: (model / "adapter_config.json").write_text("{}"), "holds an adapter"),
        (lambda model: (model / "tokenizer.json").unlink(), "holds no tokenizer"),
        (lambda model: (model / "tokenizer.json").write_text("{}"), "read as a tokenizer"),
        (lambda model: (model / "model.safetensors").unlink(), "found nothing"),
        (only_pickles, "only pickles"),
        (cut_short, "cut short or damaged"),
        (a_shard_away, "names 'model-00002-of-00003.safetensors', which is not there"),
        (of_another_tokenizer, "ids up to 259, the model knows 259"),
        (
            lambda model: change(model / "config.json", architectures=["BartModel"]),
            "the architecture BartModel",
        ),
        (lambda model: change(model / "config.json", auto_map={"A": "b.C"}), "code of its own"),
        (
            lambda model: change(model / "config.json", quantization_config={"load_in_4bit": True}),
            "quantised weights",
        ),
    ],
)
def test_a_folder_that_no_server_could_load_is_refused_and_nothing_is_left(
    opt: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(opt)
    with pytest.raises(ModelError, match=said):
        convert(opt, tmp_path / "out", "hf")
    assert [path.name for path in tmp_path.iterdir() if path != opt] == []


def test_what_cannot_be_loaded_again_does_not_appear(opt: Path, tmp_path: Path) -> None:
    change(opt / "config.json", num_hidden_layers=2)
    convert(opt, tmp_path / "unverified", "hf")
    with pytest.raises(ModelError, match=r"holds no weights .*layers\.1"):
        convert(opt, tmp_path / "out", "hf", verify=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "unverified"]


def test_a_folder_that_is_there_is_left_alone(saved_opt: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConflictError, match="is there already"):
        convert(saved_opt, tmp_path / "out", "hf")
    with pytest.raises(ConfigError, match="its folder isn't there"):
        convert(saved_opt, tmp_path / "none" / "out", "hf")
    with pytest.raises(ConfigError, match="can't write /proc/"):
        convert(saved_opt, Path("/proc/out"), "hf")
    assert below(tmp_path) == []


@pytest.mark.parametrize("said", ["yesterday", "-1", ""])
def test_a_time_that_is_none_is_refused(
    saved_opt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        convert(saved_opt, tmp_path / "out", "hf")
