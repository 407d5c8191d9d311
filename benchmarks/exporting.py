"""What it takes to merge an adapter into a base of OPT-350m's shape, with random weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.results import Found
from benchmarks.timing import Spread

_MAKE = """
import sys, torch
from pathlib import Path
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast
base, adapter = map(Path, sys.argv[1:])
config = OPTConfig(vocab_size=50272, hidden_size=1024, word_embed_proj_dim=512, ffn_dim=4096,
    num_hidden_layers=24, num_attention_heads=16, do_layer_norm_before=False)
with torch.device("meta"):
    model = OPTForCausalLM(config)
model = model.to(torch.float16).to_empty(device="cpu")
for weight in model.parameters():
    weight.data.normal_(std=0.02)
model.tie_weights()
model.save_pretrained(base)
made = Tokenizer(models.BPE(vocab={"a": 0, "</s>": 1}, merges=[]))
PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>").save_pretrained(base)
lora = LoraConfig(r=64, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"])
tuned = get_peft_model(model, lora)
tuned.peft_config["default"].base_model_name_or_path = str(base)
tuned.save_pretrained(adapter)
"""
# Everything is imported, and a kernel of bitsandbytes loaded, before the baseline is read.
_MERGE = """
import sys, torch
from pathlib import Path
from benchmarks.machine import peak_kib
import bitsandbytes, peft, transformers.models.opt.modeling_opt
from trustydetox.training import merge_adapter
base, adapter, out = map(Path, sys.argv[1:])
bitsandbytes.functional.quantize_4bit(torch.zeros(64, 64), quant_type="nf4")
before = peak_kib()
quantization = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "llm_int8_skip_modules": ["lm_head", "project_in", "project_out"]}
merge_adapter(adapter, out, quantization=quantization)
print(peak_kib() - before, (out / "model.safetensors").stat().st_size // 1024)
"""


def save_opt_350m(base: Path, adapter: Path) -> None:
    """A model of OPT-350m's shape and a LoRA adapter for it, in float16, with random weights."""
    subprocess.run([sys.executable, "-c", _MAKE, str(base), str(adapter)], check=True)


def peak() -> list[Found]:
    """Peak memory above that of the imports, as a share of the float16 model that comes out."""
    with TemporaryDirectory() as folder:
        base, adapter, out = (Path(folder) / name for name in ("base", "adapter", "out"))
        save_opt_350m(base, adapter)
        done = subprocess.run(
            [sys.executable, "-c", _MERGE, base, adapter, out],
            capture_output=True,
            text=True,
            check=True,
        )
    above, size = map(int, done.stdout.split())
    return [
        Found(
            "peak memory of merging an adapter, above the imports",
            "share of the merged float16 model",
            Spread.of([above / size]),
            "<= 1.3",
            f"OPT-350m's shape, random weights, {size / 1024:.0f} MiB",
        )
    ]
