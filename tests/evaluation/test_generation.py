"""What a model writes: drawn from a real tiny OPT, judged, compared; what went wrong elsewhere."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from typer.testing import CliRunner

from tests.networks import CONFIG, tiny_gpt2, tiny_opt, tiny_tokenizer
from trustydetox.cli import app
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.evaluation import (
    ClassifierJudge,
    Sampling,
    Scores,
    compare,
    comparison_page,
    load_writer,
    measure_model,
)
from trustydetox.evaluation.generation.comparing import PROBABILITY, TESTED, holm
from trustydetox.evaluation.generation.plots import plot_cuts, plot_toxicity, png
from trustydetox.evaluation.generation.rating import judge_named, rated, require_fair
from trustydetox.evaluation.generation.sampling import Writer, continuations, read_prompts
from trustydetox.evaluation.generation.scores import Rates, distinct, guides_of, mentions
from trustydetox.evaluation.generation.tables import comparison_tables
from trustydetox.recipes import models_of, read_recipe
from trustydetox.steps.loading import UnpinnedModelWarning, converted_folder

PROMPTS = ["You are such an idiot", "The second answer", "It was a nice day"]
FEW = Sampling(samples=2, new_tokens=4)


@dataclass(frozen=True)
class Counter:
    """A judge that counts a word, and remembers what it was shown."""

    name: str = "counter"
    word: str = "idiot"
    limit: float = 0.5
    seen: list[str] = field(default_factory=list)

    @property
    def digests(self) -> frozenset[str]:
        return frozenset({self.name})

    def rate(self, texts: Sequence[str]) -> list[float]:
        self.seen.extend(texts)
        return [float(self.word in text) for text in texts]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tiny_opt(tmp_path_factory.mktemp("model") / "opt"))


@pytest.fixture(scope="module")
def writer(model: Path) -> Writer:
    return load_writer(model)


# --------------------------------------------------------------------------------- continuations


def test_only_what_the_model_wrote_is_judged(writer: Writer, tmp_path: Path) -> None:
    # A seed's notebook scored prompt and response together: a toxic prompt made any model toxic.
    judges = [Counter("a"), Counter("b")]
    found = measure_model(writer, PROMPTS, [], judges, tmp_path, sampling=FEW)
    assert len(judges[0].seen) == 6
    assert not any("idiot" in text for text in judges[0].seen)
    assert {rate for row in found.judges[0].rates for rate in row} == {0.0}
    assert Counter().rate([PROMPTS[0] + judges[0].seen[0]]) == [1.0]


def test_a_model_writes_as_many_new_tokens_as_asked(writer: Writer) -> None:
    made = writer.write(PROMPTS[0], Sampling(samples=3, new_tokens=5), seed=1)
    assert len(made) == 3
    # A token of this model is a byte.
    assert max(len(text.encode()) for text in made) <= 3 * 5


@pytest.mark.parametrize("kind", ["opt", "gpt2"])
def test_of_a_prompt_that_leaves_no_room_the_end_is_continued(
    writer: Writer, tmp_path: Path, kind: str
) -> None:
    if kind == "gpt2":
        writer = load_writer(Path(tiny_gpt2(tmp_path / "gpt2")))
    sampling = Sampling(samples=2, new_tokens=20)
    # 256 positions, a byte each, 20 of them for what is written.
    last = "The end of a long prompt. " * 9 + "Yes"
    fits = last[-236:]
    assert len(last.encode()) == 237
    assert writer.write(last, sampling, 0) == writer.write(fits, sampling, 0)
    assert writer.write("x" * 900 + fits, sampling, 0) == writer.write(fits, sampling, 0)
    assert writer.write(fits[:-1], sampling, 0) != writer.write(fits, sampling, 0)


def test_more_new_tokens_than_positions_are_refused(writer: Writer) -> None:
    with pytest.raises(ConfigError, match="new_tokens is 256, and the model has only 256"):
        writer.write("Hello", Sampling(samples=1, new_tokens=256), 0)


def test_every_sample_of_every_prompt_counts_once(writer: Writer, tmp_path: Path) -> None:
    # A seed's loop ran once more than its n; the report named the smaller number.
    judges = [Counter("a"), Counter("b")]
    found = measure_model(writer, PROMPTS, ["A nice day."], judges, tmp_path, sampling=FEW)
    assert [len(row) for row in found.judges[0].rates] == [2, 2, 2]
    report = compare({"model": [found]})
    assert (report.prompts, report.samples) == (3, 2)
    assert {one.estimate.n for one in report.measured if one.judge} == {3}


def test_continuations_are_kept_and_gone_on_with(writer: Writer, tmp_path: Path) -> None:
    whole = continuations(writer, PROMPTS, FEW, tmp_path / "a")
    path = tmp_path / "a" / "continuations.jsonl"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    first, second, _ = path.read_text().splitlines()
    path.write_text(f"{first}\n{second[:9]}")  # killed while it wrote
    asked: list[int] = []
    again = continuations(
        writer, PROMPTS, FEW, tmp_path / "a", lambda rows, share: asked.append(rows)
    )
    assert again == whole
    assert asked == [2, 3]
    assert continuations(writer, PROMPTS, replace(FEW, seed=9), tmp_path / "b") != whole


def test_a_folder_that_was_there_is_closed_to_others_too(writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    continuations(writer, PROMPTS, FEW, tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    # That of another run isn't touched.
    (tmp_path / "a").chmod(0o755)
    with pytest.raises(ConflictError):
        continuations(writer, PROMPTS[:2], FEW, tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_closed_to_others_is_refused(writer: Writer) -> None:
    # Nobody can change the modes of this one.
    with pytest.raises(ConfigError, match="can't be closed to other users"):
        continuations(writer, PROMPTS, FEW, Path("/proc/self/fd"))


def test_continuations_of_other_prompts_are_a_conflict(writer: Writer, tmp_path: Path) -> None:
    continuations(writer, PROMPTS, FEW, tmp_path)
    with pytest.raises(ConflictError, match="other prompts"):
        continuations(writer, PROMPTS[:2], FEW, tmp_path)


def test_perplexity_is_over_the_tokens_after_the_first(writer: Writer) -> None:
    nll, tokens = writer.surprise("abc")
    ids = writer.tokenizer("abc", return_tensors="pt").input_ids.to(writer.model.device)
    with torch.no_grad():
        logs = writer.model(input_ids=ids).logits.log_softmax(-1)
    by_hand = -sum(float(logs[0, at, ids[0, at + 1]]) for at in range(2))
    assert tokens == 2
    assert nll == pytest.approx(by_hand, rel=1e-5)


def test_prompts_are_read_from_lines_and_from_real_toxicity_prompts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "a.jsonl").write_text('{"prompt": "one"}\n{"prompt": {"text": "two"}}\n')
    (tmp_path / "b.jsonl").write_text('{"prompt": "one\u2028line"}\n', encoding="utf-8")
    assert read_prompts(tmp_path / "b.jsonl", "prompt") == ["one\u2028line"]
    assert read_prompts(tmp_path / "a.txt", "prompt") == ["one", "two"]
    assert read_prompts(tmp_path / "a.jsonl", "prompt") == ["one", "two"]


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"prompt": 3}', '{"prompt": " "}'])
def test_a_bad_prompt_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"prompt": "fine"}}\n{line}\n')
    with pytest.raises(InputError, match="line 2"):
        read_prompts(tmp_path / "a.jsonl", "prompt")


def test_what_a_folder_without_a_model_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of a model"):
        load_writer(tmp_path / "nowhere")


# ------------------------------------------------------------------------------------ judges


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier whose first label is the clean one, as with RoBERTa-hate's `nothate`."""
    folder = tmp_path_factory.mktemp("judge") / "bert"
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    shape: dict[str, Any] = {**CONFIG, "vocab_size": tokenizer.get_vocab_size()}
    labels = {0: "fine", 1: "toxic"}
    config = BertConfig(**shape, id2label=labels, label2id={"fine": 0, "toxic": 1})
    BertForSequenceClassification(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    return str(folder)


def test_a_classifier_judges_by_the_label_it_is_told(classifier: str) -> None:
    texts = ["you are an idiot", "nice day"]
    toxic = rated(judge_named(f"{classifier}=toxic"), texts)
    fine = rated(judge_named(f"{classifier}=fine"), texts)
    assert [a + b for a, b in zip(toxic, fine, strict=True)] == pytest.approx([1.0, 1.0])
    assert toxic != fine
    assert rated(judge_named(f"{classifier}=toxic"), texts[1:]) == pytest.approx(toxic[1:])


def test_a_label_that_is_not_there_is_refused_with_those_that_are(classifier: str) -> None:
    with pytest.raises(ConfigError, match="no label is called 'hate'; known: fine, toxic"):
        ClassifierJudge(classifier, "hate")


def test_a_judge_without_a_label_is_refused(classifier: str) -> None:
    with pytest.raises(ConfigError, match="FOLDER=LABEL"):
        judge_named(classifier)


def test_one_string_is_never_judged_letter_by_letter() -> None:
    # A seed passed one string as predictions: its metric went through the letters.
    with pytest.raises(ConfigError, match="got one str"):
        rated(Counter(), "what an idiot")
    assert rated(Counter(), ["what an idiot"]) == [1.0]


def test_the_guide_of_the_cleaning_is_no_judge(
    classifier: str, model: Path, tmp_path: Path
) -> None:
    # A peer ranked rewrites and judged models by one classifier.
    judge = judge_named(f"{classifier}=toxic")
    facts = {"detox": {"models": {"model.safetensors": next(iter(judge.digests))}}}
    (tmp_path / "trustydetox.json").write_text(json.dumps(facts))
    guides = guides_of(tmp_path / "merged")
    with pytest.raises(ConfigError, match="guided the cleaning"):
        require_fair([judge, Counter()], guides)
    require_fair([judge, Counter()], guides_of(model))


def test_a_guide_of_the_hub_is_no_judge_either(
    classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Guides were written down by commit, judges by their files: the two never met.
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    step = {
        "step": "classifier",
        "model": "acme/tox",
        "labels": {"fine": "clean", "toxic": "toxic"},
    }
    recipe = read_recipe("roberta-ig", scorer=step)
    before = models_of(recipe)
    shutil.copytree(classifier, converted_folder("acme/tox", None))
    with pytest.warns(UnpinnedModelWarning):
        judge = judge_named("acme/tox=toxic")
    with (
        pytest.warns(UnpinnedModelWarning),
        pytest.raises(ConfigError, match="guided the cleaning"),
    ):
        require_fair([judge, Counter()], models_of(recipe).values())
    # What wasn't fetched has guided nothing.
    assert before["acme/tox"] == "unpinned"
    require_fair([judge, Counter()], before.values())


@pytest.mark.parametrize("judges", [[], [Counter()], [Counter(), Counter()]])
def test_two_different_judges_are_needed(judges: list[Counter]) -> None:
    with pytest.raises(ConfigError, match=r"two judges or more|are the same"):
        require_fair(judges, ())


# --------------------------------------------------------------------------------- comparing


def scores(rates: Any, *, words: float = 5.0, nll: float = 2.0) -> Scores:
    """Scores whose two judges say the same."""
    table = tuple(map(tuple, rates))
    flat = tuple(tuple(words for _ in row) for row in table)
    return Scores(
        {"model": "m", "prompts": "p", "sampling": {}},
        (Rates("a", 0.5, ("hash of a",), table), Rates("b", 0.5, ("hash of b",), table)),
        flat,
        flat,
        tuple((0.9, 0.8, 0.7) for _ in table),
        ((nll * 10, 10), (nll * 10, 10)),
        "hash of the clean texts",
    )


def test_the_numbers_of_one_model_by_hand() -> None:
    found = compare({"model": [scores([[0.1, 0.9], [0.2, 0.4], [0.5, 0.0], [0.0, 0.0]])]})
    value = {one: found.measure(one, "a")["model"].value for one in TESTED}
    assert value == pytest.approx(
        {
            "toxicity probability": 0.5,  # the first prompt, and the third, which is on the limit
            "expected maximum toxicity": (0.9 + 0.4 + 0.5 + 0.0) / 4,
            "mean toxicity": 2.1 / 8,
        }
    )
    assert found.measure("perplexity")["model"].value == pytest.approx(math.exp(2.0))


def test_the_mean_is_over_all_prompts_and_not_the_first() -> None:
    # A seed reported `[0]` of a list.
    found = compare({"model": [scores([[0.0, 0.0], [1.0, 1.0]])]})
    assert found.measure("mean toxicity", "a")["model"].value == 0.5


def drawn(seed: int, share: float, prompts: int = 80) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.random((prompts, 4)) < share).astype(float).tolist()


def test_a_large_difference_is_seen_and_none_is_not() -> None:
    found = compare(
        {"raw": [scores(drawn(1, 0.4))], "less": [scores(drawn(2, 0.05))],
         "same": [scores(drawn(3, 0.4))]},
        resamples=2000,
    )  # fmt: skip
    by = {(one.model, one.measure): one for one in found.differences if one.judge == "a"}
    less, same = by["less", PROBABILITY], by["same", PROBABILITY]
    assert less.estimate.high < 0
    assert less.adjusted < 0.05
    assert 0.5 < less.cut.low < less.cut.value < less.cut.high <= 1.0
    assert same.estimate.low < 0 < same.estimate.high
    assert same.adjusted > 0.05
    assert 0 < less.detectable < abs(less.estimate.value)


def test_more_seeds_that_disagree_widen_the_interval() -> None:
    rates = [scores(drawn(1, share)) for share in (0.1, 0.3, 0.5)]
    apart = compare({"model": rates}, resamples=2000).measure("mean toxicity", "a")["model"]
    alike = compare({"model": [rates[1]] * 3}, resamples=2000).measure("mean toxicity", "a")
    assert apart.high - apart.low > 1.5 * (alike["model"].high - alike["model"].low)


def trained(rng: Any, seeds: int, spread: float, prompts: int = 60) -> list[Scores]:
    """Models whose toxicity is 0.3 on average, further apart the larger the spread."""
    return [
        scores((rng.random((prompts, 4)) < rate).astype(float).tolist())
        for rate in np.clip(rng.normal(0.3, spread, seeds), 0.01, 0.9)
    ]


def seeds_drawn_anew(raw: Sequence[Scores], other: Sequence[Scores], rng: Any) -> tuple[Any, Any]:
    """The interval as it was: seeds drawn anew like prompts, both at once."""
    apart: Any = np.array([run.judges[0].rates for run in other]).mean(axis=2)
    apart = apart - np.array([run.judges[0].rates for run in raw]).mean(axis=2)
    shares = [rng.multinomial(count, [1 / count] * count, 300) / count for count in apart.shape]
    low, high = np.percentile(((shares[0] @ apart) * shares[1]).sum(axis=1), [2.5, 97.5])
    return low, high


@pytest.mark.parametrize(("seeds", "spread"), [(2, 0.1), (3, 0.1), (5, 0.1), (5, 0.0)])
def test_intervals_over_few_training_seeds_hold_the_truth(seeds: int, spread: float) -> None:
    # No difference is there; drawing the seeds anew found one in up to a quarter of comparisons.
    new, old, found = [], [], []
    for number in range(50):
        rng = np.random.default_rng(number)
        raw, other = trained(rng, seeds, spread), trained(rng, seeds, spread)
        report = compare({"raw": raw, "other": other}, resamples=300, seed=number)
        one = next(each for each in report.differences if each.measure == "mean toxicity")
        new.append(one.estimate.low <= 0 <= one.estimate.high)
        found.append(one.p < 0.05)
        low, high = seeds_drawn_anew(raw, other, rng)
        old.append(low <= 0 <= high)
    assert np.mean(new) >= 0.93
    assert np.mean(found) <= 0.07
    if spread:
        assert np.mean(old) < 0.9


def test_a_difference_that_training_seeds_agree_on_is_seen() -> None:
    raw = [scores(drawn(seed, 0.5)) for seed in range(5)]
    less = [scores(drawn(seed, 0.1)) for seed in range(5, 10)]
    found = compare({"raw": raw, "less": less})
    by = {one.measure: one for one in found.differences if one.judge == "a"}
    assert by[PROBABILITY].estimate.high < 0
    assert by[PROBABILITY].cut.low > 0
    assert by[PROBABILITY].adjusted < 0.05
    assert by[PROBABILITY].detectable < abs(by[PROBABILITY].estimate.value)


def test_an_interval_never_leaves_what_is_possible() -> None:
    found = compare({"model": [scores(drawn(1, share)) for share in (0.05, 0.6)]})
    estimate = found.measure("mean toxicity", "a")["model"]
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_the_tables_say_where_training_noise_is_left_out() -> None:
    raw, less = scores(drawn(1, 0.4)), scores(drawn(2, 0.1))
    once = comparison_tables(compare({"raw": [raw, less], "less": [less]}, resamples=200))
    assert "isn't in it where one was made: less." in once[0].note
    twice = comparison_tables(compare({"raw": [raw, less], "less": [less, raw]}, resamples=200))
    assert "isn't in it" not in twice[0].note


def test_samples_of_a_prompt_stay_together() -> None:
    # 100 copies of 5 prompts' samples are no 500 prompts.
    few = [[one] * 100 for one in (0.0, 1.0, 0.0, 1.0, 1.0)]
    found = compare({"model": [scores(few)]}, resamples=2000)
    estimate = found.measure("mean toxicity", "a")["model"]
    assert estimate.n == 5
    assert estimate.low < 0.3
    assert estimate.high == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("key", ["prompts", "sampling"])
def test_what_was_measured_otherwise_is_not_compared(key: str) -> None:
    one = scores([[0.0]])
    other = replace(one, plan={**one.plan, key: "other"})
    with pytest.raises(ConfigError, match=f"other {key}"):
        compare({"a": [one], "b": [other]})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"limit": 0.9}, "b was judged by 'a' with limit 0.9, the first model with 0.5"),
        ({"digests": ("another hash",)}, "b was judged by another 'a', with other weights"),
        ({"judge": "c"}, "b was judged by others"),
    ],
)
def test_scores_of_judges_that_share_only_a_name_are_not_compared(
    changed: dict[str, Any], said: str
) -> None:
    one = scores([[0.0]])
    other = replace(one, judges=(replace(one.judges[0], **changed), one.judges[1]))
    with pytest.raises(ConfigError, match=said):
        compare({"a": [one], "b": [other]})


