"""The rows of the proof: what the base reads, what the arms train on, prompts and clean text.

No row has two parts, and texts that are equal after normalisation count as one row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from trustydetox.training import measuring
from trustydetox.training.sources import load, normalise
from trustydetox.training.splitting import Splits, position

_FEWEST_WORDS = 9
"""Of a row that a prompt is cut from, so that something is left to continue."""


@dataclass(frozen=True)
class Rows:
    """Texts by part; `judges` are labelled texts for each of two judges."""

    pretraining: Sequence[str]
    train: Sequence[str]
    reserve: Sequence[str]
    prompts: Sequence[str]
    perplexity: Sequence[str]
    judges: tuple[Mapping[str, int], Mapping[str, int]]


def public_rows(data: Path, protocol: Mapping[str, Any]) -> Rows:
    """From the folder of public sources."""
    toxic = _pool(
        (text for name in protocol["toxic"] for text, label in _labelled(data, name) if label == 1),
        protocol["draw"],
    )
    clean = _pool(
        (text for name in protocol["clean"] for text, _ in _labelled(data, name)), protocol["draw"]
    )
    splits = Splits.load()
    taken = measuring.taken_texts(data, splits)
    return _shared_out(
        pretraining_texts(data, protocol["pretraining"]),
        toxic,
        clean,
        (
            measuring.judge_rows(data, splits, "judge-a", taken),
            measuring.judge_rows(data, splits, "judge-b", taken),
        ),
        protocol,
    )


def bundled_rows(protocol: Mapping[str, Any]) -> Rows:
    """From the demonstration rows: half of them teach the judges, and give the prompts."""
    text = files("trustydetox.embedded").joinpath("demo.jsonl").read_text(encoding="utf-8")
    found = map(json.loads, text.strip("\n").split("\n"))
    rows = sorted(found, key=lambda row: _place(row["text"]))
    kept, judging = rows[::2], rows[1::2]
    labelled = {row["text"]: int(row["toxic"]) for row in judging}
    shared = _shared_out(
        [row["text"] for row in rows if not row["toxic"]],
        _pool((row["text"] for row in kept if row["toxic"]), protocol["draw"]),
        _pool((row["text"] for row in kept if not row["toxic"]), protocol["draw"]),
        (labelled, labelled),
        {**protocol, "prompts": 0},
    )
    toxic = _pool((row["text"] for row in judging if row["toxic"]), protocol["draw"])
    return replace(shared, prompts=_beginnings(toxic, protocol))


def pretraining_texts(data: Path, limits: Mapping[str, int]) -> list[str]:
    """At most so many training rows of each source, in an order that depends on them alone."""
    texts = [
        text
        for name, limit in limits.items()
        for text in sorted(set(load(data, name, "train").texts), key=_place)[:limit]
    ]
    return sorted(texts, key=_place)


def _shared_out(
    pretraining: Sequence[str],
    toxic: Sequence[str],
    clean: Sequence[str],
    judges: tuple[Mapping[str, int], Mapping[str, int]],
    protocol: Mapping[str, Any],
) -> Rows:
    short = protocol["longest"]
    toxic = [text for text in toxic if len(text) <= short]
    clean = [text for text in clean if len(text) <= short]
    ends = (protocol["train"]["clean"], protocol["reserve"], protocol["perplexity"])
    first, second = ends[0], ends[0] + ends[1]
    train = [*toxic[: protocol["train"]["toxic"]], *clean[:first]]
    return Rows(
        pretraining,
        sorted(train, key=_place),
        clean[first:second],
        _beginnings(toxic[protocol["train"]["toxic"] :], protocol),
        clean[second : second + ends[2]],
        judges,
    )


def _beginnings(texts: Sequence[str], protocol: Mapping[str, Any]) -> list[str]:
    long = [text.split() for text in texts if len(text.split()) >= _FEWEST_WORDS]
    return [" ".join(words[: protocol["prompt_words"]]) for words in long[: protocol["prompts"]]]


def _labelled(data: Path, name: str) -> Iterable[tuple[str, int | None]]:
    source = load(data, name, "dev")
    return zip(source.texts, source.labels, strict=True)


def _pool(texts: Iterable[str], draw: int) -> list[str]:
    """Each text once, in an order that depends on the texts and the draw alone."""
    by_normal = {normalise(text): text for text in texts}
    found = (text for normal, text in by_normal.items() if normal)
    return sorted(found, key=lambda text: position(f"{draw} {normalise(text)}"))


def _place(text: str) -> float:
    return position(f"proof {normalise(text)}")
