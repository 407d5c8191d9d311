"""Rows to measure on: the bundled ones, as often as needed, each with a number of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import count, islice, product
from pathlib import Path

SHORT = (
    "the kettle is on the stove",
    "see you at the station at noon",
    "thanks, that was quick",
    "is the red bicycle still for sale",
    "my brother plays the piano",
    "we moved the meeting to Friday",
    "you are a stupid idiot",
)


def bundled(n: int) -> list[str]:
    """Texts like those of a real data set: comments, chats, code, long posts, some toxic."""
    with files("trustydetox.embedded").joinpath("demo.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [f"{text} ({k})" for k, text in islice(_rounds(texts), n)]


def short(n: int) -> list[str]:
    """Short texts, one in seven toxic."""
    return [f"{text} {k}" for k, text in islice(_rounds(SHORT), n)]


def toxic(n: int) -> list[str]:
    """Texts of 25 words with one or two insults."""
    text = (
        "the {} who wrote this guide for the {} printer forgot to say that you hold"
        " both its buttons for ten seconds until {} lights"
    )
    pairs = list(product(("idiot", "moron", "fool"), ("crappy", "damn", "new")))
    return [text.format(*pairs[k % len(pairs)], k) for k in range(n)]


def write(path: Path, texts: list[str]) -> Path:
    """A JSON Lines file with one column `text`."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return path


def _rounds(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((k, text) for k in count() for text in texts)
