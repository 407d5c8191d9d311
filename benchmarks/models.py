"""What the network costs: padding, texts per second, attribution in forward passes."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import Spread, in_turns, ratio
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.recipes import load_recipe
from trustydetox.steps.attributing import GradientXActivation, IntegratedGradients
from trustydetox.steps.scoring import EncoderScorer
from trustydetox.steps.windowing import batches_of, tensors_of, windows_of

BATCH = 32


def padding(texts: int) -> list[Found]:
    """Real tokens over tokens computed, in windows of as many rows as `clean` reads."""
    scorer = _scorer()
    shares = []
    for name, made in (("bundled", rows.bundled(texts)), ("short", rows.short(texts))):
        real = computed = 0
        for start in range(0, len(made), WINDOW_ROWS):
            views = [scorer.view(text).text for text in made[start : start + WINDOW_ROWS]]
            for batch in batches_of(windows_of(scorer.guide.tokenizer, views)):
                real += sum(len(window.ids) for window in batch)
                computed += len(batch) * max(len(window.ids) for window in batch)
        shares.append(
            Found(f"real over computed tokens, {name} rows", "", Spread.of([real / computed]),
                  ">= 0.97", f"{len(made)} rows, windows of {WINDOW_ROWS}")
        )  # fmt: skip
    return shares


def forward(texts: int) -> list[Found]:
    """Texts per second of the scorer, from text to probability."""
    scorer = _scorer()
    made = {"bundled": rows.bundled(texts), "short": rows.short(texts)}
    works = {name: partial(scorer.score, one) for name, one in made.items()}
    return [
        Found(f"scorer, {name} rows", "texts per CPU second",
              Spread.of([texts / cpu for cpu in timing.cpu]), "",
              f"{texts} rows, mean {_mean_length(made[name]):.0f} characters", timing.load)
        for name, timing in in_turns(works).items()
    ]  # fmt: skip


def attribution() -> list[Found]:
    """Attribution of a batch of bundled rows against a forward pass over the same tensors."""
    import torch

    scorer = _scorer()
    guide, view = scorer.guide, scorer.view
    gradient = GradientXActivation(guide, view)
    integrated = load_recipe("mini-ig").attributor
    if not isinstance(integrated, IntegratedGradients):
        integrated = IntegratedGradients(guide, view)
    views = [view(text).text for text in rows.bundled(400)]
    windows = [w for w in windows_of(guide.tokenizer, views) if 20 <= len(w.ids) <= 44][:BATCH]
    ids, mask = tensors_of(windows)

    def once() -> None:
        with torch.inference_mode():
            guide.logit(ids, mask)

    timings = in_turns(
        {
            "forward": once,
            "gradient x activation": lambda: gradient._weights(ids, mask),
            "integrated gradients": lambda: integrated._weights(ids, mask),
        }
    )
    base = timings.pop("forward")
    how = f"{len(windows)} rows of 20 to 44 tokens, CPU time, captum"
    goals = {"gradient x activation": "<= 2.5"}
    steps = {"integrated gradients": f", {integrated.steps} steps"}
    return [
        Found(f"{name}{steps.get(name, '')}", "forward passes", ratio(timing.cpu, base.cpu),
              goals.get(name, ""), how, timing.load)
        for name, timing in timings.items()
    ]  # fmt: skip


def rewriting(texts: int) -> list[Found]:
    """A whole rewrite of a text of 25 words: alone, and in batches beside scoring the same."""
    detoxifier = load_recipe("mini")
    made = rows.toxic(texts)
    works = {
        "score": partial(detoxifier.score, made),
        "rewrite": lambda: list(detoxifier.run(made)),
        "one by one": lambda: [record for text in made for record in detoxifier.run([text])],
    }
    timings = in_turns(works, repeats=3)
    how = f"{texts} toxic texts of 25 words, mini"
    alone = [1000 * cpu / texts for cpu in timings["one by one"].cpu]
    return [
        Found("a rewrite alone", "CPU ms", Spread.of(alone), "", how, timings["one by one"].load),
        *(
            Found(f"{name}, in batches", "texts per CPU second",
                  Spread.of([texts / cpu for cpu in timing.cpu]), "", how, timing.load)
            for name, timing in timings.items()
            if name != "one by one"
        ),
    ]  # fmt: skip


def _scorer() -> EncoderScorer:
    scorer: Any = load_recipe("mini").scorer
    if not isinstance(scorer, EncoderScorer):
        raise TypeError(f"expected mini to score by an EncoderScorer, got {type(scorer).__name__}")
    return scorer


def _mean_length(texts: list[str]) -> float:
    return sum(map(len, texts)) / len(texts)
