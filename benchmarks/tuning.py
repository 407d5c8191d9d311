"""Fine-tuning: what the wrapper costs beside TRL's own trainer, and how much memory QLoRA takes."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import rows
from benchmarks.exporting import save_opt_350m
from benchmarks.results import Found
from benchmarks.timing import REPEATS, Spread, ratio
from tests.networks import tiny_opt
from trustydetox.training import build_trainer, read_settings

STEPS = 30


def wrapper() -> list[Found]:
    """Tokens per second of `build_trainer`'s trainer over those of a plain SFTTrainer."""
    from datasets import Dataset
    from trl import SFTTrainer

    texts = Dataset.from_dict({"text": rows.bundled(8 * STEPS)})
    with TemporaryDirectory() as folder:
        base = tiny_opt(Path(folder) / "base")
        settings = read_settings(
            "opt-350m-qlora",
            [
                *("--model_name_or_path", base, "--output_dir", f"{folder}/out", "--use_cpu"),
                *("--max_steps", str(STEPS), "--per_device_train_batch_size", "8"),
                *("--max_length", "128", "--save_strategy", "no", "--disable_tqdm", "true"),
            ],
        )
        given: dict[str, Any] = {
            "args": settings.args,
            "quantization_config": settings.quantization,
            "peft_config": settings.lora,
        }
        made: dict[str, Callable[[], Any]] = {
            "plain": lambda: SFTTrainer(base, train_dataset=texts, **given),
            "ours": lambda: build_trainer(base, texts, **given),
        }
        cpu: dict[str, list[float]] = {name: [] for name in made}
        for turn in range(REPEATS + 1):
            for name, make in made.items():
                trainer = make()
                gc.collect()
                start = time.process_time()
                trainer.train()
                if turn:  # the first warms up
                    cpu[name].append(time.process_time() - start)
    how = f"{STEPS} steps of 8 rows, QLoRA on a tiny OPT, the same settings, in turns, CPU time"
    return [
        Found("tokens per second of the wrapper over those of plain SFTTrainer", "times",
              ratio(tuple(cpu["plain"]), tuple(cpu["ours"])), ">= 0.98", how)
    ]  # fmt: skip


def memory() -> list[Found]:
    """Peak memory of a process that tunes a model of OPT-350m's shape by its preset."""
    with TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        save_opt_350m(base, Path(folder) / "adapter")
        done = subprocess.run(
            [sys.executable, "-c", _TUNE, str(base), f"{folder}/out"],
            capture_output=True,
            text=True,
            check=True,
        )
    return [
        Found("peak memory of QLoRA on OPT-350m's shape", "MiB",
              Spread.of([int(done.stdout.split()[-1]) / 1024]), "<= 3072",
              "preset opt-350m-qlora, two steps of a row of 512 tokens, random weights")
    ]  # fmt: skip


# One piece per letter: a row of 512 of them is a row of the longest that the preset takes.
_TUNE = """
import sys
from benchmarks.machine import peak_kib
from datasets import Dataset
from trustydetox.training import build_trainer, read_settings
base, out = sys.argv[1:]
settings = read_settings("opt-350m-qlora", ["--model_name_or_path", base, "--output_dir", out,
    "--use_cpu", "--max_steps", "2", "--save_strategy", "no", "--disable_tqdm", "true"])
texts = Dataset.from_dict({"text": ["a" * 600] * 4})
trainer = build_trainer(base, texts, args=settings.args,
    quantization_config=settings.quantization, peft_config=settings.lora)
trainer.train()
assert trainer.state.num_input_tokens_seen in (0, 1024), trainer.state.num_input_tokens_seen
print(peak_kib())
"""