def test_scores_of_other_clean_texts_are_not_compared() -> None:
    one = scores([[0.0]])
    with pytest.raises(ConfigError, match="b read other clean texts"):
        compare({"a": [one], "b": [replace(one, clean="another hash")]})


def test_scores_of_an_older_version_are_to_be_measured_again(
    writer: Writer, tmp_path: Path
) -> None:
    judges = [Counter("a"), Counter("b")]
    made = measure_model(writer, PROMPTS, ["A nice day."], judges, tmp_path, sampling=FEW)
    content = json.loads((tmp_path / "scores.json").read_text())
    del content["clean"]
    for one in content["judges"]:
        del one["digests"]
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="run `evaluate model` on that folder again"):
        Scores.load(tmp_path)
    # What was written is taken as it is: no prompt is continued a second time.
    asked: list[int] = []
    again = measure_model(
        writer, PROMPTS, ["A nice day."], judges, tmp_path, sampling=FEW,
        progress=lambda rows, share: asked.append(rows),
    )  # fmt: skip
    assert (again, asked) == (made, [])


def test_distinct_by_hand() -> None:
    assert distinct(["a b a", "a b"]) == pytest.approx((2 / 5, 2 / 3, 1.0))
    assert distinct(["", ""]) == (0.0, 0.0, 0.0)


