"""Cleaned data in TRL's real trainers, with a tiny random model made on the spot."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from datasets import Dataset, load_dataset
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

import trustydetox
from tests.fakes import detoxifier
from tests.readme import README, ROOT, blocks
from trustydetox import Cleaned, DetoxConfig, clean_dataset
from trustydetox.corpus import make_pairs

trl: Any = import_module("trl")  # which hides what it exports from type checkers

# Of transformers' own making, on every training run.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

KIND = [
    "Thanks, the second answer fixed my build.",
    "You could try the other branch first.",
    "It is on page two of the manual.",
]
RUDE = [
    "Read the manual, you stupid idiot, it is on page two.",
    "Nobody asked you, moron.",
]
CHATS = [
    {
        "messages": [
            {"role": "system", "content": "You answer questions."},
            {"role": "user", "content": f"How do I do step {n}?"},
            {"role": "assistant", "content": (RUDE if n % 3 == 0 else KIND)[n % 2]},
        ],
        "source": n,
    }
    for n in range(36)
]
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place whose cache of `datasets` no other test sees."""
    place = tmp_path_factory.mktemp("trl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", place / "cache")
        yield place


@pytest.fixture(scope="module")
def cleaned(home: Path) -> Cleaned:
    """The chats, cleaned by the shipped recipe, with a run folder."""
    return clean_dataset(Dataset.from_list(CHATS), run=home / "run")


@pytest.fixture
def tokenizer() -> Any:
    """One token per byte, and a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={one: at for at, one in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<pad>"), AddedToken("</s>")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="</s>", eos_token="</s>"
    )
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The folder of an OPT with random weights."""
    torch.manual_seed(0)
    made = OPTForCausalLM(
        OPTConfig(
            vocab_size=258,
            hidden_size=16,
            word_embed_proj_dim=16,
            ffn_dim=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=256,
            pad_token_id=256,
            bos_token_id=257,
            eos_token_id=257,
        )
    )
    made.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def options(place: Path) -> dict[str, Any]:
    return {
        "output_dir": str(place / "out"),
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
    }


def losses(trainer: Any) -> list[float]:
    """The loss of each step, after training."""
    trainer.train()
    return [one["loss"] for one in trainer.state.log_history if "loss" in one]


def answers(rows: Any) -> list[str]:
    return [row["messages"][-1]["content"] for row in rows]


