"""Rows that measure: they train the judges and the fluency model of `evaluate rewrites`, which
ship with nothing and share no text with what the embedded models learned from.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path

from trustydetox.training.examples import check_examples, guide_examples, learn_known_words
from trustydetox.training.sources import NAMES, load, normalise, sentences
from trustydetox.training.splitting import Splits, position

_DIALOGUE_SHARE = 0.3
"""Of the largest source, so that its subject (bookings) doesn't drown the others."""

_FLUENT = (
    "lm_sgd",
    "lm_ud_ewt",
    "bold",
    "vicomtech_stormfront",
    "jigsaw_sample_demo",
    "jigsaw_sample_detoxify",
)


def dev_texts(data: Path) -> frozenset[str]:
    """The normalised text of every row that is kept for measuring."""
    return frozenset(normalise(text) for name in NAMES for text in load(data, name, "dev").texts)


def taken_texts(data: Path, splits: Splits) -> frozenset[str]:
    """The normalised text of every row that teaches or measures a model of a recipe."""
    known = learn_known_words(data).__contains__
    guided = guide_examples(data, splits, known)
    checked = check_examples(data, splits, known, guided)
    taught = {normalise(example.text) for example in (*guided, *checked)}
    # All pairs, for what rewrites learns from them whole.
    pairs = {normalise(text) for text in load(data, "paradetox", "train").texts}
    return frozenset(taught | pairs | dev_texts(data))


def judge_rows(data: Path, splits: Splits, role: str, taken: Container[str]) -> dict[str, int]:
    """Texts with labels that train a judge: none twice, none of `taken` (normalised texts)."""
    rows: dict[str, int] = {}
    seen: set[str] = set()
    for name in splits.sources(role):
        source = load(data, name, "train")
        for text, label in zip(source.texts, source.labels, strict=True):
            if label is not None and splits.role(name, text) == role:
                normal = normalise(text)
                if normal and normal not in taken and normal not in seen:
                    seen.add(normal)
                    rows[text] = label
    return rows


def fluent_texts(data: Path, splits: Splits, taken: Container[str]) -> Iterator[str]:
    """Clean sentences of sources that train nobody; none of `taken` (normalised texts)."""
    for name in _FLUENT:
        if name in splits.shares:
            raise ValueError(f"{name} trains {', '.join(splits.shares[name])}: it can't measure")
        source = load(data, name, "train")
        # Half of bold are beginnings cut off before the end.
        kinds = source.columns.get("kind") or [None] * len(source)
        for text, label, kind in zip(source.texts, source.labels, kinds, strict=True):
            if label != 0 or kind == "prompts":
                continue
            if name == "lm_sgd" and position(f"fluent {text}") >= _DIALOGUE_SHARE:
                continue
            for sentence in sentences(text):
                if normalise(sentence) not in taken:
                    yield sentence
