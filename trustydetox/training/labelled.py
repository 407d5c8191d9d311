"""The labelled texts that a user brings, read from files into examples to learn from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from trustydetox.errors import InputError, SpanError, did_you_mean
from trustydetox.rows import open_reader
from trustydetox.spans import Span, merge
from trustydetox.training.examples import Example
from trustydetox.training.sources import is_dev, normalise
from trustydetox.training.splitting import position

_CALIBRATING = 0.06
"""Share of the rows that calibrate and say when to stop."""


@dataclass(frozen=True)
class Layout:
    """The columns of a file of labelled texts.

    label: 0 or 1, a share of raters in [0, 1], or a list of raters' 0s and 1s.
    spans: lists of `[start, end]`, code-point offsets of the toxic characters; None without.
    source: a column that says where a row comes from; without it the file's name does.
    """

    text: str = "text"
    label: str = "label"
    spans: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Labelled:
    """Examples in three disjoint parts; equal texts, after normalisation, are in one of them.

    train: to learn from. calibration: to calibrate and to stop in time. held_out: to measure by.
    left_out: how many rows teach nothing, by reason.
    """

    train: tuple[Example, ...]
    calibration: tuple[Example, ...]
    held_out: tuple[Example, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_labelled(paths: Sequence[str], layout: Layout) -> Labelled:
    """The examples of some files, a tenth of them held out by the hash of their text.

    Rows without a text or a label, rows that can't be read and repeated texts are left out and
    counted. Raises InputError for a missing column, a label that is none, and one class only.
    """
    left_out: Counter[str] = Counter()
    seen: set[str] = set()
    parts: tuple[list[Example], ...] = ([], [], [])
    for path in paths:
        for found in _examples(path, layout):
            if isinstance(found, str):
                left_out[found] += 1
                continue
            normal = normalise(found.text) or found.text.strip()
            if normal in seen:
                left_out["the text was there before"] += 1
                continue
            seen.add(normal)
            parts[_part(found.text, normal)].append(found)
    train, calibration, held_out = parts
    require_classes(train, "training")
    require_classes(calibration, "calibration")
    return Labelled(tuple(train), tuple(calibration), tuple(held_out), dict(left_out))


def require_classes(examples: Sequence[Example], part: str) -> None:
    """Raise InputError unless there are toxic and clean texts among the examples."""
    toxic = sum((example.toxic or 0.0) >= 0.5 for example in examples)
    if not 0 < toxic < len(examples):
        raise InputError(
            f"expected toxic and clean texts, got {toxic} toxic and {len(examples) - toxic} clean "
            f"rows in the {part} part: bring rows of both classes, some hundred at least"
        )


def _part(text: str, normal: str) -> int:
    if is_dev(text):
        return 2
    return int(position(f"calibration {normal}") < _CALIBRATING)


def _examples(path: str, layout: Layout) -> Iterator[Example | str]:
    reader = open_reader(path)
    try:
        for row in reader.rows():
            if row.error:
                yield "the row can't be read"
                continue
            for column in (layout.text, layout.label, layout.spans, layout.source):
                if column is not None and column not in row.values:
                    near = did_you_mean(column, row.values)
                    raise InputError(f"{path}, row {row.number}, has no column {column!r}{near}")
            yield _example(row.values, layout, PurePath(path).name.split(".")[0], path, row.number)
    finally:
        reader.close()


def _example(
    row: Mapping[str, Any], layout: Layout, stem: str, path: str, number: int
) -> Example | str:
    text, label = row[layout.text], row[layout.label]
    if not isinstance(text, str) or not text.strip():
        return "there is no text"
    if label is None or label == "":
        return "there is no label"
    toxic = _probability(label)
    if toxic is None:
        raise InputError(
            f"{path}, row {number}: expected under {layout.label!r} 0 or 1, a share in [0, 1] or "
            f"raters' 0s and 1s, got {type(label).__name__}"
            + (f" {label}" if isinstance(label, int | float) else "")
        )
    source = stem if layout.source is None else str(row[layout.source])
    spans = None
    if layout.spans is not None and row[layout.spans] is not None:
        try:
            spans = merge(Span(*span) for span in row[layout.spans])
        except (SpanError, TypeError) as error:
            raise InputError(f"{path}, row {number}: no spans under {layout.spans!r}") from error
        if spans and spans[-1].end > len(text):
            raise InputError(f"{path}, row {number}: a span ends beyond the text")
    return Example(text, source, text, toxic, {}, spans)


def _probability(label: Any) -> float | None:
    """The label as a probability; None where it is none."""
    if isinstance(label, str):
        try:
            label = float(label)
        except ValueError:
            return None
    if isinstance(label, Sequence):
        votes = [_probability(vote) for vote in label]
        known = [vote for vote in votes if vote is not None]
        return sum(known) / len(known) if known and len(known) == len(votes) else None
    if isinstance(label, bool | int | float) and math.isfinite(label) and 0 <= label <= 1:
        return float(label)
    return None
