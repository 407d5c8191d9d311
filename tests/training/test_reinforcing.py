from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.fakes import WordScorer
from tests.pretrained import llama, t5
from trustydetox.errors import ConfigError, InputError
from trustydetox.records import Toxicity
from trustydetox.steps.loading import open_model
from trustydetox.training.reinforcing import PRESETS, Settings, reinforce, rloo_loss
from trustydetox.training.rewarding import Reward, kept

SOURCES = [f"you {who} people are very good friends {n}" for n in range(4) for who in "ab"]
SETTINGS = Settings(
    prompt="answer: {}", rank=4, rate=1e-2, batch=4, least=1, most=6, samples=4, beta=0.01, steps=3
)


def scorer() -> WordScorer:
    return WordScorer({"idiot": 0.9})


def test_an_answer_counts_by_its_worth_over_the_others_to_the_same_source() -> None:
    logs = torch.tensor([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], requires_grad=True)
    # 1 against 0 to the first source, 5 against 5 to the second, 2 against 5 to the third.
    loss = rloo_loss(logs, torch.tensor([1.0, 0.0, 5.0, 5.0, 2.0, 5.0]), samples=2)
    assert loss.item() == pytest.approx(-(1 * -1 + -1 * -2 + -3 * -5 + 3 * -6) / 6)
    loss.backward()
    # Descending makes the better answer likelier and the worse one less so.
    assert logs.grad is not None
    assert (logs.grad * 6).tolist() == pytest.approx([-1, 1, 0, 0, 3, -3])


def test_the_preset_is_what_the_notebook_had() -> None:
    preset = PRESETS["flan-t5-dialogsum-detox"]
    assert preset.prompt.startswith("Summarize the following conversation.")
    assert (preset.shortest, preset.longest, preset.least, preset.most) == (200, 1000, 100, 400)
    assert (preset.rank, preset.targets, preset.rate, preset.batch) == (32, ("q", "v"), 1.41e-5, 16)


def test_rewards_worked_out_by_hand() -> None:
    reward = Reward(WordScorer({"idiot": 0.5}), content=1.0, fluency=0.0, fault=2.0)
    source = "friends meet again in the garden"
    said = ["friends meet in the garden", "you idiot of the friends", "friends", ""]
    mild, rude, short, nothing = reward.of([source] * 4, said)
    # mild: odds cut at 6 -> 1; 3 of 4 long words kept, tripled and cut, and 3 of 3 of its own -> 1
    assert mild == pytest.approx(2.0)
    # even odds -> 0; 1 of its 2 long words is the source's, 1 of the source's 4 tripled -> 0.5
    assert rude == pytest.approx(0.5)
    # mild, and its one long word is the source's: 0.75, less the fault
    assert short == pytest.approx(1.0 + 0.75 - 2.0)
    assert nothing == pytest.approx(-2.0)


def test_neither_the_shortest_answer_nor_an_echo_wins() -> None:
    prompt = "Summarize the conversation. {} Summary:"
    source = "the friends talk about an idiot in their garden"
    answers = [
        "two friends talk in their garden",
        "ok",
        "",
        source,
        "Summarize the conversation. Summary:",
    ]
    guarded = Reward(scorer(), prompt, fluency=0.0).of([source] * 5, answers)
    assert max(guarded) == guarded[0] > max(guarded[1:]) + 0.5
    # The control: a reward for mildness alone likes the hacks as much.
    bare = Reward(scorer(), prompt, content=0.0, fluency=0.0, fault=0.0).of([source] * 5, answers)
    assert bare[1] == bare[4] == bare[0]


def test_what_is_kept_counts_both_ways() -> None:
    assert kept("alpha beta gamma delta", "alpha beta gamma delta") == 1.0
    assert kept("alpha beta gamma delta", "") == 0.0
    assert kept("alpha beta gamma delta", "alpha other") == 0.5


def test_a_reward_that_is_no_number_is_refused() -> None:
    class Broken:
        def read(self, texts: Sequence[str], /) -> list[tuple[list[int], list[float]]]:
            return [([0], [float("nan")])] * len(texts)

    with pytest.raises(InputError, match="no number"):
        Reward(scorer(), language=Broken(), shortest=1).of(["a b"], ["c d e"])


def changed(before: str, after: Path, task: str) -> bool:
    old, new = (open_model(task, str(one)).state_dict() for one in (before, after))  # type: ignore[arg-type]
    return any(not torch.equal(old[name], new[name]) for name in old)


