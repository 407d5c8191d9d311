"""Supervised fine-tuning of a causal model on cleaned rows, with QLoRA where it is asked for.

A trainer of TRL's and nothing in between: what happens here happens before it is made and after it
has trained. Cleaning comes first, so the models that clean are gone before the base is loaded.
"""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.corpus import Cleaned, DetoxConfig
from trustydetox.corpus.runs.folder import versions
from trustydetox.errors import ConfigError, ConflictError, DetoxError, InputError, ModelError
from trustydetox.recipes import Policy
from trustydetox.report.gates import Gate
from trustydetox.steps.loading import (
    digest_of,
    find,
    has_bfloat16,
    open_config,
    open_model,
    open_tokenizer,
)
from trustydetox.training.sft import preflight
from trustydetox.training.sft.cards import FACTS, write_card
from trustydetox.training.sft.exporting import check_layers, merge_adapter
from trustydetox.training.sft.settings import SftSettings

if TYPE_CHECKING:
    from torch import Tensor
    from trl import SFTConfig, SFTTrainer

MERGED = "merged"
_PROBED = 4
_FAR = 0.1
"""Which share of the logits' own spread is more than rounding: bfloat16 costs a hundredth, a wrong
merge a quarter or more."""
_PACKAGES = ("trl", "peft", "accelerate", "datasets", "bitsandbytes")
_WHERE = frozenset({"output_dir", "logging_dir", "run_name", "resume_from_checkpoint"})
_PRECISION = frozenset({"bf16", "fp16"})

Say = Callable[[str], None]


def silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class LogitGap:
    """How far two models' logits lie apart over the same tokens: absolute differences."""

    mean: float
    largest: float
    tokens: int


def build_trainer(
    model: Any,
    train_dataset: Any,
    *,
    args: SFTConfig,
    processing_class: Any = None,
    peft_config: Any = None,
    **passed: Any,
) -> SFTTrainer:
    """A `trl.SFTTrainer`, made after checks that say what is wrong before a weight is loaded.

    model: a folder, an id of the Hub that `trustydetox fetch` has fetched, or a model; with
        `quantization_config` one of the first two.
    passed: whatever else `SFTTrainer` takes: eval_dataset, quantization_config, data_collator,
        callbacks, optimizers, formatting_func, …
    Raises ConfigError or InputError where rows, tokenizer, LoRA targets or precision can't work.
    """
    from trl import SFTTrainer

    if isinstance(model, str):
        model = str(find(model))
    tokenizer = processing_class or open_tokenizer(
        model if isinstance(model, str) else model.name_or_path
    )
    config = open_config(model) if isinstance(model, str) else model.config
    preflight.check_precision(args)
    preflight.check_model(config, tokenizer)
    if passed.get("formatting_func") is None:
        preflight.check_rows(train_dataset, args, tokenizer)
    if peft_config is not None:
        preflight.check_targets(peft_config.target_modules, _layers(model, config))
    made = SFTTrainer(
        model,
        args=args,
        train_dataset=train_dataset,
        processing_class=tokenizer,
        peft_config=peft_config,
        **passed,
    )
    preflight.check_tokens(peft_config, config)
    preflight.check_prepared(made.train_dataset, train_dataset, args, config)
    _widen_adapter(made)
    return made


def finetune(settings: SftSettings, *, merge: bool = True, say: Say = silent) -> Path:
    """Clean, train, save and describe: the folder of the adapter, whose `merged` is a whole model.

    The folder is `output_dir`. A run that ended early goes on from its last checkpoint; a finished
    one is left as it is; ConflictError where the folder belongs to a run with other settings.
    Of several processes of a launch one cleans and one writes.
    """
    if merge:
        preflight.check_merge(settings.lora)
    rows = settings.rows()
    wanted = settings.training_rows(rows)
    held = None
    if settings.args.eval_strategy != "no":
        split = settings.script.dataset_test_split
        if split not in rows:
            raise InputError(
                f"eval_strategy asks for a split {split!r}, and there is none: set "
                "test_split_size, or eval_strategy to no"
            )
        # Together, so that each has a folder of its own in a run folder.
        both = settings.detox.clean(type(rows)(train=wanted, test=rows[split])).splits
        cleaned, held = both["train"], both["test"].dataset
    else:
        cleaned = settings.detox.clean(wanted)
    _require_within_budget(settings.detox.rules, cleaned)
    facts = {"detox": _detox_facts(cleaned, settings.detox)}
    del rows, wanted
    # What cleaned is gone before the base comes.
    gc.collect()
    return train(settings, cleaned.dataset, facts, eval_dataset=held, merge=merge, say=say)


