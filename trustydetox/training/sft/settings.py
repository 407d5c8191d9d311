"""All settings of a fine-tuning run: one YAML in TRL's own words, and options that win over it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trustydetox.corpus import DetoxConfig
from trustydetox.errors import ConfigError, InputError, did_you_mean, require_extra
from trustydetox.recipes.reading import read_yaml
from trustydetox.steps.loading import has_bfloat16
from trustydetox.training.sft.preflight import EVERYTHING

if TYPE_CHECKING:
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig

PRESETS: tuple[str, ...] = ("opt-350m-qlora",)
"""Names that stand for a YAML beside this file."""

KEPT_WHOLE = ("lm_head", "project_in", "project_out")
"""Layers that stay out of quantisation: the head, and the two thin ones around OPT-350m's."""

_LAYER = re.compile(r"[\w.]+")
_BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True, kw_only=True)
class SftSettings:
    """What a run was told, in TRL's own dataclasses and one for the cleaning."""

    script: ScriptArguments
    args: SFTConfig
    model: ModelConfig
    mixture: DatasetMixtureConfig
    detox: DetoxConfig

    @property
    def base(self) -> str:
        """The model to start from: a folder or a name on the Hub."""
        if not self.model.model_name_or_path:
            raise ConfigError("expected a model to start from (model_name_or_path), got none")
        return str(self.model.model_name_or_path)

    @property
    def revision(self) -> str | None:
        """The commit of the base that was asked for, None for the newest."""
        asked = str(self.model.model_revision)
        return None if asked == "main" else asked

    @property
    def quantization(self) -> Any:
        """How the base is quantised while it trains: a BitsAndBytesConfig, or None."""
        import torch
        from trl import get_quantization_config

        if not (self.model.load_in_4bit or self.model.load_in_8bit):
            return None
        require_extra("bitsandbytes", "a quantised base", "train")
        made: Any = get_quantization_config(self.model)
        made.llm_int8_skip_modules = list(KEPT_WHOLE)
        if self.model.load_in_4bit:
            made.bnb_4bit_compute_dtype = getattr(torch, compute_dtype(bool(self.args.use_cpu)))
        return made

    @property
    def lora(self) -> Any:
        """The adapter's settings: a LoraConfig, None where all weights are trained."""
        from trl import get_peft_config

        made: Any = get_peft_config(self.model)
        # Of a list with one name TRL makes a str, which peft reads as a pattern for whole paths.
        if made is not None and isinstance(made.target_modules, str):
            name = made.target_modules
            if name != EVERYTHING and _LAYER.fullmatch(name):
                made.target_modules = {name}
        return made

    def training_rows(self, rows: Any) -> Any:
        """The split of `rows` that is trained on."""
        split = self.script.dataset_train_split
        if split not in rows:
            raise InputError(f"the rows have no split {split!r}, only {', '.join(map(repr, rows))}")
        return rows[split]

    def rows(self) -> Any:
        """The rows by split, as TRL's own script loads them; nothing is cleaned yet."""
        from datasets import load_dataset
        from trl import get_dataset

        if self.mixture.datasets:
            return _loaded(lambda: get_dataset(self.mixture))
        if not self.script.dataset_name:
            raise ConfigError("expected rows to train on: INPUT, `datasets` or `dataset_name`")
        return _loaded(
            lambda: load_dataset(
                self.script.dataset_name,
                name=self.script.dataset_config,
                streaming=self.script.dataset_streaming,
            )
        )


