"""Whole texts written anew by a trained rewriter, and what is no rewrite at all.

An infiller keeps what it can of a text and is checked; this is the bare model, as baselines are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trustydetox.steps.loading import Pretrained, find, load

PROMPT = "rewriter.json"
"""Beside the weights of a trained rewriter: what its texts are put into."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LOOP = 4


def fault_of(source: str, output: str, prompt: str = "{}") -> str:
    """Why an output is no rewrite of `source`: a word, or `""` where nothing is wrong.

    empty: no word. one word: of a source of four or more. copy: the source's words. echo: words of
    the prompt, which the source doesn't hold. loop: the same three words, four times more often
    than in the source.
    """
    before, after = _words(source), _words(output)
    if not after:
        return "empty"
    if after == before:
        return "copy"
    if len(after) == 1 and len(before) >= _LOOP:
        return "one word"
    asked = [word for word in _words(prompt.replace("{}", " ")) if word not in before]
    if len(asked) >= 2 and all(word in after for word in asked):
        return "echo"
    runs = Counter(zip(after, after[1:], after[2:], strict=False))
    runs.subtract(Counter(zip(before, before[1:], before[2:], strict=False)))
    return "loop" if any(count >= _LOOP for count in runs.values()) else ""


@dataclass(frozen=True)
class Restater:
    """A rewriter of whole texts, text-to-text or a chat model, with the prompt it was trained on.

    system: what a chat model is told before the text. beams: width of the search.
    batch: texts at once, the longest first.
    """

    pretrained: Pretrained
    prompt: str
    system: str = ""
    beams: int = 4
    batch: int = 16

    def restate(self, texts: Sequence[str]) -> list[str]:
        """One output per text, whatever it is worth; see `fault_of`."""
        import torch

        tokenizer: Any = self.pretrained.tokenizer
        model: Any = self.pretrained.model
        is_chat = not model.config.is_encoder_decoder
        tokenizer.padding_side = "left" if is_chat else "right"
        written = [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            asked = [self._asked(texts[at]) for at in rows]
            ids = tokenizer(
                asked, return_tensors="pt", padding=True, truncation=True,
                max_length=self.pretrained.window, add_special_tokens=not is_chat,
            ).to(self.pretrained.device)  # fmt: skip
            with torch.inference_mode():
                outputs = model.generate(
                    input_ids=ids["input_ids"],
                    attention_mask=ids["attention_mask"],
                    num_beams=self.beams,
                    do_sample=False,
                    max_new_tokens=ids["input_ids"].shape[1] * 3 // 2 + 10,
                    max_length=None,
                    min_length=0,
                    early_stopping=self.beams > 1,
                )
            if is_chat:
                outputs = outputs[:, ids["input_ids"].shape[1] :]
            for at, text in zip(
                rows, tokenizer.batch_decode(outputs, skip_special_tokens=True), strict=True
            ):
                written[at] = text.strip()
        return written

    def _asked(self, text: str) -> str:
        asked = self.prompt.replace("{}", text.strip())
        if self.pretrained.model.config.is_encoder_decoder:
            return asked
        messages = [{"role": "user", "content": asked}]
        if self.system:
            messages.insert(0, {"role": "system", "content": self.system})
        return str(
            self.pretrained.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )


def load_restater(model: str, revision: str | None = None, prompt: str | None = None) -> Restater:
    """A text-to-text network, or a chat model, of a folder or an id of the Hub.

    prompt: `{}` stands for the text; without it what `train rewriter` left beside the weights.
    """
    import json

    folder = find(model, revision)
    beside = folder / PROMPT
    told = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    is_pair = config.get("is_encoder_decoder", config.get("model_type") in {"t5", "bart"})
    pretrained = load("seq2seq" if is_pair else "causal LM", model, revision)
    return Restater(pretrained, prompt or told.get("prompt", "{}"), told.get("system", ""))


def _words(text: str) -> list[str]:
    return [match[0].casefold() for match in _WORD.finditer(text)]