def train(
    settings: SftSettings,
    dataset: Any,
    facts: Mapping[str, Any],
    *,
    eval_dataset: Any = None,
    merge: bool = True,
    say: Say = silent,
) -> Path:
    """Train on rows as they are; `facts` about them go into the folder's `trustydetox.json`."""
    from transformers import set_seed

    out = Path(settings.args.output_dir)
    lora = settings.lora
    if merge:
        preflight.check_merge(lora)
    rows = None if _is_stream(dataset) else len(dataset)
    base = find(settings.base, settings.revision)
    plan = {**facts, "rows": rows, "data": data_hash(dataset), **_plan(settings, base)}
    found = _begun(out, plan)
    if found.get("finished"):
        if merge and lora is not None and not (out / MERGED).is_dir():
            say(f"{out} is finished but for its merged model")
            _merge_again(out, found)
        else:
            say(f"{out} is finished already")
        return out
    # LoRA's matrices are drawn when the trainer is made, before it sets a seed itself.
    set_seed(settings.args.seed)
    if os.environ.get("RANK", "0") == "0":
        _write_json(out / FACTS, plan)
    trainer = build_trainer(
        str(base),
        dataset,
        args=_with_model_settings(settings),
        eval_dataset=eval_dataset,
        quantization_config=settings.quantization,
        peft_config=lora,
    )
    if merge:
        # A chat template with tokens of its own makes the trainer add to it.
        preflight.check_merge(lora)
        if lora is not None:
            check_layers(base, trainer.model)
    # Without the optimizer's state a run would go on with another schedule.
    last = None if settings.args.save_only_model else _last_whole_checkpoint(out)
    if last is not None:
        say(f"going on from {last.name}")
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    trainer.save_model(str(out))
    if not trainer.is_world_process_zero():
        return out
    (out / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody needs
    _name_base(out, settings)
    plan["training"] = _history(trainer)
    if merge and lora is not None:
        is_whole = not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)
        probed = [row["input_ids"][:64] for row in trainer.train_dataset.take(_PROBED)]
        before = [_logits(trainer.model, ids) for ids in probed] if is_whole else []
        del trainer
        gc.collect()
        # Of a run that ended before it could say so.
        shutil.rmtree(out / MERGED, ignore_errors=True)
        merge_adapter(out, out / MERGED, quantization=plan["quantization"])
        plan["export"] = {"dtype": "float16", "logits": None}
        # A model that is spread over processes can't be asked by one of them.
        if is_whole:
            gap = compare_logits(before, open_model("causal LM", str(out / MERGED)), probed)
            _require_close(gap, before, out)
            plan["export"]["logits"] = asdict(gap)
            say(f"merged model: {out / MERGED}, logits off by {gap.mean:.1e} on average")
    plan["finished"] = True
    _write_json(out / FACTS, plan)
    write_card(out, plan)
    return out


def compare_logits(before: list[Tensor], model: Any, rows: list[list[int]]) -> LogitGap:
    """How far a model's logits for these rows of tokens lie from those that another gave."""
    import torch

    after = [_logits(model, ids) for ids in rows]
    gaps = torch.cat([(a - b).abs().flatten() for a, b in zip(before, after, strict=True)])
    return LogitGap(float(gaps.mean()), float(gaps.max()), sum(map(len, rows)))


def _is_stream(dataset: Any) -> bool:
    return not hasattr(dataset, "__len__")


def _require_within_budget(rules: Policy, cleaned: Cleaned) -> None:
    """Hold the rows to the policy's budgets before anything is trained on them."""
    if rules.fail_on and _is_stream(cleaned.dataset):
        raise ConfigError(
            "the policy's fail_on needs the rows counted before they are trained on, and these are "
            "streamed: leave dataset_streaming out, or take a policy without fail_on"
        )
    failures = [Gate.of(each).failure(cleaned.report) for each in rules.fail_on]
    if any(failures):
        raise DetoxError(f"nothing was trained: {'; '.join(filter(None, failures))}")


def _merge_again(out: Path, found: dict[str, Any]) -> None:
    """Merge the adapter of a finished run; nothing is left of its training to compare with."""
    if os.environ.get("RANK", "0") != "0":
        return
    merge_adapter(out, out / MERGED, quantization=found["quantization"])
    found["export"] = {"dtype": "float16", "logits": None}
    _write_json(out / FACTS, found)
    write_card(out, found)


def _widen_adapter(trainer: SFTTrainer) -> None:
    """Give an adapter of a quantised base float32 where bfloat16 is emulated.

    TRL makes it bfloat16 on any device; steps of the proof's small base then took four times as
    long on a CPU with AVX2 alone. A whole model keeps the type that was asked for.
    """
    import torch

    if has_bfloat16(trainer.args.device.type) or not getattr(trainer.model, "is_quantized", False):
        return
    for weight in trainer.model.parameters():
        if weight.requires_grad and weight.dtype == torch.bfloat16:
            weight.data = weight.data.float()