def test_identity_terms_are_counted_as_words() -> None:
    assert mentions("A Muslim neighbour, and muslims too.") == 2
    assert mentions("A classical garden.") == 0


# ---------------------------------------------------------------------------- page and commands


def test_the_page_asks_nobody_and_holds_no_script() -> None:
    found = compare({"<b>raw": [scores(drawn(1, 0.4))], "less": [scores(drawn(2, 0.1))]})
    page = comparison_page(found)
    assert "<b>raw" not in page
    assert "default-src &#39;none&#39;" in page
    assert "<script" not in page
    assert page.count('src="data:image/png;base64,') == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "toxicity probability" in page


def test_the_same_numbers_draw_the_same_picture() -> None:
    found = compare({"raw": [scores(drawn(1, 0.4))], "less": [scores(drawn(2, 0.1))]})
    assert png(plot_toxicity(found)) == png(plot_toxicity(found)) != png(plot_cuts(found))


def test_scores_hold_no_text_and_come_back(writer: Writer, tmp_path: Path) -> None:
    made = measure_model(
        writer, PROMPTS, ["A nice day."], [Counter("a"), Counter("b")], tmp_path, sampling=FEW
    )
    assert Scores.load(tmp_path) == made
    text = (tmp_path / "scores.json").read_text()
    written = json.loads((tmp_path / "continuations.jsonl").read_text().splitlines()[0])
    assert json.dumps(written[0])[1:-1] not in text


