"""QLoRA fine-tuning with TRL's real trainer and real 4-bit weights, on an OPT made on the spot."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    TrainerCallback,
)
from typer.testing import CliRunner

from tests.networks import tiny_gemma3, tiny_gpt2, tiny_opt
from tests.pretrained import llama
from trustydetox.cli import app
from trustydetox.errors import ConfigError, ConflictError, InputError, ModelError
from trustydetox.evaluation import Sampling, load_writer
from trustydetox.training import build_trainer, merge_adapter, read_settings
from trustydetox.training.sft import exporting, finetuning, preflight
from trustydetox.training.sft import settings as sft_settings
from trustydetox.training.sft.cards import add_results, write_card
from trustydetox.training.sft.exporting import _made_whole, _stream
from trustydetox.training.sft.finetuning import compare_logits, finetune, train
from trustydetox.training.sft.settings import KEPT_WHOLE, SftSettings

# Of transformers' and bitsandbytes' own making, on every training run.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TEXTS = ["The second answer fixed my build.", "It is on page two of the manual.", "Try again."]
ROWS = {"text": TEXTS * 4}
FAST = [
    "--use_cpu", "--max_steps", "2", "--max_length", "32", "--logging_steps", "1",
    "--report_to", "none", "--disable_tqdm", "true", "--gradient_checkpointing", "false",
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_opt(tmp_path_factory.mktemp("base"))


def settings(base: str, out: Path, *options: str) -> Any:
    given = ["--model_name_or_path", base, "--output_dir", str(out), *FAST, *options]
    return read_settings("opt-350m-qlora", given)


@dataclass(frozen=True, kw_only=True)
class SplitRows(SftSettings):
    """Settings whose rows are in splits already."""

    split: Any

    def rows(self) -> Any:
        return self.split


def trainer(base: str, out: Path, rows: Any = None, *options: str, **passed: Any) -> Any:
    chosen = settings(base, out, "--save_strategy", "no", *options)
    return build_trainer(
        base,
        Dataset.from_dict(ROWS) if rows is None else rows,
        args=chosen.args,
        quantization_config=chosen.quantization,
        peft_config=chosen.lora,
        **passed,
    )


# ---------------------------------------------------------------------------------- settings


def test_the_preset_is_the_notebooks_with_the_layer_that_opt_has(base: str, tmp_path: Path) -> None:
    found = read_settings("opt-350m-qlora", ["--use_cpu"])
    assert found.base == "facebook/opt-350m"
    lora = found.lora
    assert (lora.r, lora.lora_alpha, lora.lora_dropout, lora.bias) == (64, 16, 0.1, "none")
    assert lora.target_modules == {"q_proj", "k_proj", "v_proj", "out_proj"}
    args = found.args
    assert (args.num_train_epochs, args.learning_rate, args.max_grad_norm) == (5, 1e-4, 0.3)
    assert (args.lr_scheduler_type, args.warmup_steps, args.max_length) == ("cosine", 0.03, 512)
    assert (args.per_device_train_batch_size, args.seed, args.report_to) == (1, 42, [])
    bits = found.quantization
    assert (bits.bnb_4bit_quant_type, bits.bnb_4bit_use_double_quant) == ("nf4", True)
    assert bits.llm_int8_skip_modules == ["lm_head", "project_in", "project_out"]
    assert found.detox.detox_recipe == "mini"


def test_an_option_wins_over_the_yaml(base: str, tmp_path: Path) -> None:
    assert settings(base, tmp_path, "--learning_rate", "0.5").args.learning_rate == 0.5


@pytest.mark.parametrize(
    ("line", "said"), [("learning_rat: 1", "did you mean 'learning_rate'"), ("zzz: 1", "zzz")]
)
def test_a_setting_that_nobody_reads_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "my.yaml").write_text(line)
    with pytest.raises(ConfigError, match=said):
        read_settings(tmp_path / "my.yaml")


def test_an_option_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'detox_threshold'"):
        read_settings("opt-350m-qlora", ["--detox_treshold", "0.6"])


def test_an_unknown_preset_is_refused_with_the_near_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'opt-350m-qlora'"):
        read_settings("opt-350-qlora")


def test_rows_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.doc").write_text("x")
    with pytest.raises(InputError, match=r"\.jsonl"):
        read_settings("opt-350m-qlora", ["--use_cpu"], rows=tmp_path / "rows.doc")


def test_rows_that_are_no_json_are_one_error_without_their_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "hello')
    found = read_settings("opt-350m-qlora", ["--use_cpu"], rows=tmp_path / "rows.jsonl")
    with pytest.raises(InputError) as error:
        found.rows()
    assert "hello" not in str(error.value)


# --------------------------------------------------------------------------------- preflight


@pytest.mark.parametrize("name", ["rows[1].jsonl", "a*b.jsonl", "my rows.jsonl"])
def test_the_name_of_a_file_is_no_pattern(name: str, tmp_path: Path) -> None:
    for each in (name, "a b.jsonl", "rows1.jsonl"):
        (tmp_path / each).write_text(json.dumps({"text": each}) + "\n")
    rows = read_settings(options=["--use_cpu"], rows=tmp_path / name).rows()
    assert rows["train"]["text"][:] == [name]


def test_a_cpu_beside_a_gpu_gets_no_bfloat16_that_nobody_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(sft_settings, "has_bfloat16", lambda device: device == "cuda")
    assert read_settings(options=["--use_cpu"]).args.bf16 is False
    assert read_settings(options=["--use_cpu", "--bf16", "true"]).args.bf16 is True
    monkeypatch.setattr(sft_settings, "has_bfloat16", lambda device: True)
    assert read_settings(options=["--use_cpu"]).args.bf16 is True


def test_a_lora_target_that_matches_nothing_is_refused(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'o_proj' matches no layer; the base has: .*out_proj"):
        trainer(base, tmp_path, None, "--lora_target_modules", "q_proj", "o_proj")


def test_a_single_lora_target_is_the_end_of_a_path(base: str, tmp_path: Path) -> None:
    # TRL makes a str of a list with one name, and peft reads that as a pattern for whole paths.
    made = trainer(base, tmp_path, None, "--lora_target_modules", "q_proj")
    targets = {name.split(".")[-4] for name, _ in made.model.named_parameters() if "lora_A" in name}
    assert targets == {"q_proj"}


def test_a_single_lora_pattern_stays_a_pattern(base: str, tmp_path: Path) -> None:
    made = trainer(base, tmp_path, None, "--lora_target_modules", r".*\.0\.fc[12]")
    targets = {name.split(".")[-4] for name, _ in made.model.named_parameters() if "lora_A" in name}
    assert targets == {"fc1", "fc2"}
    assert settings(base, tmp_path, "--lora_target_modules", "all-linear").lora.target_modules == (
        "all-linear"
    )


def test_a_pattern_that_matches_nothing_is_refused_as_a_pattern(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a pattern for a layer's whole path, matches none"):
        trainer(base, tmp_path, None, "--lora_target_modules", r".*o_proj\d")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--use_dora", "true"], "use_dora"),
        (["--lora_modules_to_save", "lm_head"], "lora_modules_to_save"),
        (["--lora_target_parameters", "fc1.weight"], "lora_target_parameters"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused_before_it_is_trained(
    tmp_path: Path, options: list[str], said: str
) -> None:
    # The base isn't there: what is refused is refused before it is looked for.
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=rf"an adapter with {said} can't be merged.*--no-merge"):
        run(nowhere, tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelError, match="nowhere"):
        train(
            settings(nowhere, tmp_path / "out", *options),
            Dataset.from_dict(ROWS),
            {"detox": None},
            merge=False,
        )


CHATS = {
    "messages": [[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes."}]] * 4
}


def chat(base: str, place: Path) -> tuple[str, ...]:
    """Options for a chat template that has a token of its own."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<turn>"])
    tokenizer.chat_template = "{% for one in messages %}<turn>{{ one.content }}{% endfor %}"
    tokenizer.save_pretrained(place)
    return "--chat_template_path", str(place), "--load_in_4bit", "false"


