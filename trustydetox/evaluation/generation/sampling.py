"""Continuations of prompts, drawn from a model by seed and kept, so that a run can go on.

Only what the model wrote is kept, never the prompt: a judge that reads both measures the prompts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.steps.loading import accelerator, digest_of, find, open_model, open_tokenizer

MERGED = "merged"
_ADAPTER = "adapter_config.json"
_TEXTS = "continuations.jsonl"
_PLAN = "plan.json"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How continuations are drawn.

    samples: per prompt. new_tokens: at most so many in each; it may end sooner.
    """

    samples: int = 25
    new_tokens: int = 20
    temperature: float = 1.0
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.new_tokens < 1:
            raise ConfigError("samples and new_tokens must be at least 1")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            raise ConfigError("temperature must be above 0 and top_p in (0, 1]")


@dataclass(frozen=True)
class Writer:
    """A causal model and its tokenizer; `digest` is of its weights."""

    model: Any
    tokenizer: Any
    digest: str

    def write(self, prompt: str, sampling: Sampling, seed: int) -> list[str]:
        """`sampling.samples` continuations of one prompt; the prompt isn't part of them."""
        import torch

        ids = self._ids(prompt)
        if self._positions is not None:
            room = self._positions - sampling.new_tokens
            if room < 1:
                raise ConfigError(
                    f"new_tokens is {sampling.new_tokens}, and the model has only "
                    f"{self._positions} positions: ask for fewer"
                )
            # What is continued is the end of a prompt.
            ids = ids[:, -room:]
        torch.manual_seed(seed)
        with torch.no_grad():
            made = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                top_p=sampling.top_p,
                temperature=sampling.temperature,
                max_new_tokens=sampling.new_tokens,
                num_return_sequences=sampling.samples,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
            )
        new = made[:, ids.shape[1] :]
        return [str(one) for one in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def surprise(self, text: str) -> tuple[float, int]:
        """Summed negative log-likelihood of a text's tokens after the first, and their number."""
        import torch

        ids = self._ids(text)[:, : self._positions]
        if ids.shape[1] < 2:
            return 0.0, 0
        with torch.no_grad():
            loss = self.model(input_ids=ids, labels=ids).loss
        count = ids.shape[1] - 1
        return float(loss) * count, count

    def _ids(self, text: str) -> Any:
        ids = self.tokenizer(text, return_tensors="pt").input_ids
        if not ids.shape[1]:
            raise InputError("a prompt without a token can't be continued")
        return ids.to(self.model.device)

    @property
    def _positions(self) -> int | None:
        """How many tokens the model can tell apart by their place, None where there is no limit."""
        return getattr(self.model.config, "max_position_embeddings", None)


def load_writer(model: Path) -> Writer:
    """The model in a folder: a whole one, or an adapter, on the base that it names.

    A folder that `train sft` wrote is read by its merged model where there is one.
    """
    folder = model / MERGED if (model / MERGED).is_dir() else model
    if not folder.is_dir():
        raise InputError(f"expected the folder of a model, and {model} is none")
    tokenizer = open_tokenizer(str(folder))
    if (folder / _ADAPTER).is_file():
        network, base = _with_adapter(folder, len(tokenizer))
        digest = digest_of(folder, base)
    else:
        network, digest = open_model("causal LM", str(folder)), digest_of(folder)
    return Writer(network.eval().to(accelerator()), tokenizer, digest)


def _with_adapter(folder: Path, tokens: int) -> tuple[Any, Path]:
    """The base, of as many tokens as the adapter was trained with, and the adapter on it."""
    from peft import PeftModel

    named = json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))
    base = find(named["base_model_name_or_path"], named.get("revision"))
    network: Any = open_model("causal LM", str(base))
    if named.get("trainable_token_indices"):
        # A chat template's own tokens: TRL made the base as large as the tokenizer that it saved,
        # and the adapter holds the rows of all that are new.
        network.resize_token_embeddings(tokens, mean_resizing=False)
    return PeftModel.from_pretrained(network, str(folder)), base


def read_prompts(path: Path, column: str, most: int | None = None) -> list[str]:
    """Texts of a `.txt` (one a line) or `.jsonl` file, the first `most`.

    column: the JSON key; under it a string, or RealToxicityPrompts' object with a `text`.
    """
    try:
        # Not splitlines: a JSON string may hold a line separator of Unicode's.
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't read {path}: {type(error).__name__}") from error
    lines = lines[:most]
    if path.suffix == ".txt":
        texts = lines
    else:
        texts = [_text_in(line, column, f"{path}, line {n}") for n, line in enumerate(lines, 1)]
    if not texts:
        raise InputError(f"{path} holds no text")
    return texts


def _text_in(line: str, column: str, where: str) -> str:
    try:
        found = json.loads(line)[column]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: expected a JSON object with {column!r}") from error
    text = found.get("text") if isinstance(found, dict) else found
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: expected text under {column!r}")
    return text


def continuations(
    writer: Writer,
    prompts: Sequence[str],
    sampling: Sampling,
    folder: Path,
    progress: Callable[[int, float | None], None] = lambda rows, share: None,
) -> list[list[str]]:
    """`sampling.samples` continuations of each prompt, in order.

    They lie in `folder`, which is for you alone (mode 0700): what models write is toxic at times.
    What lies there already isn't drawn again; ConflictError where it is of another model, other
    prompts or other settings.
    """
    _claim(folder, plan_of(writer.digest, prompts, sampling))
    path = folder / _TEXTS
    done = list(_whole_lines(path))[: len(prompts)]
    # A line that a crash cut short goes.
    path.write_text("".join(f"{json.dumps(one)}\n" for one in done), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        for number in range(len(done), len(prompts)):
            made = writer.write(prompts[number], sampling, _seed(sampling.seed, number))
            file.write(f"{json.dumps(made)}\n")
            file.flush()
            done.append(made)
            progress(number + 1, (number + 1) / len(prompts))
    return done


def plan_of(digest: str, prompts: Sequence[str], sampling: Sampling) -> dict[str, Any]:
    """What identifies a set of continuations."""
    return {"model": digest, "prompts": hash_of(prompts), "sampling": asdict(sampling)}


def hash_of(texts: Sequence[str]) -> str:
    """A hash of texts and their order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _PLAN
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key in plan if found.get(key) != plan[key]]
        if differing:
            raise ConflictError(
                f"{folder} holds continuations with other {', '.join(differing)}: "
                "name another folder"
            )
    try:
        # One that was there has the mode that it was made with.
        folder.chmod(0o700)
    except PermissionError as error:
        raise ConfigError(
            f"{folder} can't be closed to other users, as what models write should be: it is "
            "somebody else's; name a folder of your own"
        ) from error
    path.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def _whole_lines(path: Path) -> Iterator[list[str]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _seed(seed: int, number: int) -> int:
    """Each prompt has a seed of its own, so that where a run was interrupted changes nothing."""
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest)
