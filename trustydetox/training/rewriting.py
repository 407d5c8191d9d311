"""Training of a rewriter: a network that reads toxic texts and writes people's rewrites.

After ParaDetox (Logacheva et al. 2022), whose BART reads the text alone, and domrachev03's T5,
which reads it inside a prompt.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from trustydetox.errors import ConfigError, InputError
from trustydetox.steps.loading import open_model, open_tokenizer
from trustydetox.steps.restating import PROMPT
from trustydetox.training.pairs import Pair

T5_PROMPT = "Make the following sentence non-toxic: '{}'"
"""domrachev03's; other networks read the text alone."""


MODERATOR = (
    "You are a moderator. Rewrite the text so that it is not toxic. Keep its meaning and all words "
    "that are not toxic. Answer with the rewritten text alone."
)
"""What a chat model is told."""


@dataclass(frozen=True)
class Schedule:
    """How a rewriter trains; the defaults are those of domrachev03's T5-small.

    passes: over the pairs, each rewrite a row of its own. tokens: most of a text; longer ones are
    cut. batch: rows per step.
    """

    passes: float = 10.0
    rate: float = 2e-5
    batch: int = 128
    tokens: int = 64
    decay: float = 0.01
    seed: int = 42


def train_rewriter(
    model: str,
    pairs: Sequence[Pair],
    out: Path,
    schedule: Schedule,
    report: Callable[[str], None],
    *,
    prompt: str | None = None,
) -> str:
    """Write the trained network and its tokenizer to `out`; gives the prompt it was trained with.

    Raises InputError where the loss ends as no number.
    """
    import math

    from datasets import Dataset
    from transformers import (
        DataCollatorForSeq2Seq,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        TrainerCallback,
        set_seed,
    )
    from transformers.trainer_callback import PrinterCallback

    set_seed(schedule.seed)
    network: Any = open_model("seq2seq", model)
    tokenizer: Any = open_tokenizer(model)
    if tokenizer.pad_token_id is None:
        raise ConfigError(f"the tokenizer of {model} has no pad token, which batches need")
    if prompt is None:
        prompt = T5_PROMPT if network.config.model_type in {"t5", "mt5"} else "{}"
    if prompt.count("{}") != 1:
        raise ConfigError(f"the prompt must hold one {{}} for the text, got {prompt!r}")
    rows = [(prompt.replace("{}", p.toxic.strip()), r.strip()) for p in pairs for r in p.rewrites]
    read, written = zip(*rows, strict=True)
    encoded = tokenizer(
        list(read), text_target=list(written), truncation=True, max_length=schedule.tokens
    )
    columns = ("input_ids", "attention_mask", "labels")
    dataset = Dataset.from_dict({name: encoded[name] for name in columns})

    class Told(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                report(f"step {state.global_step} of {state.max_steps}, loss {logs['loss']:.4f}")

    trainer = Seq2SeqTrainer(
        network,
        Seq2SeqTrainingArguments(
            output_dir=str(out / "work"),
            per_device_train_batch_size=schedule.batch,
            num_train_epochs=schedule.passes,
            learning_rate=schedule.rate,
            weight_decay=schedule.decay,
            seed=schedule.seed,
            save_strategy="no",
            logging_steps=20,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=dataset,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=network),
        callbacks=[Told()],
    )
    trainer.remove_callback(PrinterCallback)  # it writes on standard output
    with warnings.catch_warnings():
        # transformers warns of a name of its own that goes in version 6.
        warnings.filterwarnings("ignore", ".*activation_checkpointing", FutureWarning)
        loss = trainer.train().training_loss
    if not math.isfinite(loss):
        raise InputError(f"the loss ended as {loss}: lower the rate, or look at the rows")
    trainer.save_model(str(out))
    tokenizer.save_pretrained(out)
    (out / "training_args.bin").unlink(missing_ok=True)
    rmtree(out / "work", ignore_errors=True)
    (out / PROMPT).write_text(json.dumps({"prompt": prompt}) + "\n", encoding="utf-8")
    return prompt


def train_chat_rewriter(
    model: str,
    pairs: Sequence[Pair],
    out: Path,
    schedule: Schedule,
    report: Callable[[str], None],
    *,
    four_bits: bool = False,
) -> None:
    """Write a chat model tuned with LoRA (r 8, alpha 16, domrachev03's) to `out`, merged.

    four_bits: the base is quantised while it trains (QLoRA). The adapter stays in `out/adapter`.
    """
    from datasets import Dataset

    from trustydetox.training.sft.finetuning import MERGED, train
    from trustydetox.training.sft.settings import read_settings

    options: dict[str, Any] = {
        "model_name_or_path": model,
        "output_dir": out / "adapter",
        "lora_r": 8,
        "lora_alpha": 16,
        "learning_rate": schedule.rate,
        "num_train_epochs": schedule.passes,
        "per_device_train_batch_size": schedule.batch,
        "weight_decay": schedule.decay,
        "seed": schedule.seed,
        "save_strategy": "no",
    }
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    flags = ["--use_peft", *(["--load_in_4bit"] if four_bits else [])]
    rows = [
        {
            "prompt": [
                {"role": "system", "content": MODERATOR},
                {"role": "user", "content": pair.toxic.strip()},
            ],
            "completion": [{"role": "assistant", "content": rewrite.strip()}],
        }
        for pair in pairs
        for rewrite in pair.rewrites
    ]
    train(read_settings(None, [*given, *flags]), Dataset.from_list(rows), {}, say=report)
    merged = out / "adapter" / MERGED
    for file in sorted(merged.iterdir()):
        file.replace(out / file.name)
    merged.rmdir()
    told = {"prompt": "{}", "system": MODERATOR}
    (out / PROMPT).write_text(json.dumps(told) + "\n", encoding="utf-8")
