"""Fine-tuning: what the wrapper costs beside TRL's trainer; QLoRA beside LoRA and all weights."""

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


def methods() -> list[Found]:
    """Peak memory and speed of the preset on OPT-350m's shape, and of LoRA and of all weights.

    On a GPU where there is one: then its memory counts, and rows go by the eight.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    steps, batch = (20, 8) if on_gpu else (3, 1)
    rest = ("--max_steps", str(steps), "--per_device_train_batch_size", str(batch))
    memory: dict[str, list[float]] = {name: [] for name in METHODS}
    speed: dict[str, list[float]] = {name: [] for name in METHODS}
    with TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        save_opt_350m(base, Path(folder) / "adapter")
        for _ in range(3):
            for name, options in METHODS.items():
                done = subprocess.run(
                    [sys.executable, "-c", _TUNE, str(base), f"{folder}/out", *rest, *options]
                    + ([] if on_gpu else ["--use_cpu"]),
                    capture_output=True,
                    text=True,
                    check=True,
                )
                peak, seconds = map(float, done.stdout.split()[-2:])
                memory[name].append(peak / 1024)
                speed[name].append((steps - 1) * batch * 512 / seconds)
    place = torch.cuda.get_device_name() if on_gpu else "the processor"
    how = f"{steps} steps of {batch} x 512 tokens, random weights, on {place}, in turns"
    return [
        *(
            Found(f"peak memory of {name} on OPT-350m's shape", "MiB", Spread.of(memory[name]),
                  "<= 3072" if name == "QLoRA" and not on_gpu else "", how)
            for name in METHODS
        ),
        *(
            Found(f"speed of {name} on OPT-350m's shape", "tokens per second",
                  Spread.of(speed[name]), "", how)
            for name in METHODS
        ),
    ]  # fmt: skip


METHODS = {
    "QLoRA": (),
    "LoRA": ("--load_in_4bit", "false"),
    "full fine-tuning": ("--load_in_4bit", "false", "--use_peft", "false"),
}
"""Name -> what it changes in the preset `opt-350m-qlora`."""

# One piece per letter: a row of 512 of them is a row of the longest that the preset takes. The
# first step warms up.
_TUNE = """
import sys, time, torch
from benchmarks.machine import peak_kib
from datasets import Dataset
from transformers import TrainerCallback
from trustydetox.training import build_trainer, read_settings
base, out, *options = sys.argv[1:]
settings = read_settings("opt-350m-qlora", ["--model_name_or_path", base, "--output_dir", out,
    "--save_strategy", "no", "--disable_tqdm", "true", *options])
ends = []
class Clock(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
args = settings.args
texts = Dataset.from_dict({"text": ["a" * 600] * (args.max_steps * args.train_batch_size)})
trainer = build_trainer(base, texts, args=args, quantization_config=settings.quantization,
    peft_config=settings.lora, callbacks=[Clock()])
trainer.train()
assert len(ends) == args.max_steps, len(ends)
on_gpu = torch.cuda.is_available() and not args.use_cpu
peak = torch.cuda.max_memory_allocated() / 1024 if on_gpu else peak_kib()
print(peak, ends[-1] - ends[0])
"""
