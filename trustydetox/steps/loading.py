"""Pretrained models from a folder or the Hub's cache: the only place that calls `from_pretrained`.

What is loaded is weights, never code: safetensors only, no remote code. Nothing is downloaded here:
`trustydetox fetch` does that, and each error says so. A model of the Hub is best pinned by the
commit that a source gives for it; one without is warned about, and refused where `locked` is asked.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from trustydetox.errors import ConfigError, ModelError, ResourceError, require_extra

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Task = Literal["classifier", "token classifier", "masked LM", "seq2seq", "causal LM"]

_AUTO: dict[str, str] = {
    "classifier": "AutoModelForSequenceClassification",
    "token classifier": "AutoModelForTokenClassification",
    "masked LM": "AutoModelForMaskedLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "causal LM": "AutoModelForCausalLM",
}
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
_CONFIGS = ("config.json", "adapter_config.json")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CPU = Path("/proc/cpuinfo")  # Linux's; elsewhere a CPU counts as one without bfloat16
_FEATURES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_WITH_BFLOAT16 = frozenset(("avx512_bf16", "amx_bf16", "bf16"))  # the last is ARM's
_HUB_ID = re.compile(r"[\w.\-]+(?:/[\w.\-]+)?")


class UnpinnedModelWarning(UserWarning):
    """A model of the Hub is named without the commit that was meant: it may change."""


@dataclass(frozen=True)
class Pretrained:
    """A network and its tokenizer, frozen, in evaluation mode, where it runs.

    source: the id or folder it was asked for by.
    """

    source: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def device(self) -> torch.device:
        """Where inputs must be."""
        device: torch.device = self.model.device
        return device

    @property
    def pieces(self) -> Tokenizer:
        """The tokenizer with offsets, which cuts nothing off and fills nothing up."""
        from tokenizers import Tokenizer

        pieces = getattr(self.tokenizer, "backend_tokenizer", None)
        if not isinstance(pieces, Tokenizer):
            raise ModelError(
                f"the tokenizer of {self.source} gives no offsets: a model with a tokenizer.json "
                "is needed here"
            )
        pieces.no_truncation()
        pieces.no_padding()
        return pieces

    @property
    def window(self) -> int:
        """Most tokens that the network reads at once, special ones included; at most 512."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or _WINDOW
        # RoBERTa and BART count positions from 2.
        return int(min(_WINDOW, self.tokenizer.model_max_length, positions - 2))


_WINDOW = 512
_loaded: WeakValueDictionary[tuple[str, str, str], Pretrained] = WeakValueDictionary()


def load(task: Task, model: str, revision: str | None = None, *, exact: bool = True) -> Pretrained:
    """The network of `model`, an id of the Hub or a folder, ready to read texts.

    exact: in float32, as all that is compared with a threshold must be; else in bfloat16 where
        the processor computes in it.

    Asked twice for the same, it gives the same object while anybody holds it.
    """
    import torch

    device = accelerator()
    dtype = torch.float32 if exact or not has_bfloat16(device.type) else torch.bfloat16
    key = (task, str(find(model, revision)), str(dtype))
    found = _loaded.get(key)
    if found is None:
        network = open_model(task, model, revision, dtype=dtype).eval()
        network.to(device)
        network.requires_grad_(False)
        found = Pretrained(model, network, open_tokenizer(model, revision))
        _loaded[key] = found
    return found


def open_model(
    task: Task,
    model: str,
    revision: str | None = None,
    *,
    new_head: bool = False,
    **settings: Any,
) -> PreTrainedModel:
    """The network as `from_pretrained` gives it, for training or export.

    new_head: whether layers that the file lacks may start anew, to be trained; else a model that
        was made for another task is refused.
    settings: of `from_pretrained`, such as `dtype` or `quantization_config`; the dtype is float32
        where none is given, whatever the file holds.
    """
    import transformers

    folder = find(model, revision)
    _require_safetensors(folder, model)
    auto = getattr(transformers, _AUTO[task])
    settings = {"dtype": "float32", **settings, "output_loading_info": True}
    network: PreTrainedModel
    network, told = _opened(model, task, auto.from_pretrained, folder, settings)
    missing = sorted(told["missing_keys"])
    if missing and not new_head:
        raise ModelError(
            f"{model} is no {task}: it holds no weights for {len(missing)} of its tensors, such as "
            f"{missing[0]}"
        )
    return network