def _require_close(gap: LogitGap, before: list[Tensor], out: Path) -> None:
    """Leave no merged model that says something else than the trained one did."""
    import torch

    limit = _FAR * float(torch.cat([one.flatten() for one in before]).std())
    # Not `>`: a number that overflowed is far off, too.
    if not gap.mean <= limit:
        shutil.rmtree(out / MERGED)
        raise ModelError(
            f"the merged model's logits are off by {gap.mean:.1e} on average, and rounding "
            f"explains at most {limit:.1e}: it was removed; the adapter in {out} is whole: keep it "
            "alone (--no-merge), or merge it with peft"
        )


def data_hash(dataset: Any) -> str | None:
    """A hash of all rows and their order, None for a stream, which would have to be read for it."""
    if _is_stream(dataset):
        return None
    digest = hashlib.sha256()
    for row in dataset:
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _detox_facts(cleaned: Cleaned, detox: DetoxConfig) -> dict[str, Any]:
    """What cleaned the rows and what became of them; a stream is cleaned, and counted, later."""
    chosen = detox.chosen()
    facts = {
        "recipe": dict(chosen.recipe),
        "policy": detox.detox_policy,
        "models": dict(chosen.models),
    }
    if _is_stream(cleaned.dataset):
        return facts | {"counts": None}
    report = {key: cleaned.report[key] for key in ("texts", "rows") if key in cleaned.report}
    return facts | {"counts": asdict(cleaned.counts), "report": report}


def _plan(settings: SftSettings, base: Path) -> dict[str, Any]:
    """What identifies a run, as JSON values: settings that differ from the defaults, versions."""
    from trl import ModelConfig, SFTConfig

    given = settings.args
    usual = SFTConfig(use_cpu=given.use_cpu, bf16=given.bf16, fp16=given.fp16).to_dict()
    args = {
        name: value
        for name, value in given.to_dict().items()
        if name in _PRECISION or (value != usual.get(name) and name not in _WHERE)
    }
    plain = asdict(ModelConfig())
    model = {k: v for k, v in asdict(settings.model).items() if v != plain[k]}
    quantization = settings.quantization
    content = {
        "base": settings.base,
        "weights": digest_of(base),
        "settings": {"args": args, "model": model},
        "quantization": None if quantization is None else quantization.to_dict(),
        "versions": versions() | {name: version(name) for name in _PACKAGES if find_spec(name)},
    }
    return json.loads(json.dumps(content, default=str))  # type: ignore[no-any-return]


def _begun(out: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of this run, where it was begun; ConflictError where the folder holds another."""
    try:
        found: dict[str, Any] = json.loads((out / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    plan = json.loads(json.dumps(plan))
    differing = [key for key in plan if key != "versions" and found.get(key) != plan[key]]
    if differing:
        raise ConflictError(
            f"{out} holds a run with other {', '.join(differing)}: name another output_dir"
        )
    return found


def _last_whole_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint that was written to its end: the trainer's state is written last."""
    found = [
        path
        for path in out.glob("checkpoint-*")
        if path.name.removeprefix("checkpoint-").isdigit() and _is_json(path / "trainer_state.json")
    ]
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _with_model_settings(settings: SftSettings) -> SFTConfig:
    """The trainer's arguments, with what TRL's own script puts there for loading the base."""
    # A copy: the settings, which identify the run, stay as they were given.
    args, model = copy.copy(settings.args), settings.model
    args.model_init_kwargs = {
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(args.model_init_kwargs or {}),
    }
    # TRL's own count starts anew where a run goes on; this one is kept in the checkpoint.
    args.include_num_input_tokens_seen = "non_padding"
    return args


def _layers(model: Any, config: Any) -> list[str]:
    """The paths of the linear layers; of a name, without its weights."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    if isinstance(model, str):
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    kinds = (torch.nn.Linear, Conv1D)
    return [name for name, module in model.named_modules() if isinstance(module, kinds)]


def _history(trainer: Any) -> dict[str, Any]:
    logged = trainer.state.log_history
    losses = [entry["loss"] for entry in logged if "loss" in entry]
    held = [entry["eval_loss"] for entry in logged if "eval_loss" in entry]
    return {
        "steps": trainer.state.global_step,
        "tokens": int(trainer.state.num_input_tokens_seen),
        "first loss": losses[0] if losses else None,
        "last loss": losses[-1] if losses else None,
        "held-out loss": held[-1] if held else None,
    }


def _logits(model: Any, ids: list[int]) -> Tensor:
    import torch

    model.eval()
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.tensor([ids], device=model.device)).logits
    return found.float().cpu()


def _name_base(out: Path, settings: SftSettings) -> None:
    """Let the adapter name its base as the user did, not a folder of this machine's cache."""
    path = out / "adapter_config.json"
    if path.is_file():
        named = {"base_model_name_or_path": settings.base, "revision": settings.revision}
        _write_json(path, json.loads(path.read_text(encoding="utf-8")) | named)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.rename(path)