def read_settings(
    config: str | Path | None = None, options: Sequence[str] = (), *, rows: Path | None = None
) -> SftSettings:
    """The settings of a preset or a YAML file; `--name value` options win over it.

    rows: a file of rows; it takes the place of the YAML's `datasets`.
    Where nothing else is said, bf16 is used on hardware that computes in it, nothing is tracked,
    and TRL sends no telemetry.
    """
    require_extra("trl", "fine-tuning", "train")
    require_extra("peft", "fine-tuning", "train")
    # Read when the Hub's client is first imported; whoever set it keeps what they set.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import torch
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser

    parser: Any = TrlParser(
        (ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig, DetoxConfig)
    )
    parser.error = _refuse
    path = _path_of(config)
    _require_known(parser, path, options)
    given = [*([] if path is None else ["--config", str(path)]), *options]
    if not (torch.cuda.is_available() and has_bfloat16("cuda")):
        parser.set_defaults(bf16=False)
    script, args, model, mixture, detox = _parsed(parser, given)
    if args.use_cpu and args.bf16 and not has_bfloat16("cpu"):
        # Beside a GPU that computes in it; who asked for bf16 themselves gets it again.
        parser.set_defaults(bf16=False)
        script, args, model, mixture, detox = _parsed(parser, given)
    if rows is not None:
        script.dataset_name, mixture.datasets = None, [_file(rows)]
    return SftSettings(script=script, args=args, model=model, mixture=mixture, detox=detox)


def compute_dtype(on_cpu: bool = False) -> str:
    """The type in which 4-bit weights are multiplied: what the hardware is fast in.

    On a CPU float32: bfloat16 took twice as long where it isn't native, and saves nothing here.
    """
    import torch

    if on_cpu or not torch.cuda.is_available():
        return "float32"
    return "bfloat16" if has_bfloat16("cuda") else "float16"


def _parsed(parser: Any, given: list[str]) -> Any:
    try:
        return parser.parse_args_and_config(given)
    except ConfigError:
        raise
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(f"the settings of the run: {error}") from error


def _path_of(config: str | Path | None) -> Path | None:
    if config in PRESETS:
        return Path(__file__).with_name(f"{config}.yaml")
    if config is None or Path(config).is_file():
        return None if config is None else Path(config)
    near = did_you_mean(str(config), PRESETS)
    raise ConfigError(f"no preset and no file is called {str(config)!r}{near}")


def _require_known(parser: Any, path: Path | None, options: Sequence[str]) -> None:
    """Refuse a setting that no dataclass has, before the parser's own page-long complaint."""
    flags = {
        flag.removeprefix("--") for action in parser._actions for flag in action.option_strings
    }
    # `env` is TrlParser's own: variables to set before anything is loaded.
    for key in read_yaml(path) if path is not None else ():
        if key not in flags | {"env"}:
            raise ConfigError(f"{path} has a setting {key!r} that nobody reads{_near(key, flags)}")
    for option in options:
        name = option.partition("=")[0].removeprefix("--")
        if option.startswith("--") and name not in flags:
            raise ConfigError(f"no setting is called {name!r}{_near(name, flags)}")


def _near(word: str, known: set[str]) -> str:
    near = did_you_mean(word, known)
    # TRL knows some two hundred names: a list of them helps nobody.
    return near if "did you mean" in near else ""


def _refuse(message: str) -> NoReturn:
    raise ConfigError(message)


def _file(rows: Path) -> Any:
    from trl.scripts.utils import DatasetConfig

    if not rows.is_file():
        raise InputError(f"expected a file of rows, and {rows} is none")
    kind = _BUILDERS.get(rows.suffix)
    if kind is None:
        raise InputError(f"expected {', '.join(_BUILDERS)}, got {rows.name!r}")
    # A name with brackets or stars is a pattern to `datasets`, and may mean other files.
    return DatasetConfig(path=kind, data_files=glob.escape(str(rows)))


def _loaded(load: Callable[[], Any]) -> Any:
    from datasets.exceptions import DatasetGenerationError

    try:
        return load()
    except DatasetGenerationError as error:
        # The builder's own message quotes the row that it stumbled over.
        cause = type(error.__cause__ or error).__name__
        raise InputError(f"the rows can't be read: {cause}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"the rows can't be loaded: {error}") from error
