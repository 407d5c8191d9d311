"""From adapter to a model of its own: merged tensor by tensor into the base that it was trained on.

A QLoRA adapter has learned what a base *rounded to four bits* lacks, so that is the base that it is
merged into: each weight is quantised and dequantised as in training, the adapter's product is added
in float32, and the sum is rounded once, to `dtype`. Merging in place in four bits rounds a second
time and shifts the logits by an order of magnitude more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.steps.loading import WEIGHTS, find, open_config, open_tokenizer, weight_files

if TYPE_CHECKING:
    from torch import Tensor

_SIZES = {"float16": ("F16", 2), "bfloat16": ("BF16", 2), "float32": ("F32", 4)}
_PREFIX = "base_model.model."
_DOWN = ".lora_A"
_GENERATION = "generation_config.json"


@dataclass(frozen=True)
class _Weight:
    """A tensor of the base that is read only when it is asked for."""

    shape: tuple[int, ...]
    load: Callable[[], Tensor]


@dataclass(frozen=True)
class _Change:
    """What the adapter adds to one weight: `up @ down * scale`."""

    down: Tensor
    up: Tensor
    scale: float

    def of(self, weight: Tensor) -> Tensor:
        """The weight, outputs by inputs, with the change added, in float32."""
        return weight + (self.up.float() @ self.down.float()) * self.scale


@dataclass(frozen=True)
class _Layers:
    """The linear layers of a base, by their paths.

    homes: name of a tensor in the checkpoint -> the layer whose weight it is, as `from_pretrained`
        reads it, else the name itself.
    linear: all of them. turned: those among them whose weight is inputs by outputs (Conv1D, of
        GPT-2's family). Quantisation and peft take them the other way round, whatever
        `fan_in_fan_out` says.
    """

    homes: Mapping[str, str]
    linear: frozenset[str]
    turned: frozenset[str]

    @classmethod
    def of(cls, base: Path, names: Iterable[str]) -> _Layers:
        """Of a base, without its weights, and the names in its checkpoint."""
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.pytorch_utils import Conv1D

        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(open_config(str(base)))
        layers = dict(model.named_modules())
        turned = {name for name, layer in layers.items() if isinstance(layer, Conv1D)}
        linear = {name for name, layer in layers.items() if isinstance(layer, torch.nn.Linear)}
        called = _names_inside(model)
        homes = {name: called(name).removesuffix(".weight") for name in names}
        return cls(homes, frozenset(linear | turned), frozenset(turned))

    def require(self, targets: Iterable[str], base: Path) -> None:
        """Refuse layers of an adapter that the base has no weight for."""
        lost = sorted(set(targets) - set(self.homes.values()))
        if lost:
            raise ConfigError(
                f"adapter and base don't match: {base.name} has no weight for {lost[0]} "
                f"and {len(lost) - 1} other layers of the adapter"
            )


def _names_inside(model: Any) -> Callable[[str], str]:
    """What a network calls a tensor of its checkpoint, by transformers' own rules.

    Multimodal models have other names on disk; some checkpoints leave a first part out.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    own, prefix = model.state_dict(), model.base_model_prefix

    def called(name: str) -> str:
        found, made_of_several = rename_source_key(name, renamings, converters, prefix, own)
        if found not in own and name in own:
            return name
        # One of several that become one weight when they are read is no layer's own.
        return name if made_of_several else found

    return called


def check_layers(base: Path, model: Any) -> None:
    """Refuse an adapter, on a model that is to be trained, that can't be merged into its base."""
    layers = _Layers.of(base, _weights(base))
    paths = (name for name, _ in model.named_modules())
    trained = (path for path in paths if path.endswith(_DOWN))
    layers.require((path.removeprefix(_PREFIX).removesuffix(_DOWN) for path in trained), base)


def merge_adapter(
    adapter: Path,
    out: Path,
    *,
    quantization: Mapping[str, Any] | None = None,
    dtype: str = "float16",
) -> None:
    """Write base and adapter as one model of safetensors into the folder `out`, with tokenizer.

    adapter: a folder of peft's, LoRA without DoRA; its configuration names the base.
    quantization: how the base was quantised while the adapter was trained (`to_dict` of a
        BitsAndBytesConfig); None merges into the base as it is.
    Reads and writes one tensor at a time, so memory holds the largest of them, not the model.
    `out` appears when it is finished; ConflictError where something is there already.
    """
    if dtype not in _SIZES:
        raise ConfigError(f"dtype: expected {', '.join(_SIZES)}, got {dtype!r}")
    settings = _settings(adapter)
    base = find(settings["base_model_name_or_path"], settings.get("revision"))
    with _made_whole(out) as part:
        weights = _weights(base)
        layers = _Layers.of(base, weights)
        changes = _changes(adapter, settings)
        layers.require(changes, base)
        rounded = _rounding(quantization)
        skipped = set((quantization or {}).get("llm_int8_skip_modules") or ())

        def merged(name: str, weight: _Weight) -> Tensor:
            home, tensor = layers.homes[name], weight.load().float()
            turned = home in layers.turned
            tensor = tensor.T if turned else tensor
            if home in layers.linear and not skipped & set(home.split(".")):
                tensor = rounded(tensor)
            tensor = changes[home].of(tensor) if home in changes else tensor
            return tensor.T if turned else tensor

        _stream(
            part / "model.safetensors",
            {name: weight.shape for name, weight in weights.items()},
            (merged(name, weight) for name, weight in weights.items()),
            dtype,
        )
        _describe(part, adapter, base, dtype)


def _settings(adapter: Path) -> dict[str, Any]:
    path = adapter / "adapter_config.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected an adapter in {adapter}: can't read {path.name}") from error
    if found.get("peft_type") != "LORA" or found.get("use_dora"):
        raise ConfigError(f"expected a LoRA adapter without DoRA in {adapter}")
    return found