def open_tokenizer(model: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The model's tokenizer."""
    from transformers import AutoTokenizer

    folder = find(model, revision)
    tokenizer: PreTrainedTokenizerBase = _opened(
        model, "tokenizer", AutoTokenizer.from_pretrained, folder, {}
    )
    return tokenizer


def open_config(model: str, revision: str | None = None) -> PretrainedConfig:
    """The model's configuration, without its weights."""
    from transformers import AutoConfig

    folder = find(model, revision)
    config: PretrainedConfig = _opened(
        model, "configuration", AutoConfig.from_pretrained, folder, {}
    )
    return config


def _opened(
    model: str, what: str, open_: Callable[..., Any], folder: Path, settings: dict[str, Any]
) -> Any:
    safe = {"trust_remote_code": False, "local_files_only": True}
    if what in _AUTO:
        safe["use_safetensors"] = True
    try:
        with _quietly():
            return open_(str(folder), **settings, **safe)
    except MemoryError as error:
        raise ResourceError(f"there is no memory for the {what} {model}") from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        said = " ".join(str(error).split())[:300]
        raise ModelError(f"can't load the {what} {model}: {said}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """No progress bar and no report on standard error: what is amiss is raised."""
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def is_adapter(model: str, revision: str | None = None) -> bool:
    """Whether it holds an adapter rather than a whole network."""
    return (find(model, revision) / "adapter_config.json").is_file()


def adapted(
    task: Task, base: str, adapters: Mapping[str, str], revisions: Mapping[str, str]
) -> Pretrained:
    """The base with several adapters by name, none of them chosen; frozen, in float32.

    adapters: name -> folder or id of the Hub. revisions: of any of these, the commit that is meant.
    """
    require_extra("peft", "a model that is an adapter", "train")
    # A network of its own: others may hold the base as it is.
    model = open_model(task, base, revisions.get(base)).eval()
    model.to(accelerator())
    for name, adapter in adapters.items():
        folder = find(adapter, revisions.get(adapter))
        if not (folder / "adapter_model.safetensors").is_file():
            raise ModelError(f"{adapter} holds no adapter_model.safetensors")
        with _quietly(), warnings.catch_warnings():
            # Several adapters on one network are what is wanted here.
            warnings.filterwarnings("ignore", "Already found a `peft_config` attribute")
            model.load_adapter(str(folder), adapter_name=name)
    model.requires_grad_(False)
    return Pretrained(base, model, open_tokenizer(base, revisions.get(base)))


def accelerator() -> torch.device:
    """Where networks run: on a CUDA device where there is one, else on the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: str) -> bool:
    """Whether `device`, "cpu" or "cuda", multiplies bfloat16 itself.

    Where a CPU doesn't, float32 is 4 times as fast to read with and 24 times to train in.
    """
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not _CPU.is_file():
        return False
    found = _FEATURES.search(_CPU.read_text("utf-8"))
    return found is not None and not _WITH_BFLOAT16.isdisjoint(found[1].split())


def find(model: str, revision: str | None = None) -> Path:
    """The folder on this machine that holds the model; nothing is downloaded."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if not _HUB_ID.fullmatch(model) or path.exists():
        raise ModelError(f"there is no folder {model!r}, and it is no id of the Hub")
    if not is_pinned(model, revision):
        warnings.warn(
            f"{model} is not pinned: give the commit you mean as its revision",
            UnpinnedModelWarning,
            stacklevel=2,
        )
    for folder in (converted_folder(model, revision), _cached(model, revision)):
        if folder is not None and any((folder / name).is_file() for name in _CONFIGS):
            return folder
    asked = model if revision is None else f"{model} --revision {revision}"
    raise ModelError(f"{model} is not on this machine; get it once: trustydetox fetch {asked}")


def digest_of(*folders: Path) -> str:
    """A hash of all weights in these folders."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.glob("*.safetensors"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def is_pinned(model: str, revision: str | None) -> bool:
    """Whether these words will always mean the same weights, as far as names can say."""
    return Path(model).expanduser().is_dir() or bool(revision and _COMMIT.fullmatch(revision))


def require_pinned(model: str, revision: str | None) -> None:
    """Refuse a model of the Hub that isn't named by its commit."""
    if not is_pinned(model, revision):
        raise ConfigError(
            f"{model} is not pinned, and `locked` was asked for: give the commit you mean as its "
            "revision (40 hexadecimal digits), or a folder"
        )


def converted_folder(model: str, revision: str | None) -> Path:
    """Where `fetch` leaves what it turned into safetensors."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "trustydetox" / f"{model.replace('/', '--')}@{revision or 'main'}"


def _cached(model: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def weight_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that hold a whole model's weights, sorted; others may lie beside them.

    ModelError where one is missing.
    """
    if (folder / INDEX).is_file():
        names = _indexed(folder / INDEX)
        for name in names:
            if "/" in name or not (folder / name).is_file():
                raise ModelError(f"{folder / INDEX} names {name!r}, which is not there")
        return names
    if (folder / WEIGHTS).is_file():
        return (WEIGHTS,)
    pickles = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
    found = "only pickles, which can run code: save it as safetensors" if pickles else "nothing"
    raise ModelError(f"{folder} holds no weights: expected {WEIGHTS}, found {found}")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model's folder."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path.parent} holds no {path.name} that can be read") from error
    except ValueError as error:
        raise ModelError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object")
    return content


def _indexed(index: Path) -> tuple[str, ...]:
    where = read_object(index).get("weight_map")
    if not isinstance(where, dict) or not where:
        raise ModelError(f"{index} names no file of weights")
    return tuple(sorted(set(map(str, where.values()))))


def _require_safetensors(folder: Path, model: str) -> None:
    if next(folder.glob("*.safetensors"), None) is not None:
        return
    pickled = next((path.name for path in (*folder.glob("*.bin"), *folder.glob("*.pt"))), None)
    if pickled is None:
        raise ModelError(f"{model} holds no weights: expected *.safetensors in {folder}")
    raise ModelError(
        f"{model} holds its weights as {pickled}, a file that can run code when it is read; turn "
        f"them into safetensors once: trustydetox fetch {model}"
    )
