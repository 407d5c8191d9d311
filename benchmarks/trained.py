"""What users train: how fast the identifier is, and whether rewards are what tunes a network."""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import DataCollatorForSeq2Seq

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import Spread, in_turns
from tests.pretrained import llama, t5
from trustydetox import embedded
from trustydetox.embedded.encoder import read_tokenizer
from trustydetox.embedded.identifier import new_identifier, save_identifier
from trustydetox.recipes import load_recipe
from trustydetox.steps.identifying import BagScorer
from trustydetox.steps.loading import load
from trustydetox.training.identifying import export_onnx, export_torchscript
from trustydetox.training.pairs import Pair
from trustydetox.training.reinforcing import Settings, generate, is_encoder_decoder, reinforce
from trustydetox.training.rewarding import Reward
from trustydetox.training.rewriting import Schedule, train_rewriter

PIECES = 32
SEEDS = (1, 2, 3)


def identifier(texts: int) -> list[Found]:
    """Texts per second of the identifier: the network at 32 tokens, the tokenizer, both."""
    from onnxruntime import InferenceSession, SessionOptions

    # Speed doesn't depend on what was learned.
    made = new_identifier(read_tokenizer(embedded.FOLDER / "tokenizer.json"))
    ids = torch.randint(1000, 30_000, (texts, PIECES))
    options = SessionOptions()
    options.intra_op_num_threads = 1
    lines = rows.short(texts)
    with TemporaryDirectory() as folder:
        for export, name in ((export_onnx, "i.onnx"), (export_torchscript, "i.pt")):
            export(made, Path(folder) / name)
        save_identifier(made, Path(folder))
        size = (Path(folder) / "i.onnx").stat().st_size
        session = InferenceSession(str(Path(folder) / "i.onnx"), options)
        script = torch.jit.load(str(Path(folder) / "i.pt"))
    array = ids.numpy()

    def scripted() -> None:
        with torch.inference_mode():
            script(ids)

    timings = in_turns(
        {
            "ONNX, 32 tokens": lambda: session.run(None, {"ids": array}),
            "TorchScript, 32 tokens": scripted,
            "tokeniser, short rows": lambda: made.tokenizer.encode_batch_fast(lines),
            "step identifier, short rows": partial(BagScorer(made).score, lines),
        }
    )
    speeds = [
        Found(f"identifier: {name}", "texts per CPU second",
              Spread.of([texts / cpu for cpu in timing.cpu]),
              ">= 20000" if "32" in name else "", f"{texts} texts", timing.load)
        for name, timing in timings.items()
    ]  # fmt: skip
    return [*speeds, Found("identifier: ONNX file", "MB", Spread.of([size / 1e6]), "<= 8")]


_WHO = "you they we people friends men women boys girls".split()
_RUDE = ("are a stupid idiot", "are stupid idiots", "are an idiot")
_KIND = ("are a nice person", "are nice people", "are good")
_PROMPT = "say what {} are"


def reinforcing() -> list[Found]:
    """Toxicity after training less that after training with shuffled rewards, by the judge.

    Tiny networks are first taught to insult every second time: a T5, which RLOO tunes, and a Llama,
    which GRPO tunes. The guide rewards, the check judges.
    """
    settings = Settings(
        prompt=_PROMPT,
        rank=16,
        rate=5e-3,
        batch=6,
        least=1,
        most=14,
        samples=8,
        beta=0.02,
        steps=40,
    )
    with TemporaryDirectory() as folder:
        return [
            *_reinforced("RLOO", _insulting(Path(folder) / "t5"), settings),
            *_reinforced("GRPO", _insulting_causal(Path(folder) / "llama"), settings),
        ]


def _reinforced(method: str, start: str, settings: Settings) -> list[Found]:
    mini = load_recipe("mini")
    judge = mini.checks[0].scorer  # type: ignore[attr-defined]
    gaps, bounds = [], []
    asked = [_PROMPT.replace("{}", who) for who in _WHO] * 12
    before = _toxicity(start, asked, settings, judge)
    for seed in SEEDS:
        found = {}
        for control in (False, True):
            out = Path(start).parent / f"{seed}{control}"
            history = reinforce(
                start, _WHO * 6, Reward(mini.scorer, _PROMPT, content=0.5, shortest=2),
                replace(settings, seed=seed, control=control), out, _quiet,
            )  # fmt: skip
            found[control] = _toxicity(str(out), asked, settings, judge)
            bounds += [max(history.kl)] if not control else []
        print(f"{method}, seed {seed}: {before:.3f} -> {found[False]:.3f}, control "
              f"{found[True]:.3f}", file=sys.stderr, flush=True)  # fmt: skip
        gaps.append(found[False] - found[True])
    error = statistics.stdev(gaps) / len(gaps) ** 0.5
    how = f"tiny network, {len(SEEDS)} seeds, {len(asked)} answers each, {before:.2f} before"
    return [
        Found(f"{method}: toxicity by the judge, less the control's", "", Spread.of(gaps),
              "<= -0.05", how),
        Found(f"{method}: that difference in standard errors", "",
              Spread.of([statistics.mean(gaps) / error]), "<= -2", how),
        Found(f"{method}: highest KL of a step", "nats", Spread.of(bounds), "<= 40", how),
    ]  # fmt: skip


def _insulting(folder: Path) -> str:
    ends = (*_RUDE, *_KIND)
    pairs = [Pair(_PROMPT.replace("{}", w), tuple(f"{w} {end}" for end in ends)) for w in _WHO]
    t5(folder / "fresh")
    schedule = Schedule(passes=60, rate=5e-3, batch=27)
    train_rewriter(str(folder / "fresh"), pairs, folder / "start", schedule, _quiet, prompt="{}")
    return str(folder / "start")


def _insulting_causal(folder: Path) -> str:
    loaded = load("causal LM", llama(folder / "fresh"))
    model, tokenizer = loaded.model, loaded.tokenizer
    rows = []
    for who, end in product(_WHO, (*_RUDE, *_KIND)):
        asked = tokenizer(_PROMPT.replace("{}", who)).input_ids
        answer = tokenizer(f" {who} {end}", add_special_tokens=False).input_ids
        answer += [tokenizer.eos_token_id]
        rows.append({"input_ids": asked + answer, "labels": [-100] * len(asked) + answer})
    batch = DataCollatorForSeq2Seq(tokenizer)(rows)
    model.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(200):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    return str(folder / "start")


def _toxicity(model: str, asked: list[str], settings: Settings, judge: BagScorer) -> float:
    loaded = load("seq2seq" if is_encoder_decoder(model) else "causal LM", model)
    answers = generate(loaded.model, loaded.tokenizer, asked, settings)
    return statistics.mean(score.overall for score in judge.score(answers))


def _quiet(line: str) -> None:
    """Say nothing."""