def test_a_chat_template_with_tokens_of_its_own_is_refused_before_training(tmp_path: Path) -> None:
    base = llama(tmp_path / "base")
    options = (*chat(base, tmp_path / "chat"), "--lora_target_modules", "q_proj")
    with pytest.raises(ConfigError, match=r"chat_template_path of a model with other.*--no-merge"):
        train(settings(base, tmp_path / "out", *options), Dataset.from_dict(CHATS), {"detox": None})


# What peft says when it saves the new embedding with the adapter.
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_an_adapter_with_tokens_of_its_own_is_trained_alone_and_read_again(tmp_path: Path) -> None:
    base = llama(tmp_path / "base")
    # In bfloat16, where a processor has it, what is read again in float32 says it less closely.
    options = (*chat(base, tmp_path / "chat"), "--lora_target_modules", "q_proj", "--bf16", "false")
    made = trainer(base, tmp_path / "out", Dataset.from_dict(CHATS), *options)
    made.train()
    made.save_model(str(tmp_path / "out"))
    writer = load_writer(tmp_path / "out")
    ids = writer.tokenizer("<turn>you are nice").input_ids
    assert writer.tokenizer.convert_tokens_to_ids("<turn>") in ids
    assert compare_logits(logits(made.model, [ids]), writer.model, [ids]).largest < 1e-5
    assert len(writer.write("<turn>you are", Sampling(samples=2, new_tokens=3), 0)) == 2


