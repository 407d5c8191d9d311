"""A Hugging Face folder that can be served: what it must hold, looked at before it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustydetox.errors import ModelError
from trustydetox.steps.loading import INDEX, read_object, weight_files

BESIDE = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt",
    "tokenizer.model", "chat_template.jinja", "README.md", "LICENSE",
)  # fmt: skip
"""What is served beside the weights, where it is there; never code, never a pickle."""
TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class ModelFolder:
    """A causal language model on disk, in full precision and with its tokenizer.

    files: names of what is served, sorted; nothing else of the folder is.
    dtype: of most tensors, in torch's word for it.
    eos_token: the text of the token that ends a text, None where the tokenizer names none.
    """

    path: Path
    files: tuple[str, ...]
    config: Mapping[str, Any]
    dtype: str
    eos_token: str | None


def read_model_folder(path: Path) -> ModelFolder:
    """The folder, looked at; reads headers of weights, not the weights.

    ModelError where something is missing, cut short or of another kind, and what to do about it.
    """
    if not path.is_dir():
        raise ModelError(f"expected the folder of a model, got {path}, which is none")
    if (path / "adapter_config.json").exists():
        raise ModelError(
            f"{path} holds an adapter, not a model: convert the merged one, which `train sft` "
            "writes into merged/ beside it"
        )
    config = read_object(path / "config.json")
    _refuse_what_no_server_runs(path, config)
    weights = weight_files(path)
    if not any(all((path / name).is_file() for name in names) for names in TOKENIZERS):
        raise ModelError(
            f"{path} holds no tokenizer (tokenizer.json): save the base model's beside the weights"
        )
    _refuse_a_tokenizer_of_another_model(path, config)
    beside = [name for name in BESIDE if (path / name).is_file()]
    index = [INDEX] if (path / INDEX).is_file() else []
    return ModelFolder(
        path,
        tuple(sorted([*beside, *index, *weights])),
        config,
        _dtype(path, weights),
        _eos_token(path),
    )


def _refuse_what_no_server_runs(path: Path, config: Mapping[str, Any]) -> None:
    names = config.get("architectures") or ["none"]
    if not str(names[0]).endswith("ForCausalLM"):
        raise ModelError(
            f"{path}/config.json names the architecture {names[0]}; text generation needs one "
            "that ends in ForCausalLM"
        )
    if "auto_map" in config:
        raise ModelError(f"{path} needs code of its own (auto_map), which is never run or copied")
    if "quantization_config" in config:
        raise ModelError(
            f"{path} holds quantised weights: merge the adapter into the base in full precision"
        )


def _dtype(path: Path, weights: tuple[str, ...]) -> str:
    from safetensors import SafetensorError, safe_open

    kinds: Counter[str] = Counter()
    for name in weights:
        try:
            with safe_open(path / name, framework="numpy") as file:
                kinds.update(file.get_slice(key).get_dtype() for key in file.keys())  # noqa: SIM118
        except SafetensorError as error:
            raise ModelError(f"{path / name} is cut short or damaged: {error}") from error
    kind = kinds.most_common(1)[0][0] if kinds else "no tensor"
    if kind not in DTYPES:
        raise ModelError(f"{path}: expected weights of {', '.join(DTYPES)}, got {kind}")
    return DTYPES[kind]


def _refuse_a_tokenizer_of_another_model(path: Path, config: Mapping[str, Any]) -> None:
    """An id beyond the embedding ends a server at the first request that has it."""
    file, size = path / "tokenizer.json", config.get("vocab_size")
    if not file.is_file() or not isinstance(size, int):
        return
    from tokenizers import Tokenizer

    try:
        highest = max(Tokenizer.from_file(str(file)).get_vocab().values(), default=0)
    except Exception as error:  # its own errors are of this type
        raise ModelError(f"{file} can't be read as a tokenizer: {error}") from error
    if highest >= size:
        raise ModelError(
            f"{file} gives ids up to {highest}, the model knows {size}: it is another model's"
        )


def _eos_token(path: Path) -> str | None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (path / name).is_file():
            token = read_object(path / name).get("eos_token")
            content = token.get("content") if isinstance(token, dict) else token
            if isinstance(content, str):
                return content
    return None
