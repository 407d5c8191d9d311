"""The card of a fine-tuned model: what it was trained on and how, from the facts beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trustydetox.errors import InputError

FACTS = "trustydetox.json"
"""What is known of a run, beside its adapter."""

_LICENCE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write README.md from the facts of `trustydetox.json`, whose `results` are Markdown."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(
        Path(__file__).with_name("adapter.md").read_text(encoding="utf-8")
    )
    text = template.render(
        base=facts["base"],
        licence=_licence(facts["base"]),
        detox=facts.get("detox"),
        data=facts["data"],
        rows=facts["rows"],
        training=facts["training"],
        bits=_bits(facts.get("quantization")),
        adapted=facts["settings"]["model"].get("use_peft", False),
        settings=facts["settings"],
        versions=facts["versions"],
        export=facts.get("export"),
        results=facts.get("results"),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def add_results(folder: Path, results: str) -> None:
    """Put results, as Markdown, into the card and the facts of a folder that `train sft` wrote."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected {FACTS} of `train sft` in {folder}") from error
    facts["results"] = results
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    write_card(folder, facts)


def _bits(quantization: Mapping[str, Any] | None) -> str:
    """In how many bits the base was while it trained; `""`: as it came."""
    if not quantization:
        return ""
    if quantization.get("load_in_8bit"):
        return "8-bit"
    return f"4-bit {quantization['bnb_4bit_quant_type']}"


def _licence(base: str) -> str | None:
    """What the base's own card says; only a base in a folder is asked, the Hub never."""
    card = Path(base) / "README.md"
    found = _LICENCE.search(card.read_text(encoding="utf-8")) if card.is_file() else None
    return found[1] if found else None