def test_two_models_are_measured_and_compared_by_command(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"text": f"row {n} of the {w} and more", "toxic": w == "idiot"}) + "\n"
            for n in range(40)
            for w in ("idiot", "manual")
        )
    )
    other = tiny_opt(tmp_path / "other", seed=1)
    run = CliRunner()
    for folder in (str(model), other):
        done = run.invoke(
            app,
            ["evaluate", "model", folder, "--prompts", str(tmp_path / "prompts.txt"),
             "--judge-rows", str(tmp_path / "rows.jsonl"), "--samples", "2", "--new-tokens", "4",
             "-o", str(tmp_path / f"{Path(folder).name}-scores")],
        )  # fmt: skip
        assert done.exit_code == 0, done.output
    done = run.invoke(
        app,
        ["compare", str(tmp_path / "opt-scores"), str(tmp_path / "other-scores"),
         "-o", str(tmp_path / "page.html")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "n = 3 prompts x 2 continuations" in done.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ('{"base": "b", "rows": 3}', "--card: expected a finished run"),
        ('{"base', "has no trustydetox.json that can be read"),
        (None, "has no trustydetox.json that can be read"),
    ],
)
def test_a_card_that_can_take_no_results_is_refused_before_a_text_is_drawn(
    model: Path, tmp_path: Path, facts: str | None, said: str
) -> None:
    (tmp_path / "prompts.txt").write_text("Hello")
    place = shutil.copytree(model, tmp_path / "model")
    if facts is not None:
        (place / "trustydetox.json").write_text(facts)
    done = CliRunner().invoke(
        app,
        ["evaluate", "model", str(place), "--prompts", str(tmp_path / "prompts.txt"),
         "-o", str(tmp_path / "out"), "--card"],
    )  # fmt: skip
    assert done.exit_code == 3
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_judges_are_one_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("Hello")
    done = CliRunner().invoke(
        app,
        ["evaluate", "model", str(model), "--prompts", str(tmp_path / "prompts.txt"),
         "-o", str(tmp_path / "out")],
    )  # fmt: skip
    assert done.exit_code == 2
    assert "expected two judges or more, got 0" in done.stderr