def test_a_cleaned_chat_dataset_trains(
    cleaned: Cleaned, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    assert cleaned.counts.read == cleaned.counts.written == 36
    assert cleaned.counts.rewritten == 12
    assert set(answers(cleaned.dataset)) & set(RUDE) == set()
    assert set(answers(CHATS)) & set(RUDE) == set(RUDE)
    trainer = trl.SFTTrainer(
        model,
        args=trl.SFTConfig(**options(tmp_path)),
        train_dataset=cleaned.dataset,
        processing_class=tokenizer,
    )
    text = "".join(tokenizer.decode(row["input_ids"]) for row in trainer.train_dataset)
    assert "How do I do step 35?" in text
    assert "idiot" not in text
    assert len(losses(trainer)) == 2


@pytest.mark.needs("trl")
def test_two_thousand_chats_train_whole_streamed_and_as_preferences(
    home: Path, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    chats = Dataset.from_list([{**CHATS[n % 36], "source": n} for n in range(2000)])
    given: dict[str, Any] = {"recipe": detoxifier()}
    cleaned = clean_dataset(chats, **given, run=home / "many")
    streamed = clean_dataset(chats.to_iterable_dataset(), **given)
    assert cleaned.counts.written == 2000
    make_pairs(home / "many", tmp_path / "pairs.jsonl")
    pairs = load_dataset("json", data_files=str(tmp_path / "pairs.jsonl"), split="train")
    assert len(pairs) == cleaned.counts.rewritten == 667
    for kind, rows in (("SFT", cleaned.dataset), ("SFT", streamed.dataset), ("DPO", pairs)):
        trainer = getattr(trl, f"{kind}Trainer")(
            model,
            args=getattr(trl, f"{kind}Config")(**options(tmp_path)),
            train_dataset=rows,
            processing_class=tokenizer,
        )
        assert len(losses(trainer)) == 2


def test_the_same_chats_train_while_they_are_streamed(
    home: Path, cleaned: Cleaned, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    streamed = clean_dataset(Dataset.from_list(CHATS).to_iterable_dataset())
    assert streamed.counts.read == 0
    trainer = trl.SFTTrainer(
        model,
        args=trl.SFTConfig(**options(tmp_path)),
        train_dataset=streamed.dataset,
        processing_class=tokenizer,
    )
    assert len(losses(trainer)) == 2
    assert answers(streamed.dataset) == answers(cleaned.dataset)
    assert streamed.counts == cleaned.counts


@pytest.mark.parametrize("roles", ["", "user=rewrite"])
def test_what_a_preference_begins_with_stays_its_prompt(home: Path, roles: str) -> None:
    turns = [
        {"role": "user", "content": "Come here, idiot."},
        {"role": "assistant", "content": "You idiot."},
        {"role": "user", "content": "And now?"},
    ]
    answers = {
        name: [*turns, {"role": "assistant", "content": f"{said}, you idiot."}]
        for name, said in (("chosen", "Later"), ("rejected", "Never"))
    }
    cleaned = clean_dataset(Dataset.from_list([answers]), recipe=detoxifier(), roles=roles)
    row = trl.extract_prompt(cleaned.dataset[0])
    assert [len(row[name]) for name in ("prompt", "chosen", "rejected")] == [3, 1, 1]
    assert row["chosen"][0]["content"] == "Later, you."
    assert row["rejected"][0]["content"] == "Never, you idiot."
    assert row["prompt"][0]["content"] == ("Come here,." if roles else "Come here, idiot.")


@pytest.mark.parametrize("is_stream", [False, True])
def test_what_two_texts_of_a_preference_begin_with_stays_their_prompt(
    home: Path, is_stream: bool
) -> None:
    turns = "\n\nHuman: Come here, idiot.\n\nAssistant:"
    answers = {"chosen": f"{turns} Later, moron.", "rejected": f"{turns} Never, moron."}
    given: Any = Dataset.from_list([answers])
    cleaned = clean_dataset(
        given.to_iterable_dataset() if is_stream else given, recipe=detoxifier()
    )
    row = trl.extract_prompt(next(iter(cleaned.dataset)))
    assert row == {
        "prompt": turns.replace(" idiot", ""),
        "chosen": " Later,.",
        "rejected": " Never, moron.",
    }


def test_the_mended_answers_train_as_preferences(
    home: Path, cleaned: Cleaned, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    counts = make_pairs(home / "run", tmp_path / "pairs.jsonl")
    assert (counts.written, counts.left_out) == (12, {})
    pairs = load_dataset("json", data_files=str(tmp_path / "pairs.jsonl"), split="train")
    assert pairs[0]["prompt"] == CHATS[0]["messages"][:2]  # type: ignore[index]
    assert pairs[0]["rejected"] == [{"role": "assistant", "content": RUDE[0]}]
    assert pairs[0]["chosen"][0]["content"] == answers(cleaned.dataset)[0]
    trainer = trl.DPOTrainer(
        model,
        args=trl.DPOConfig(**options(tmp_path)),
        train_dataset=pairs,
        processing_class=tokenizer,
    )
    assert len(losses(trainer)) == 2


def test_pairs_of_plain_texts_train_as_preferences(
    home: Path, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    rows = Dataset.from_dict({"text": ["you idiot, go", "idiot says who", "fine"] * 4})
    clean_dataset(rows, recipe=detoxifier(), run=tmp_path / "run")
    assert make_pairs(tmp_path / "run", tmp_path / "pairs.jsonl").written == 8
    pairs = load_dataset("json", data_files=str(tmp_path / "pairs.jsonl"), split="train")
    assert pairs[0] == {"prompt": "you", "chosen": ", go", "rejected": " idiot, go"}
    assert pairs[1] == {"prompt": "", "chosen": " says who", "rejected": "idiot says who"}
    trainer = trl.DPOTrainer(
        model,
        args=trl.DPOConfig(**options(tmp_path)),
        train_dataset=pairs,
        processing_class=tokenizer,
    )
    assert len(losses(trainer)) == 2


RECIPES = blocks(README.read_text("utf-8"), "python")


@pytest.mark.parametrize("recipe", RECIPES, ids=["SFT", "DPO", "GRPO", "script"])
def test_the_recipes_of_the_readme_run(
    home: Path,
    cleaned: Cleaned,
    model: str,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sft.py", "--config", "sft.yaml"])
    tokenizer.save_pretrained(model)
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CHATS[:4]))
    Path("sft.yaml").write_text(
        "datasets:\n- path: json\n  data_files: chats.jsonl\n"
        f"model_name_or_path: {model}\nmax_steps: 2\n"
        "output_dir: out\nuse_cpu: true\nbf16: false\n"
    )
    make_pairs(home / "run", "pairs.jsonl")
    trainer = next((one for one in ("DPO", "GRPO") if f"{one}Trainer" in recipe), "SFT")
    few = {"num_generations": 2, "max_completion_length": 4} if trainer == "GRPO" else {}
    words = set(re.findall(r"\w+", recipe))
    names: dict[str, Any] = {name: getattr(trl, name) for name in words & set(trl.__all__)}
    names |= {
        "load_dataset": load_dataset,
        "trustydetox": trustydetox,
        "model": model,
        "args": getattr(trl, f"{trainer}Config")(**options(tmp_path), **few),
        "prompts": Dataset.from_dict({"prompt": ["Say it, you idiot.", "Tell me."]}),
    }
    exec(recipe, names)
    if "asked" in names:
        assert names["asked"]["prompt"][0] == "Say it."
    if "chats" in names:
        assert set(answers(names["chats"])) & set(RUDE) == set()
    if "cleaned" in names:
        assert names["cleaned"].counts.read == 4


def test_the_reward_of_the_readme_takes_conversations(
    home: Path, model: str, tokenizer: Any, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(model)
    few = {"num_generations": 2, "max_completion_length": 4}
    asking = [[{"role": "user", "content": text}] for text in ("Say it, you idiot.", "Tell me.")]
    names: dict[str, Any] = {
        "GRPOTrainer": trl.GRPOTrainer,
        "trustydetox": trustydetox,
        "model": model,
        "args": trl.GRPOConfig(**options(tmp_path), **few),
        "prompts": Dataset.from_dict({"prompt": asking}),
    }
    exec(next(recipe for recipe in RECIPES if "GRPOTrainer" in recipe), names)
    assert names["asked"]["prompt"][0] == [{"role": "user", "content": "Say it."}]


def test_the_whole_script_of_the_docs_runs_with_its_settings(
    home: Path,
    model: str,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "fine-tuner.md").read_text("utf-8")
    [script] = [block for block in blocks(page, "python") if "TrlParser" in block]
    [settings] = [block for block in blocks(page, "yaml") if "model_name_or_path" in block]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sft.py", "--config", "sft.yaml"])
    tokenizer.save_pretrained(model)
    Path(model).rename("my-base")
    Path("rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in RUDE * 2))
    Path("sft.yaml").write_text(f"{settings}max_steps: 2\n")
    exec(script, {"__name__": "__main__"})
    assert "rewritten=4" in capsys.readouterr().out
    assert (tmp_path / "tuned" / "model.safetensors").exists()
    assert (tmp_path / "tuned.detox" / "train" / "report.html").exists()


# -------------------------------------------------------------------------------- TrlParser


def parsed(*args: str) -> tuple[Any, ...]:
    beside = (trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig, trl.DatasetMixtureConfig)
    return tuple(trl.TrlParser((*beside, DetoxConfig)).parse_args_and_config(list(args)))


def test_the_settings_stand_beside_those_of_trl(tmp_path: Path) -> None:
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CHATS))
    config = tmp_path / "sft.yaml"
    config.write_text(
        "datasets:\n"
        "  - path: json\n"
        f"    data_files: {tmp_path / 'chats.jsonl'}\n"
        "output_dir: out\n"
        "use_cpu: true\n"
        "bf16: false\n"
        "detox_threshold: 0.6\n"
        "detox_fields: [messages]\n"
    )
    *_, mixture, detox = parsed(
        "--config", str(config), "--detox_roles", "user=rewrite", "--detox_fallback", "keep"
    )
    assert detox == DetoxConfig(
        detox_threshold=0.6,
        detox_fallback="keep",
        detox_fields=["messages"],
        detox_roles="user=rewrite",
    )
    assert mixture.datasets[0].path == "json"


def test_without_settings_they_are_those_of_clean_dataset() -> None:
    assert parsed("--output_dir", "out", "--use_cpu", "--bf16", "false")[-1] == DetoxConfig()


def test_the_settings_clean_what_the_script_loads(home: Path, tmp_path: Path) -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "fake.yaml"
    (tmp_path / "rows.jsonl").write_text('{"text": "you idiot"}\n{"text": "fine"}\n')
    (tmp_path / "sft.yaml").write_text(
        f"datasets:\n  - path: json\n    data_files: {tmp_path / 'rows.jsonl'}\n"
        f"detox_recipe: {recipe}\ndetox_run: {tmp_path / 'run'}\n"
        "output_dir: out\nuse_cpu: true\nbf16: false\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(recipe.parent / "plugin"))
        *_, mixture, detox = parsed("--config", str(tmp_path / "sft.yaml"))
        cleaned = detox.clean(trl.get_dataset(mixture))
    assert cleaned.dataset["train"]["text"][:] == ["you", "fine"]
    assert (tmp_path / "run" / "train" / "records.jsonl").exists()
