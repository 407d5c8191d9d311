"""Reinforcement learning of milder answers: RLOO for text-to-text networks, GRPO for causal ones.

No maintained trainer does online RL for encoder-decoders (PPO left TRL in 1.13, and its GRPO and
RLOO read causal models only), so there is a small one here: REINFORCE with a leave-one-out
baseline (Kool et al. 2019; Ahmadian et al. 2024) on transformers' Seq2SeqTrainer, the KL to the
network without its adapter taken off the reward.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError, InputError
from trustydetox.steps.loading import find, open_model, open_tokenizer
from trustydetox.training.rewarding import Reward

if TYPE_CHECKING:
    from torch import Tensor

_FLAT = 5  # steps of one and the same reward after which nothing more will be learned


@dataclass(frozen=True)
class Settings:
    """How a network is tuned; the defaults are those of the notebook on PPO and FLAN-T5.

    prompt: what the network reads; `{}` stands for the source.
    shortest, longest: of the sources, in characters; others are left out.
    least, most: new tokens of an answer. samples: answers per prompt and step.
    beta: weight of the KL of an answer, summed over its tokens, against the untuned network.
    kl_limit: mean KL of a step, in nats, beyond which training stops.
    control: rewards are shuffled among the answers, so that nothing can be learned from them.
    """

    prompt: str = "Summarize the following conversation.\n\n{}\n\nSummary:"
    shortest: int = 200
    longest: int = 1000
    rank: int = 32
    targets: tuple[str, ...] | None = None
    rate: float = 1.41e-5
    batch: int = 16
    least: int = 100
    most: int = 400
    samples: int = 4
    beta: float = 0.05
    kl_limit: float = 40.0
    steps: int = 100
    seed: int = 42
    control: bool = False

    def __post_init__(self) -> None:
        if self.prompt.count("{}") != 1:
            raise ConfigError(f"the prompt must hold one {{}} for the text, got {self.prompt!r}")
        if self.samples < 2:
            raise ConfigError(f"expected 2 samples a prompt or more, got {self.samples}")


PRESETS: dict[str, Settings] = {
    "flan-t5-dialogsum-detox": Settings(targets=("q", "v")),
}


@dataclass
class History:
    """One value per step: mean reward, mean KL in nats; why training stopped early, if it did."""

    rewards: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    stopped: str = ""


def reinforce(
    model: str,
    sources: Sequence[str],
    reward: Reward,
    settings: Settings,
    out: Path,
    report: Callable[[str], None],
) -> History:
    """Tune a network with LoRA on answers of its own, and write it, merged, to `out`.

    Stops where the KL exceeds its limit, and writes the weights of the step with the best reward
    until then. Raises InputError where a reward is no number or all are the same.
    """
    from transformers import set_seed

    set_seed(settings.seed)
    network: Any = open_model("seq2seq" if is_encoder_decoder(model) else "causal LM", model)
    tokenizer: Any = open_tokenizer(model)
    if tokenizer.pad_token_id is None:
        raise ConfigError(f"the tokenizer of {model} has no pad token, which batches need")
    tune = _rloo if network.config.is_encoder_decoder else _grpo
    with warnings.catch_warnings():
        # transformers warns of a name of its own that goes in version 6.
        warnings.filterwarnings("ignore", ".*activation_checkpointing", FutureWarning)
        history = tune(network, tokenizer, sources, reward, settings, out, report)
    tokenizer.save_pretrained(out)
    rmtree(out / "work", ignore_errors=True)
    return history


def is_encoder_decoder(model: str) -> bool:
    """Whether the model's own file says so: T5, BART; else it is taken for a causal one."""
    config = json.loads((find(model) / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("is_encoder_decoder", config.get("model_type") in {"t5", "bart"}))


def generate(
    network: Any, tokenizer: Any, prompts: Sequence[str], settings: Settings, seed: int = 0
) -> list[str]:
    """One sampled answer per prompt, the same for the same seed."""
    import torch

    torch.manual_seed(seed)
    answers: list[str] = []
    for start in range(0, len(prompts), settings.batch):
        ids = _read(tokenizer, prompts[start : start + settings.batch], network)
        with torch.inference_mode():
            made = network.generate(**ids, **_sampling(settings))
        if not network.config.is_encoder_decoder:
            made = made[:, ids["input_ids"].shape[1] :]
        answers += tokenizer.batch_decode(made, skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def _read(tokenizer: Any, prompts: Sequence[str], network: Any) -> Any:
    tokenizer.padding_side = "right" if network.config.is_encoder_decoder else "left"
    read = tokenizer(
        list(prompts), return_tensors="pt", padding=True, truncation=True, max_length=512
    )
    return {k: read[k].to(network.device) for k in ("input_ids", "attention_mask")}


def _sampling(settings: Settings) -> dict[str, Any]:
    return {
        "do_sample": True, "top_k": 0, "top_p": 1.0, "max_length": None,
        "min_new_tokens": settings.least, "max_new_tokens": settings.most,
    }  # fmt: skip


def _adapter(settings: Settings, task: str) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.rank,
        lora_dropout=0.0,
        target_modules=list(settings.targets) if settings.targets else None,
        task_type=task,
    )


def _rloo(
    network: Any,
    tokenizer: Any,
    sources: Sequence[str],
    reward: Reward,
    settings: Settings,
    out: Path,
    report: Callable[[str], None],
) -> History:
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from torch.nn.functional import cross_entropy
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments
    from transformers.trainer_callback import PrinterCallback

    history = History()
    shuffled = random.Random(settings.seed)
    policy: Any = get_peft_model(network, _adapter(settings, "SEQ_2_SEQ_LM"))
    best: dict[str, Any] = {}

    def log_probability(model: Any, ids: dict[str, Any], labels: Any) -> Any:
        logits = model(**ids, labels=labels).logits
        loss = cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
        return -loss.sum(dim=1)

    class Rloo(Seq2SeqTrainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            rows = [row for row in inputs["source"] for _ in range(settings.samples)]
            ids = _read(tokenizer, [settings.prompt.replace("{}", row) for row in rows], model)
            model.eval()
            with torch.no_grad():
                made = model.generate(**ids, **_sampling(settings))[:, 1:]
            answers = tokenizer.batch_decode(made, skip_special_tokens=True)
            labels = made.masked_fill(made == tokenizer.pad_token_id, -100)
            logs = log_probability(model, ids, labels)
            with torch.no_grad(), model.disable_adapter():
                before = log_probability(model, ids, labels)
            kl = (logs - before).detach()
            given = reward.of(rows, answers)
            _follow(history, given, float(kl.mean()), settings)
            if history.stopped:
                self.control.should_training_stop = True
                return logs.sum() * 0.0
            if _is_best(history):
                best.update(_trained(model))
            if settings.control:
                shuffled.shuffle(given)
            worth = torch.tensor(given, device=logs.device) - settings.beta * kl
            report(
                f"step {len(history.rewards)} of {settings.steps}: reward "
                f"{history.rewards[-1]:.3f}, KL {history.kl[-1]:.2f}"
            )
            return rloo_loss(logs, worth, settings.samples)

    def together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {"source": [row["source"] for row in rows]}

    trainer = Rloo(
        policy,
        Seq2SeqTrainingArguments(
            output_dir=str(out / "work"),
            per_device_train_batch_size=settings.batch,
            max_steps=settings.steps,
            learning_rate=settings.rate,
            lr_scheduler_type="constant",
            seed=settings.seed,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_dict({"source": list(sources)}),
        data_collator=together,
    )
    trainer.remove_callback(PrinterCallback)  # it writes on standard output
    trainer.train()
    if history.stopped:
        policy.load_state_dict(best, strict=False)
    policy.merge_and_unload().save_pretrained(out)
    return history


def rloo_loss(logs: Tensor, worth: Tensor, samples: int) -> Tensor:
    """What REINFORCE with a leave-one-out baseline descends (Ahmadian et al. 2024).

    logs, worth: per answer its log-probability and what it is worth, `samples` answers to the first
    source, then those to the next. An answer counts by its worth less the mean of the others' to
    the same source.
    """
    groups = worth.view(-1, samples)
    others = (groups.sum(1, keepdim=True) - groups) / (samples - 1)
    return -((groups - others).view(-1) * logs).mean()


def _trained(model: Any) -> dict[str, Any]:
    """Copies of the weights that are trained."""
    trained = ((name, value) for name, value in model.named_parameters() if value.requires_grad)
    return {name: value.detach().clone() for name, value in trained}


def _is_best(history: History) -> bool:
    """Whether no step was rewarded better than the last."""
    return history.rewards[-1] >= max(history.rewards)


def _follow(history: History, rewards: Sequence[float], kl: float, settings: Settings) -> None:
    """Write a step down; raises where the reward says nothing, notes where the KL says stop."""
    history.rewards.append(sum(rewards) / len(rewards))
    history.kl.append(kl)
    _is_over(history, settings)
    last = history.rewards[-_FLAT:]
    if len(last) == _FLAT and len(set(rewards)) == 1 and len(set(last)) == 1:
        raise InputError(
            f"all answers of {_FLAT} steps got the same reward, {last[0]:.3f}: nothing can be "
            "learned from it; look at the answers, or reward something else"
        )


def _is_over(history: History, settings: Settings) -> bool:
    """Whether the last KL is over the limit, which is then why training stopped."""
    kl = history.kl[-1]
    if kl <= settings.kl_limit:
        return False
    history.stopped = f"the KL reached {kl:.1f} nats, over the limit {settings.kl_limit:g}"
    return True


def _grpo(
    network: Any,
    tokenizer: Any,
    sources: Sequence[str],
    reward: Reward,
    settings: Settings,
    out: Path,
    report: Callable[[str], None],
) -> History:
    from datasets import Dataset
    from transformers import TrainerCallback
    from transformers.trainer_callback import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    history = History()
    shuffled = random.Random(settings.seed)
    best: dict[str, Any] = {}
    answering: dict[str, Any] = {}  # the weights that gave the answers of the step

    # TRL takes column 0 of a classifier's logits, whatever it stands for: so never a classifier.
    def rewarded(completions: list[str], source: list[str], **_: Any) -> list[float]:
        given = reward.of(source, completions)
        # The KL of this step is known when it is logged, and then other weights are in place.
        _follow(history, given, 0.0, settings)
        answering.update(_trained(trainer.model))
        if settings.control:
            shuffled.shuffle(given)
        return given

    class Watched(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "kl" in logs:
                history.kl[-1] = float(logs["kl"]) * float(logs["completions/mean_length"])
                report(
                    f"step {state.global_step} of {state.max_steps}: reward "
                    f"{history.rewards[-1]:.3f}, KL {history.kl[-1]:.2f}"
                )
                if _is_over(history, settings):
                    control.should_training_stop = True
                elif _is_best(history):
                    best.update(answering)

    trainer = GRPOTrainer(
        network,
        rewarded,
        GRPOConfig(
            output_dir=str(out / "work"),
            per_device_train_batch_size=settings.batch * settings.samples,
            num_generations=settings.samples,
            max_completion_length=settings.most,
            beta=settings.beta,
            max_steps=settings.steps,
            learning_rate=settings.rate,
            lr_scheduler_type="constant",
            seed=settings.seed,
            save_strategy="no",
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
            bf16=False,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_dict(
            {
                "prompt": [settings.prompt.replace("{}", source) for source in sources],
                "source": list(sources),
            }
        ),
        processing_class=tokenizer,
        peft_config=_adapter(settings, "CAUSAL_LM"),
        callbacks=[Watched()],
    )
    trainer.remove_callback(PrinterCallback)  # it writes on standard output
    trainer.train()
    if history.stopped:
        trainer.model.load_state_dict(best, strict=False)
    trainer.model.merge_and_unload().save_pretrained(out)
    return history
