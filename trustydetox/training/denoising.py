"""Experts: denoisers of BART's kind, one that learned from toxic texts, one from harmless ones.

BART's own objective (Lewis et al. 2020) as MaRCo uses it: spans of Poisson length are masked, each
by one mask, anew every time a text is seen, and the network writes the text as it was. TrustyAI's
`train_models` trains plain copying instead, on text cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError, InputError
from trustydetox.steps.loading import open_model, open_tokenizer

if TYPE_CHECKING:
    from numpy.random import Generator

TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""The layers of BART that an adapter changes: all of attention and both of the feed-forward."""


@dataclass(frozen=True)
class Denoising:
    """How an expert is trained; the defaults without LoRA are MaRCo's, but for a cap on steps.

    base, revision: the denoiser to go on from.
    lora: train an adapter, a hundredth of the weights, rather than a copy of the network.
    rate: of learning; without it 2.5e-5, and ten times that for an adapter.
    share: of a text's pieces that are masked. mean: of the spans' length, in pieces.
    longest: pieces of a text that are read; the rest is left out.
    every: steps from one look at the held-back texts to the next. patience: how many looks without
        a better one end the training.
    """

    base: str
    revision: str | None = None
    lora: bool = True
    rate: float | None = None
    batch: int = 8
    steps: int = 5000
    every: int = 500
    patience: int = 5
    share: float = 0.3
    mean: float = 3.0
    longest: int = 182
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0 or self.mean <= 0.0:
            raise ConfigError("share must be in (0, 1) and mean above 0")
        if min(self.batch, self.steps, self.every, self.patience) < 1:
            raise ConfigError("batch, steps, every and patience must be at least 1")


@dataclass(frozen=True)
class Learned:
    """What training changed: the loss on the held-back texts, in nats per piece, before and after.

    steps: of the weights that were kept.
    """

    before: float
    after: float
    steps: int


def train_expert(
    texts: Sequence[str],
    held_back: Sequence[str],
    folder: Path,
    settings: Denoising,
    say: Callable[[str], None],
) -> Learned:
    """Train one expert and write it into `folder`, as safetensors: an adapter, or a network.

    The weights of the best look at the held-back texts are kept.
    """
    import numpy
    from transformers import (
        DataCollatorForSeq2Seq,
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    if not texts or not held_back:
        raise InputError(
            f"expected texts to learn from and to hold back, got {len(texts)} and {len(held_back)}"
        )
    set_seed(settings.seed)
    tokenizer: Any = open_tokenizer(settings.base, settings.revision)
    network = open_model("seq2seq", settings.base, settings.revision)
    model = _with_adapter(network) if settings.lora else network
    rate = settings.rate or (2.5e-4 if settings.lora else 2.5e-5)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "checkpoints"),
            per_device_train_batch_size=settings.batch,
            per_device_eval_batch_size=settings.batch,
            learning_rate=rate,
            max_steps=settings.steps,
            eval_strategy="steps",
            save_strategy="steps",
            eval_steps=settings.every,
            save_steps=settings.every,
            logging_strategy="no",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            report_to="none",
            disable_tqdm=True,
            seed=settings.seed,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        ),
        train_dataset=_Noised(tokenizer, texts, settings),
        # Masked once, so that losses can be compared.
        eval_dataset=_Noised(tokenizer, held_back, settings).once(),
        data_collator=DataCollatorForSeq2Seq(tokenizer, network),
        callbacks=[EarlyStoppingCallback(settings.patience), _told(say)],
    )
    trainer.remove_callback(PrinterCallback)
    before = float(trainer.evaluate()["eval_loss"])
    say(f"{folder.name}: loss {before:.3f} on {len(held_back)} held-back texts before training")
    trainer.train()
    after = float(trainer.evaluate()["eval_loss"])
    if not numpy.isfinite(after):
        raise ConfigError(f"{folder.name}: the loss is no number any more; lower the rate")
    # Not the trainer's own way, which leaves a pickle of its settings beside the weights.
    model.save_pretrained(str(folder))
    if not settings.lora:
        tokenizer.save_pretrained(folder)
    _remove(folder / "checkpoints")
    best = trainer.state.best_global_step or trainer.state.global_step
    return Learned(before, after, int(best))


def corrupted(
    ids: Sequence[int], blank: int, numbers: Generator, share: float, mean: float
) -> list[int]:
    """Pieces of a text, its first and last one kept, with spans replaced by one mask each.

    Spans of Poisson length are drawn until `share` of the pieces is covered; those that touch are
    one. A length of 0, which would put in a mask, is drawn again, as MaRCo collapses only masks.
    """
    inner = len(ids) - 2
    wanted = round(share * inner)
    if inner < 1:
        return list(ids)
    covered = [False] * inner
    while sum(covered) < max(1, wanted):
        length = int(min(max(1, numbers.poisson(mean)), max(1, wanted) - sum(covered)))
        start = int(numbers.integers(0, inner - length + 1))
        covered[start : start + length] = [True] * length
    kept = [ids[0]]
    for at, gone in enumerate(covered):
        if not gone:
            kept.append(ids[at + 1])
        elif at == 0 or not covered[at - 1]:
            kept.append(blank)
    return [*kept, ids[-1]]


class _Noised:
    """Texts as pieces, masked anew each time one is asked for."""

    def __init__(self, tokenizer: Any, texts: Sequence[str], settings: Denoising) -> None:
        import numpy

        self.ids = [
            tokenizer(text, truncation=True, max_length=settings.longest)["input_ids"]
            for text in texts
        ]
        self.blank = tokenizer.mask_token_id
        self.settings = settings
        self.numbers = numpy.random.default_rng(settings.seed)

    def once(self) -> list[dict[str, list[int]]]:
        """All of them, masked now."""
        return [self[at] for at in range(len(self))]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, at: int) -> dict[str, list[int]]:
        ids = self.ids[at]
        settings = self.settings
        noised = corrupted(ids, self.blank, self.numbers, settings.share, settings.mean)
        return {"input_ids": noised, "attention_mask": [1] * len(noised), "labels": list(ids)}


def _with_adapter(network: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(network, LoraConfig(r=16, lora_alpha=32, target_modules=list(TARGETS)))


def _told(say: Callable[[str], None]) -> Any:
    from transformers import TrainerCallback

    class Told(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            loss = more.get("metrics", {}).get("eval_loss")
            if loss is not None and state.global_step:
                say(f"step {state.global_step} of at most {args.max_steps}: loss {loss:.3f}")

    return Told()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