# Of the tokens that TRL lets be trained; they are refused for it here.
@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings=True.")
@pytest.mark.filterwarnings("ignore:Unsupported layer type")
@pytest.mark.parametrize("merge", [True, False])
def test_tokens_of_its_own_on_a_base_whose_head_is_its_embedding_are_refused_before_training(
    base: str, tmp_path: Path, merge: bool
) -> None:
    found = settings(base, tmp_path / "out", *chat(base, tmp_path / "chat"))
    with pytest.raises(ConfigError, match=r"whose head is its embedding: name .* \.jinja file"):
        train(found, Dataset.from_dict(CHATS), {"detox": None}, merge=merge)


def test_a_wrong_column_is_refused(base: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"txt": TEXTS})
    with pytest.raises(InputError, match=r"no column 'text'.*did you mean 'txt'"):
        trainer(base, tmp_path, rows)


def test_no_rows_are_refused(base: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows to train on"):
        trainer(base, tmp_path, Dataset.from_dict({"text": []}))


def test_one_row_is_enough(base: str, tmp_path: Path) -> None:
    assert len(trainer(base, tmp_path, Dataset.from_dict({"text": TEXTS[:1]})).train_dataset) == 1


def test_conversations_without_a_template_are_refused(base: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"messages": [[{"role": "user", "content": "Hello."}]]})
    with pytest.raises(ConfigError, match="chat_template_path"):
        trainer(base, tmp_path, rows)


def test_prompts_that_fill_the_length_are_refused(base: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"prompt": ["x" * 40], "completion": ["yes"]})
    with pytest.raises(ConfigError, match="after truncation to 32 tokens"):
        trainer(base, tmp_path, rows)


def test_rows_longer_than_the_base_can_read_are_refused(base: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["short", "a" * 300]})
    with pytest.raises(ConfigError, match="at most 256 tokens, and the longest row has 301"):
        trainer(base, tmp_path / "out", rows, "--max_length", "512")
    trainer(base, tmp_path / "out", rows, "--max_length", "256").train()
    # Rows that a collator makes tokens of have no length yet.
    chosen = settings(base, tmp_path / "out", "--save_strategy", "no")
    chosen.args.dataset_kwargs = {"skip_prepare_dataset": True}
    build_trainer(base, rows, args=chosen.args, peft_config=chosen.lora, data_collator=list)
    # Rotary positions have no end.
    rotary = llama(tmp_path / "base")
    limited = AutoConfig.from_pretrained(rotary, max_position_embeddings=256)
    limited.save_pretrained(rotary)
    options = ("--max_length", "512", "--lora_target_modules", "q_proj", "--load_in_4bit", "false")
    trainer(rotary, tmp_path / "out", rows, *options).train()


def test_a_tokenizer_of_another_base_is_refused(base: str, tmp_path: Path) -> None:
    other = AutoTokenizer.from_pretrained(base)
    other.add_tokens([f"<{n}>" for n in range(9)])
    with pytest.raises(ConfigError, match="267 tokens, the base embeds 258"):
        trainer(base, tmp_path, processing_class=other)


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        trainer(str(tmp_path / "nowhere"), tmp_path)


