"""The public texts that train and measure the mini models, read from a data folder.

One table says where each source lies, which rows may train and what its label means; a label
is 1 (toxic), 0 (not toxic) or None (the source doesn't say). Label meanings differ by source and
are never mixed into one number.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, Literal

from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.spans import Span, merge

Part = Literal["train", "dev", "all"]
Use = Literal["train", "dev", "split", "demo"]

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]*[A-Z])")


def normalise(text: str) -> str:
    """The form in which two rows count as the same text."""
    plain = unicodedata.normalize("NFKC", html.unescape(text)).lower()
    return _NOT_WORD.sub(" ", plain).strip()


def is_dev(text: str) -> bool:
    """Whether a row of a split file is measured instead of trained on: a tenth of all rows.

    The text is a whole row of the file, before a long document is cut into sentences.
    """
    digest = blake2b(b"dev" + normalise(text).encode(), digest_size=8).hexdigest()
    return int(digest, 16) % 10 == 0


def sentences(document: str) -> list[str]:
    """A long document cut at line ends and after full stops that a capital follows."""
    pieces = (piece for line in document.splitlines() for piece in _SENTENCE_END.split(line))
    return [piece.strip() for piece in pieces if piece.strip()]


@dataclass(frozen=True)
class Source:
    """The rows of one source, column-wise: every sequence has one value per text.

    labels: 1 toxic, 0 not, None where the source doesn't say.
    spans: the toxic characters, where people marked them; empty doesn't mean a clean text.
    columns: whatever else the file holds, under the file's own names.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[int | None, ...]
    spans: tuple[tuple[Span, ...], ...] | None = None
    columns: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {len(self.texts), len(self.labels), *map(len, self.columns.values())}
        if self.spans is not None:
            sizes.add(len(self.spans))
        if len(sizes) != 1:
            raise ValueError(f"source {self.name!r} has columns of different lengths: {sizes}")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> Source:
        """The rows of these numbers, in this order."""
        return Source(
            self.name,
            tuple(self.texts[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            None if self.spans is None else tuple(self.spans[row] for row in rows),
            {name: tuple(column[row] for row in rows) for name, column in self.columns.items()},
        )

    def without(self, seen: Container[str]) -> Source:
        """The rows whose normalised text isn't in `seen`: what no training row gave away."""
        return self.take([i for i, text in enumerate(self.texts) if normalise(text) not in seen])

    def sample(self, rows: int, *, seed: int = 0) -> Source:
        """At most so many rows, drawn without replacement and kept in order."""
        if len(self) <= rows:
            return self
        return self.take(sorted(Random(seed).sample(range(len(self)), rows)))


Row = Mapping[str, Any]
Label = Callable[[Row], "int | None"]


@dataclass(frozen=True)
class _Layout:
    """Where a source lies and how a row of it is read.

    files: file name -> which rows may train (`split`: by the hash of the text).
    neutral: the column with a list of clean rewrites, each a text of its own with label 0.
    long: rows are whole documents, to be cut into sentences.
    """

    files: Mapping[str, Use]
    text: str = "text"
    label: Label = lambda row: None
    spans: Callable[[Row], Sequence[tuple[int, int]]] | None = None
    neutral: str | None = None
    long: bool = False


def _toxic(row: Row) -> int:
    return 1


def _clean(row: Row) -> int:
    return 0


def _labelled(row: Row) -> int:
    return int(row["label"])


def _rationale(row: Row) -> list[tuple[int, int]]:
    """Characters of the marked tokens; the text is the tokens joined by single spaces."""
    ends = accumulate(len(token) + 1 for token in row["tokens"])
    return [
        (end - 1 - len(token), end - 1)
        for token, end, marked in zip(row["tokens"], ends, row["rationale_majority"], strict=True)
        if marked and token
    ]


_SPLIT: Mapping[str, Use] = {"all": "split"}

_LAYOUTS: Mapping[str, _Layout] = {
    "paradetox": _Layout(
        {"train": "train", "dev": "dev"}, text="toxic", label=_toxic, neutral="neutral"
    ),
    "paradetox_cannot_rewrite": _Layout(_SPLIT, label=_toxic),
    "snlp_detox_jigsaw_sentences": _Layout({"dev": "split", "test10k": "split"}, label=_labelled),
    "toxic_spans_semeval2021": _Layout(
        {"train": "train", "trial": "dev"}, spans=lambda row: row["spans"]
    ),
    "toxic_spans_acl2022": _Layout(_SPLIT, spans=lambda row: row["spans_majority"]),
    "hatexplain": _Layout(
        {"val": "dev"}, label=lambda row: int(row["majority"] != "normal"), spans=_rationale
    ),
    "edos": _Layout({"train": "train", "dev": "dev"}, label=_labelled),
    "davidson": _Layout({"train": "split"}, label=_labelled),
    "vicomtech_stormfront": _Layout(_SPLIT, label=_labelled),
    "safenlp_toxigen": _Layout(_SPLIT, label=_labelled),
    "safenlp_implicithate": _Layout(_SPLIT, label=_labelled),
    "sbic": _Layout({"dev": "split"}, label=lambda row: int(row["offensiveYN"] >= 0.5)),
    "civil_comments_toxic_half": _Layout(_SPLIT, label=_toxic),
    "jigsaw_sample_detoxify": _Layout({"train": "split"}, label=lambda row: int(row["toxic"])),
    "jigsaw_sample_demo": _Layout(_SPLIT, text="comment_text", label=lambda row: int(row["toxic"])),
    "madlibs_77k": _Layout(_SPLIT, label=_labelled),
    "bold": _Layout(_SPLIT, label=_clean),
    "hh_rlhf_harmless": _Layout({"test": "demo"}, text="chosen"),
    "self_instruct": _Layout({"seed_tasks": "demo"}, text="instruction"),
    "dialogsum": _Layout({"dev": "dev"}, text="dialogue", label=_clean),
    "lm_self_dialogue": _Layout(_SPLIT, label=_clean),
    "lm_sgd": _Layout(_SPLIT, label=_clean),
    "lm_taskmaster4": _Layout(_SPLIT, label=_clean),
    "lm_multidogo": _Layout(_SPLIT, label=_clean),
    "goemotions": _Layout({"train": "train", "dev": "dev"}),
    "lm_ud_ewt": _Layout({"train": "train", "dev": "dev"}, label=_clean),
    "lm_masc": _Layout(_SPLIT, label=_clean, long=True),
    "lm_us_speeches": _Layout(
        {"inaugural": "split", "state_union": "split"}, label=_clean, long=True
    ),
    "lm_tatoeba_en": _Layout(_SPLIT, label=_clean),
    "lm_standard_ebooks": _Layout(_SPLIT, label=_clean, long=True),
}

NAMES: tuple[str, ...] = tuple(_LAYOUTS)
"""Every source that `load` knows."""


def load(data: Path, source: str, part: Part) -> Source:
    """The rows of `source` under the folder `data`, in the order of its files.

    `train` and `dev` are disjoint; `all` adds the rows of demonstration files. Reads whole files.
    """
    if source not in _LAYOUTS:
        raise ConfigError(f"no source is called {source!r}{did_you_mean(source, _LAYOUTS)}")
    layout = _LAYOUTS[source]
    texts: list[str] = []
    labels: list[int | None] = []
    spans: list[tuple[Span, ...]] = []
    rest: list[Row] = []
    for row in _rows(data / source, layout, part):
        others = {name: value for name, value in row.items() if name != layout.text}
        if layout.spans:
            spans.append(merge(Span(*span) for span in layout.spans(row)))
        pieces = sentences(row[layout.text]) if layout.long else [row[layout.text]]
        neutral = row[layout.neutral] if layout.neutral else []
        for text, label in [(p, layout.label(row)) for p in pieces] + [(p, 0) for p in neutral]:
            texts.append(text)
            labels.append(label)
            rest.append(others)
    # Files of one source may differ in columns: a missing value is None.
    names = list(dict.fromkeys(name for row in rest for name in row))
    columns = {name: tuple(row.get(name) for row in rest) for name in names}
    return Source(
        source, tuple(texts), tuple(labels), tuple(spans) if layout.spans else None, columns
    )


def lexicon(data: Path) -> frozenset[str]:
    """Every term of the two profanity lexicons, lower case; some are phrases or emoji."""
    files = (("ldnoobw_en", "term"), ("surge_profanity_en", "text"))
    return frozenset(
        row[column].lower()
        for name, column in files
        for row in _read(data / "lexicons" / f"{name}.parquet")
    )


def _rows(folder: Path, layout: _Layout, part: Part) -> Iterator[Row]:
    for name, use in layout.files.items():
        if use not in ("split", part) and part != "all":
            continue
        for row in _read(folder / f"{name}.parquet"):
            if not row[layout.text]:
                continue
            if part != "all" and use == "split" and is_dev(row[layout.text]) != (part == "dev"):
                continue
            yield row


def _read(path: Path) -> Iterator[Row]:
    from pyarrow import parquet

    if not path.is_file():
        raise InputError(f"expected the data file {path}, which does not exist")
    # By batches: a list of dicts of the largest file at once would take a gigabyte.
    for batch in parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