def _changes(adapter: Path, settings: Mapping[str, Any]) -> dict[str, _Change]:
    """Path of a layer -> what the adapter adds to its weight."""
    from safetensors.torch import load_file

    tensors = load_file(adapter / "adapter_model.safetensors")
    downs = {name for name in tensors if name.endswith(".lora_A.weight")}
    ups = {name.replace(".lora_A.", ".lora_B.") for name in downs}
    others = sorted(set(tensors) - downs - ups)
    if others or settings.get("rank_pattern") or settings.get("alpha_pattern"):
        raise ConfigError(
            f"expected pairs of LoRA matrices of one rank in {adapter}, got also "
            f"{others[0] if others else 'a pattern of ranks'}: merge it with peft"
        )
    rank, alpha = settings["r"], settings["lora_alpha"]
    scale = alpha / (sqrt(rank) if settings.get("use_rslora") else rank)
    return {
        name.removeprefix(_PREFIX).removesuffix(".lora_A.weight"): _Change(
            tensors[name],
            tensors[name.replace(".lora_A.", ".lora_B.")],
            scale,
        )
        for name in sorted(downs)
    }


def _weights(base: Path) -> dict[str, _Weight]:
    """Name -> tensor of the base, as its checkpoint names them."""
    from safetensors import safe_open

    found: dict[str, _Weight] = {}
    # As `from_pretrained` reads it: one whole file goes before an index.
    names = (WEIGHTS,) if (base / WEIGHTS).is_file() else weight_files(base)
    for file in (base / name for name in names):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - no mapping
                shape = tuple(opened.get_slice(name).get_shape())
                found[name] = _Weight(shape, partial(_read, file, name))
    return found


def _read(file: Path, name: str) -> Tensor:
    from safetensors import safe_open

    # Opened for each tensor: pages of a file that stays mapped would count as memory in use.
    with safe_open(file, "pt") as opened:
        tensor: Tensor = opened.get_tensor(name).clone()
    return tensor


def _rounding(quantization: Mapping[str, Any] | None) -> Callable[[Tensor], Tensor]:
    """What became of a weight in training: four bits and back, or nothing."""
    if not (quantization or {}).get("load_in_4bit"):
        return lambda tensor: tensor
    from bitsandbytes import functional

    settings = dict(quantization or {})

    def rounded(tensor: Tensor) -> Tensor:
        packed, state = functional.quantize_4bit(
            tensor.contiguous(),
            quant_type=settings["bnb_4bit_quant_type"],
            compress_statistics=settings["bnb_4bit_use_double_quant"],
        )
        back: Tensor = functional.dequantize_4bit(packed, state)
        return back

    return rounded


def _stream(
    path: Path, shapes: Mapping[str, tuple[int, ...]], tensors: Iterator[Tensor], dtype: str
) -> None:
    """A safetensors file, written one tensor at a time.

    The library's own writer wants all tensors at once. The format: the header's length in eight
    bytes, the header as JSON, the tensors one after another.
    """
    import torch

    code, size = _SIZES[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + size * prod(shape)
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            cast = tensor.to(getattr(torch, dtype)).contiguous()
            file.write(cast.reshape(-1).view(torch.uint8).numpy().data)


def _describe(part: Path, adapter: Path, base: Path, dtype: str) -> None:
    """Configuration, tokenizer and how to generate beside the weights."""
    config = open_config(str(base))
    config.dtype = dtype
    config.save_pretrained(part)
    home = adapter if (adapter / "tokenizer_config.json").exists() else base
    tokenizer = open_tokenizer(str(home))
    tokenizer.save_pretrained(part)
    generation = _generation(base, config, tokenizer.eos_token_id)
    (part / _GENERATION).write_text(json.dumps(generation, indent=2) + "\n", encoding="utf-8")


def _generation(base: Path, config: Any, end: int | None) -> dict[str, Any]:
    """How the base generates, which also stops at the token that ends a text in training.

    Copied as JSON: transformers refuses to write some settings that it reads.
    """
    from transformers import GenerationConfig

    path = base / _GENERATION
    found: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.is_file()
        else GenerationConfig.from_model_config(config).to_diff_dict()
    )
    given = found.get("eos_token_id")
    ends = given if isinstance(given, list) else [] if given is None else [given]
    if end is None or end in ends:
        return found
    return found | {"eos_token_id": [*ends, end] if ends else end}


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `out` when the block ends well."""
    if out.exists():
        raise ConflictError(f"{out} is there already: remove it or name another folder")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