@pytest.mark.parametrize("native", [True, False])
def test_bf16_is_refused_on_a_cpu_that_emulates_it(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(preflight, "has_bfloat16", lambda device: native)
    if native:
        assert trainer(base, tmp_path, None, "--bf16", "true").args.bf16
    else:
        with pytest.raises(ConfigError, match="bf16 on a CPU"):
            trainer(base, tmp_path, None, "--bf16", "true")


# --------------------------------------------------------------------------------- the trainer


def test_the_base_is_in_four_bits_but_for_head_and_projections(base: str, tmp_path: Path) -> None:
    made = trainer(base, tmp_path)
    kinds = {name: type(module).__name__ for name, module in made.model.named_modules()}
    four = {name.rpartition(".")[2] for name, kind in kinds.items() if "4bit" in kind}
    assert {"fc1", "fc2", "base_layer"} <= four
    assert not four & set(KEPT_WHOLE)
    targets = {name.split(".")[-4] for name, _ in made.model.named_parameters() if "lora_A" in name}
    assert targets == {"q_proj", "k_proj", "v_proj", "out_proj"}


def test_what_the_trainer_takes_is_passed_through(base: str, tmp_path: Path) -> None:
    class Seen(TrainerCallback):
        steps = 0

        def on_step_end(self, *args: Any, **others: Any) -> None:
            Seen.steps += 1

    made = trainer(
        base,
        tmp_path,
        Dataset.from_dict({"words": TEXTS}),
        callbacks=[Seen()],
        formatting_func=lambda row: row["words"].upper(),
    )
    made.train()
    assert Seen.steps == 2
    shown = made.processing_class.decode(made.train_dataset[0]["input_ids"])
    assert shown == "THE SECOND ANSWER FIXED MY BUILD"[:32]


def losses(made: Any) -> list[float]:
    made.train()
    return [entry["loss"] for entry in made.state.log_history if "loss" in entry]


@pytest.mark.parametrize("native", [True, False])
def test_an_adapter_is_in_bfloat16_only_where_that_is_multiplied(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(finetuning, "has_bfloat16", lambda device: native)
    made = trainer(base, tmp_path)
    kinds = {weight.dtype for weight in made.model.parameters() if weight.requires_grad}
    assert kinds == {torch.bfloat16 if native else torch.float32}
    assert all(map(isfinite, losses(made)))
    # Where nothing is quantised TRL changes no type, and neither do we.
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    args = settings(base, tmp_path, "--save_strategy", "no").args
    kept = build_trainer(whole, Dataset.from_dict(ROWS), args=args).model
    assert {weight.dtype for weight in kept.parameters()} == {torch.bfloat16}


def test_it_trains_as_a_plain_trainer_does(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where it isn't, the adapter's type is the one difference.
    monkeypatch.setattr(finetuning, "has_bfloat16", lambda device: True)
    from transformers import set_seed
    from trl import SFTTrainer

    rows = Dataset.from_dict(ROWS)
    found = []
    for seed in (42, 42, 7):
        set_seed(seed)
        chosen = settings(base, tmp_path, "--save_strategy", "no", "--seed", str(seed))
        plain = SFTTrainer(
            base,
            args=chosen.args,
            train_dataset=rows,
            quantization_config=chosen.quantization,
            peft_config=chosen.lora,
        )
        found.append(losses(plain))
    set_seed(42)
    ours = losses(trainer(base, tmp_path))
    assert ours == found[0] == found[1]
    assert ours != found[2]


# ------------------------------------------------------------------------------------- export


@pytest.fixture(scope="module")
def four_bit() -> BitsAndBytesConfig:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=list(KEPT_WHOLE),
    )


@pytest.fixture(scope="module")
def adapter(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter with weights as large as training makes them."""
    out = tmp_path_factory.mktemp("adapter")
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "out_proj", "fc1"],
                   task_type="CAUSAL_LM"),
    )  # fmt: skip
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    model.save_pretrained(str(out))
    return out


def rows_of_tokens() -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(0, 256, (40,), generator=generator).tolist() for _ in range(3)]


def logits(model: Any, rows: list[list[int]]) -> list[Any]:
    model.eval()
    with torch.no_grad():
        several = [torch.tensor([ids], device=model.device) for ids in rows]
        return [model(input_ids=ids).logits.float().cpu() for ids in several]


@pytest.fixture(scope="module")
def as_trained(base: str, adapter: Path, four_bit: BitsAndBytesConfig) -> list[Any]:
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=four_bit)
    return logits(PeftModel.from_pretrained(model, str(adapter)), rows_of_tokens())


def test_the_merged_model_says_what_adapter_and_four_bits_said(
    adapter: Path, four_bit: BitsAndBytesConfig, as_trained: list[Any], tmp_path: Path
) -> None:
    merge_adapter(adapter, tmp_path / "merged", quantization=four_bit.to_dict())
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="float32")
    gap = compare_logits(as_trained, merged, rows_of_tokens())
    assert gap.tokens == 120
    assert gap.mean <= 2e-3
    assert not hasattr(merged.config, "quantization_config")


@pytest.mark.filterwarnings("ignore:Merge lora module to 4-bit")
def test_merging_in_four_bits_would_not(
    base: str, adapter: Path, four_bit: BitsAndBytesConfig, as_trained: list[Any]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=four_bit)
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    assert compare_logits(as_trained, merged, rows_of_tokens()).mean > 2e-3


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_an_adapter_of_a_whole_base_is_merged_as_peft_does(
    base: str, adapter: Path, tmp_path: Path, rank_stabilised: bool
) -> None:
    adapter = shutil.copytree(adapter, tmp_path / "adapter")
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_rslora": rank_stabilised}))
    merge_adapter(adapter, tmp_path / "merged", dtype="float32")
    model = AutoModelForCausalLM.from_pretrained(base)
    theirs = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert compare_logits(logits(theirs, rows_of_tokens()), ours, rows_of_tokens()).largest < 1e-5


def test_the_merged_folder_is_whole_and_asks_for_no_adapter(adapter: Path, tmp_path: Path) -> None:
    merge_adapter(adapter, tmp_path / "merged")
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "generation_config.json"} <= names
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    assert config["dtype"] == "float16"


def test_a_merged_model_generates_as_its_base_and_stops_where_it_was_trained_to(
    adapter: Path, base: str, tmp_path: Path
) -> None:
    # As Phi-3 has it: the configuration names one token that ends a text, this file all of them.
    place = Path(shutil.copytree(base, tmp_path / "base"))
    # Transformers reads a temperature without sampling, and refuses to write it.
    given = {"eos_token_id": [33, 34], "repetition_penalty": 1.1, "temperature": 0.9}
    (place / "generation_config.json").write_text(json.dumps(given))
    adapter = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    path = adapter / "adapter_config.json"
    named = json.loads(path.read_text()) | {"base_model_name_or_path": str(place)}
    path.write_text(json.dumps(named))
    merge_adapter(adapter, tmp_path / "merged")
    found = json.loads((tmp_path / "merged" / "generation_config.json").read_text())
    assert found == given | {"eos_token_id": [33, 34, 257]}
    # Without such a file it is what the configuration says.
    (place / "generation_config.json").unlink()
    merge_adapter(adapter, tmp_path / "plain")
    found = json.loads((tmp_path / "plain" / "generation_config.json").read_text())
    assert found["eos_token_id"] == 257


def renamed(adapter: Path, base: Path, place: Path) -> Path:
    """A copy of the adapter that names another base."""
    shutil.copytree(adapter, place)
    path = place / "adapter_config.json"
    named = json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}
    path.write_text(json.dumps(named))
    return place


@pytest.mark.parametrize("largest", ["1GB", "100KB"])
def test_only_the_files_that_a_base_is_made_of_are_merged(
    adapter: Path, base: str, tmp_path: Path, largest: str
) -> None:
    # As Mistral's and Llama's folders hold them: the same weights again under their makers' names.
    place = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(place, max_shard_size=largest)
    AutoTokenizer.from_pretrained(base).save_pretrained(place)
    assert (place / "model.safetensors").is_file() == (largest == "1GB")
    save_file({"layers.0.attention.wq.weight": torch.zeros(9)}, place / "consolidated.safetensors")
    merge_adapter(renamed(adapter, place, tmp_path / "adapter"), tmp_path / "merged")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert set(merged) == set(load_file(Path(base) / "model.safetensors"))


def adapted(base: str, targets: list[str], four_bit: BitsAndBytesConfig, out: Path) -> Any:
    """A base in four bits with an adapter that changes what it says, which `out` holds, too."""
    trained = AutoModelForCausalLM.from_pretrained(base, quantization_config=four_bit)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM")
    model = get_peft_model(trained, lora)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(str(out))
    return model


def test_transposed_layers_are_rounded_and_merged_as_they_were_trained(
    four_bit: BitsAndBytesConfig, tmp_path: Path
) -> None:
    base = tiny_gpt2(tmp_path / "base")
    model = adapted(base, ["c_attn", "c_proj"], four_bit, tmp_path / "adapter")
    merge_adapter(
        tmp_path / "adapter", tmp_path / "merged", quantization=four_bit.to_dict(), dtype="float32"
    )
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    whole = load_file(Path(base) / "model.safetensors")
    # Wide, and square, where the wrong way round fits as well.
    for layer in ("transformer.h.0.attn.c_attn", "transformer.h.1.attn.c_proj"):
        name = f"{layer}.weight"
        module: Any = model.get_submodule(f"base_model.model.{layer}")
        rounded_on_gpu = module.weight.is_cuda
        rounded = dequantize_4bit(module.weight.data, module.weight.quant_state).float().cpu()
        both = (part["default"].weight.detach().cpu() for part in (module.lora_B, module.lora_A))
        change = torch.matmul(*both) * 2.0
        # A GPU rounds one weight in two hundred to the next step of the four bits.
        near = torch.isclose(merged[name], (rounded + change).T, rtol=1e-5, atol=1e-5)
        assert float(near.float().mean()) >= (0.98 if rounded_on_gpu else 1.0)
        # Each of both counts: without one it would be off by far more.
        assert float((merged[name] - rounded.T).abs().mean()) > 0.01
        assert float((merged[name] - (whole[name] + change.T)).abs().mean()) > 0.001
        if layer.endswith("c_proj"):
            assert float((change - change.T).abs().mean()) > 0.01


# What bitsandbytes says of so narrow a network on a GPU.
@pytest.mark.filterwarnings("ignore:inner dimension")
def test_layers_that_the_files_name_otherwise_are_rounded_and_merged(
    four_bit: BitsAndBytesConfig, tmp_path: Path
) -> None:
    base = tiny_gemma3(tmp_path / "base")
    model = adapted(base, ["q_proj", "v_proj"], four_bit, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", tmp_path / "merged", quantization=four_bit.to_dict())
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="float32")
    before = logits(model, rows_of_tokens())
    assert compare_logits(before, merged, rows_of_tokens()).mean < 2e-3
    # Without the adapter, and without the rounding, it would be further off.
    with model.disable_adapter():
        rounded = logits(model, rows_of_tokens())
    whole = AutoModelForCausalLM.from_pretrained(base)
    assert compare_logits(rounded, merged, rows_of_tokens()).mean > 2e-2
    assert compare_logits(rounded, whole, rows_of_tokens()).mean > 2e-2


def test_nothing_is_written_over(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    with pytest.raises(ConflictError):
        merge_adapter(adapter, tmp_path / "merged")


def test_an_adapter_of_another_base_is_refused(adapter: Path, base: str, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "adapter")
    shutil.copytree(base, tmp_path / "base")
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    AutoModelForCausalLM.from_pretrained(tmp_path / "base").save_pretrained(tmp_path / "base")
    path = tmp_path / "adapter" / "adapter_config.json"
    named = json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "base")}
    path.write_text(json.dumps(named))
    with pytest.raises(ConfigError, match="adapter and base don't match"):
        merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def fill(out: Path, disk: str) -> None:
    with _made_whole(out) as part:
        (part / "model.safetensors").symlink_to(disk)
        _stream(part / "model.safetensors", {"a": (9,)}, iter([torch.zeros(9)]), "float16")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as error:
        fill(tmp_path / "out", "/dev/full")
    assert error.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
    fill(tmp_path / "out", "/dev/null")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# ------------------------------------------------------------------------------------ the run


def furthest(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


def run(base: str, out: Path, *options: str, said: list[str] | None = None) -> Path:
    lines = [] if said is None else said
    return train(
        settings(base, out, *options), Dataset.from_dict(ROWS), {"detox": None}, say=lines.append
    )


SAVED = ("--save_strategy", "steps", "--save_steps", "1", "--save_total_limit", "2")


@pytest.fixture(scope="module")
def done(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a checkpoint at each of its two steps."""
    return run(base, tmp_path_factory.mktemp("run") / "out", *SAVED)


def test_a_run_leaves_adapter_model_card_and_facts(done: Path) -> None:
    facts = json.loads((done / "trustydetox.json").read_text())
    assert facts["finished"] is True
    assert facts["training"]["steps"] == 2
    assert facts["export"]["logits"]["mean"] <= 2e-3
    assert len(facts["data"]) == 64
    card = (done / "README.md").read_text()
    assert facts["data"] in card
    assert "nothing was cleaned" in card
    assert not any(text in card for text in TEXTS)
    AutoModelForCausalLM.from_pretrained(done / "merged")
    assert not [path for folder in (done, done / "merged") for path in folder.glob("*.bin")]


def test_a_base_of_transposed_layers_is_trained_and_merged(tmp_path: Path) -> None:
    base = tiny_gpt2(tmp_path / "base")
    done = run(base, tmp_path / "out", "--lora_target_modules", "c_attn", "c_proj")
    found = json.loads((done / "trustydetox.json").read_text())["export"]["logits"]
    assert found["mean"] < 0.05  # bitsandbytes multiplies in bfloat16; the logits spread by 1.6
    AutoModelForCausalLM.from_pretrained(done / "merged")


def test_a_base_whose_files_name_its_layers_otherwise_is_trained_and_merged(tmp_path: Path) -> None:
    base = tiny_gemma3(tmp_path / "base")
    done = run(base, tmp_path / "out", "--lora_target_modules", "q_proj", "v_proj")
    merged = load_file(done / "merged" / "model.safetensors")
    assert set(merged) == set(load_file(Path(base) / "model.safetensors"))


def test_a_base_without_a_weight_to_merge_into_is_refused_before_training(
    base: str, tmp_path: Path
) -> None:
    place = shutil.copytree(base, tmp_path / "base")
    weights = load_file(place / "model.safetensors")
    del weights["model.decoder.layers.1.self_attn.q_proj.weight"]
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"no weight for model\.decoder\.layers\.1.*and 0 other"):
        run(str(place), tmp_path / "out", "--load_in_4bit", "false")
    assert not (tmp_path / "out" / "adapter_model.safetensors").exists()


def test_a_merged_model_that_says_something_else_is_not_left(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Merged into another base of the same shape.
    other = tiny_opt(tmp_path / "other", seed=1)
    monkeypatch.setattr(exporting, "find", lambda *names: Path(other))
    with pytest.raises(ModelError, match=r"logits are off by .* the adapter in .* is whole"):
        run(base, tmp_path / "out", "--save_strategy", "no")
    assert not (tmp_path / "out" / "merged").exists()
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    monkeypatch.undo()
    run(base, tmp_path / "out", "--save_strategy", "no")
    assert (tmp_path / "out" / "merged").is_dir()


def test_results_go_into_the_card(done: Path, tmp_path: Path) -> None:
    shutil.copy(done / "trustydetox.json", tmp_path)
    add_results(tmp_path, "| toxicity probability | 0.1 |")
    assert "| toxicity probability | 0.1 |" in (tmp_path / "README.md").read_text()


def test_a_finished_run_is_left_alone(base: str, done: Path) -> None:
    before = (done / "adapter_model.safetensors").stat().st_mtime_ns
    said: list[str] = []
    run(base, done, *SAVED, said=said)
    assert said == [f"{done} is finished already"]
    assert (done / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_the_same_settings_go_on_with_the_same_run(base: str, tmp_path: Path) -> None:
    chosen = settings(base, tmp_path, "--save_strategy", "no")
    said: list[str] = []
    for _ in range(2):
        train(chosen, Dataset.from_dict(ROWS), {"detox": None}, merge=False, say=said.append)
    assert said == [f"{tmp_path} is finished already"]


def test_a_run_on_other_weights_is_another_run(base: str, done: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base")
    copied = str(tmp_path / "base")
    out = run(copied, tmp_path / "out", "--save_strategy", "no")
    shutil.copy(Path(tiny_opt(tmp_path / "other", seed=5)) / "model.safetensors", copied)
    with pytest.raises(ConflictError, match="other weights"):
        run(copied, out, "--save_strategy", "no")


def test_what_was_not_merged_is_merged_later(base: str, done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    shutil.rmtree(out / "merged")
    before = (out / "adapter_model.safetensors").stat().st_mtime_ns
    said: list[str] = []
    run(base, out, *SAVED, said=said)
    assert said == [f"{out} is finished but for its merged model"]
    assert (out / "adapter_model.safetensors").stat().st_mtime_ns == before
    merged = [load_file(place / "merged" / "model.safetensors") for place in (done, out)]
    assert furthest(*merged) == 0.0
    assert "The merged model is" not in (out / "README.md").read_text()


def test_a_checkpoint_without_its_optimizer_is_not_gone_on_from(base: str, tmp_path: Path) -> None:
    saved = (*SAVED, "--save_only_model", "--learning_rate", "0.01")
    whole = run(base, tmp_path / "whole", *saved)
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoint-2")
    facts = json.loads((out / "trustydetox.json").read_text())
    (out / "trustydetox.json").write_text(json.dumps(facts | {"finished": False}))
    said: list[str] = []
    run(base, out, *saved, said=said)
    assert not [line for line in said if line.startswith("going on")]
    again = [load_file(place / "adapter_model.safetensors") for place in (whole, out)]
    assert furthest(*again) == 0.0


@pytest.mark.parametrize(
    ("options", "facts", "said", "unsaid"),
    [
        (
            ("--use_peft", "false", "--load_in_4bit", "false"),
            {"detox": None},
            ["library_name: transformers", "all its weights trained on rows as they came"],
            ["An adapter", "LoRA", "qlora", "merged/", "Cleaned rows"],
        ),
        (
            ("--load_in_4bit", "false", "--load_in_8bit", "true"),
            {"detox": {"recipe": {"name": "mini", "threshold": 0.5, "fallback": "drop"},
                       "policy": "strict", "models": {}, "counts": None}},
            ["| base while training | 8-bit |", "trained on cleaned rows", "| policy | strict |",
             "cleaned as they were streamed"],
            ["nothing was cleaned", "rows read"],
        ),
    ],
)  # fmt: skip
def test_the_card_says_what_was_done(
    base: str,
    tmp_path: Path,
    options: tuple[str, ...],
    facts: dict[str, Any],
    said: list[str],
    unsaid: list[str],
) -> None:
    plan = {
        **finetuning._plan(settings(base, tmp_path, *options), Path(base)),
        **facts,
        "rows": 12,
        "data": None,
        "training": {
            "steps": 2,
            "tokens": 9,
            "first loss": 1.0,
            "last loss": 0.5,
            "held-out loss": None,
        },
    }
    write_card(tmp_path, plan)
    card = (tmp_path / "README.md").read_text()
    assert [line for line in said if line not in card] == []
    assert [line for line in unsaid if line in card] == []


def test_a_folder_of_another_run_is_refused(base: str, done: Path) -> None:
    with pytest.raises(ConflictError, match="other settings"):
        run(base, done, *SAVED, "--learning_rate", "0.5")


def test_a_run_goes_on_from_its_last_whole_checkpoint(
    base: str, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    shutil.rmtree(out / "merged")
    (out / "adapter_model.safetensors").unlink()
    facts = json.loads((out / "trustydetox.json").read_text())
    (out / "trustydetox.json").write_text(json.dumps(facts | {"finished": False}))
    # The second checkpoint was cut off while it was written.
    (out / "checkpoint-2" / "trainer_state.json").write_text('{"epo')
    said: list[str] = []
    run(base, out, *SAVED, said=said)
    assert said[0] == "going on from checkpoint-1"
    whole, resumed, before = (
        load_file(place / "adapter_model.safetensors")
        for place in (done, out, done / "checkpoint-1")
    )
    # Not the same bits: peft reads an adapter's weights as float32, training had them in bfloat16.
    assert furthest(whole, resumed) < 3e-5 < furthest(whole, before)


# ------------------------------------------------------------------------------- the command


def test_one_command_goes_from_rows_to_adapter_model_and_card(base: str, tmp_path: Path) -> None:
    rows = [*TEXTS, "Read the manual, you stupid idiot, it is on page two."]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app,
        ["train", "sft", str(path), "--config", "opt-350m-qlora", "--model_name_or_path", base,
         "--output_dir", str(out), "--save_strategy", "no", *FAST],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    facts = json.loads((out / "trustydetox.json").read_text())
    assert (facts["detox"]["counts"]["read"], facts["detox"]["counts"]["rewritten"]) == (4, 1)
    assert facts["detox"]["models"]["guide.safetensors"]
    assert "| texts clean, rewritten, unresolved | 3, 1, 0 |" in (out / "README.md").read_text()
    assert (out / "adapter_model.safetensors").is_file()
    assert (out / "merged" / "model.safetensors").is_file()


def test_a_policy_s_budget_is_held_before_training(base: str, tmp_path: Path) -> None:
    path, policy, out = tmp_path / "rows.jsonl", tmp_path / "policy.yaml", tmp_path / "out"
    path.write_text('{"text": "You are a stupid idiot."}\n{"text": "It rains."}\n')
    policy.write_text("threshold: 0.4\nfail_on: ['toxic_rate > 0.4']\n")
    done = CliRunner().invoke(
        app,
        ["train", "sft", str(path), "--config", "opt-350m-qlora", "--model_name_or_path", base,
         "--output_dir", str(out), "--detox_policy", str(policy), *FAST],
    )  # fmt: skip
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "error: nothing was trained: toxic_rate is 0.5 (1 of 2): the gate is toxic_rate>0.4"
    )
    assert not out.exists()


def test_held_out_rows_have_a_run_folder_of_their_own(base: str, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "out"
    rows = [*TEXTS, "Read the manual, you stupid idiot, it is on page two."] * 2
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    chosen = settings(
        base, out, "--save_strategy", "no", "--detox_run", str(tmp_path / "run"),
        "--eval_strategy", "steps", "--eval_steps", "1", "--detox_threshold", "0.4",
    )  # fmt: skip
    split = Dataset.from_dict({"text": rows}).train_test_split(test_size=3, seed=0)
    finetune(SplitRows(**vars(chosen), split=split), merge=False)
    facts = json.loads((out / "trustydetox.json").read_text())
    assert facts["training"]["held-out loss"] is not None
    assert facts["detox"]["recipe"]["threshold"] == 0.4
    assert facts["detox"]["counts"]["read"] == 5
    manifests = {name: tmp_path / "run" / name / "manifest.json" for name in ("test", "train")}
    read = {
        name: json.loads(path.read_text())["counts"]["read"] for name, path in manifests.items()
    }
    assert read == {"test": 3, "train": 5}


def test_rows_that_are_all_dropped_are_one_error(base: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "You are a moron."}\n')
    done = CliRunner().invoke(
        app,
        ["train", "sft", str(path), "--config", "opt-350m-qlora", "--model_name_or_path", base,
         "--output_dir", str(tmp_path / "out"), "--detox_roles", "text=drop", *FAST],
    )  # fmt: skip
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1].startswith("error: there are no rows to train on")