def test_rloo_tunes_a_text_to_text_network(tmp_path: Path) -> None:
    start, lines = t5(tmp_path / "start"), list[str]()
    reward = Reward(scorer(), SETTINGS.prompt)
    history = reinforce(start, SOURCES, reward, SETTINGS, tmp_path / "out", lines.append)
    assert len(history.rewards) == len(history.kl) == 3
    assert abs(history.kl[0]) < 1e-3  # the fresh adapter changes nothing
    assert history.kl[-1] != history.kl[0]
    assert changed(start, tmp_path / "out", "seq2seq")
    assert "step 3 of 3: reward" in lines[-1]


@pytest.mark.needs("trl")
def test_grpo_tunes_a_causal_network(tmp_path: Path) -> None:
    start = llama(tmp_path / "start")
    # Unlike answers get unlike rewards, whatever the random numbers of the device make of them.
    reward = Falling(scorer(), SETTINGS.prompt)
    settings = replace(SETTINGS, steps=2, batch=1)
    history = reinforce(start, SOURCES, reward, settings, tmp_path / "out", lambda line: None)
    assert len(history.rewards) == 2
    assert changed(start, tmp_path / "out", "causal LM")


@pytest.mark.parametrize(
    ("made", "task"),
    [
        (t5, "seq2seq"),
        pytest.param(llama, "causal LM", marks=pytest.mark.needs("trl")),
    ],
)
def test_a_kl_that_explodes_stops_training_and_keeps_the_best(
    tmp_path: Path, made: Callable[[Path], str], task: str
) -> None:
    start = made(tmp_path / "start")
    reward = Reward(scorer(), SETTINGS.prompt)
    settings = replace(SETTINGS, rate=1.0, kl_limit=0.5, steps=20, beta=1e-9)
    history = reinforce(start, SOURCES, reward, settings, tmp_path / "out", lambda line: None)
    assert "over the limit 0.5" in history.stopped
    within = history.rewards[:-1]
    best = max(range(len(within)), key=lambda step: (within[step], step))
    # What is written gave the best answers: it is what training had made of the start by then.
    if best:
        shorter = replace(settings, steps=best, kl_limit=float("inf"))
        reinforce(start, SOURCES, reward, shorter, tmp_path / "then", lambda line: None)
    then = str(tmp_path / "then") if best else start
    assert not changed(then, tmp_path / "out", task)
    assert best == 0 or changed(start, tmp_path / "out", task)


class Falling(Reward):
    """Each step is worth less than the one before; every other answer beats its neighbour."""

    steps = 0

    def of(self, sources: Sequence[str], answers: Sequence[str]) -> list[float]:
        type(self).steps += 1
        return [at % 2 - float(self.steps) for at in range(len(answers))]


@pytest.mark.parametrize(
    ("made", "task", "rate"),
    [(t5, "seq2seq", 0.1), pytest.param(llama, "causal LM", 0.02, marks=pytest.mark.needs("trl"))],
)
def test_of_rewards_that_fall_the_first_step_is_kept(
    tmp_path: Path, made: Callable[[Path], str], task: str, rate: float
) -> None:
    start = made(tmp_path / "start")
    settings = replace(SETTINGS, rate=rate, kl_limit=0.5, steps=20, beta=1e-9)
    reward = Falling(scorer(), SETTINGS.prompt)
    history = reinforce(start, SOURCES, reward, settings, tmp_path / "out", lambda line: None)
    assert len(history.rewards) > 2  # other weights were within the limit too
    assert history.stopped
    assert not changed(start, tmp_path / "out", task)


def test_a_constant_reward_stops_training_with_the_reason(tmp_path: Path) -> None:
    class Flat:
        def score(self, texts: Sequence[str], /) -> list[Toxicity]:
            return [Toxicity(0.5)] * len(texts)

    reward = Reward(Flat(), content=0.0, fluency=0.0, fault=0.0)
    with pytest.raises(InputError, match="the same reward"):
        reinforce(
            t5(tmp_path / "start"), SOURCES, reward, replace(SETTINGS, steps=9),
            tmp_path / "out", lambda line: None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "message"), [({"prompt": "none"}, "one {}"), ({"samples": 1}, "2 samples")]
)
def test_settings_that_can_t_work_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SETTINGS, **setting)  # type: ignore[arg-type]
