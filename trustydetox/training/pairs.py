"""Toxic texts with the ways people rewrote them, read from a user's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trustydetox.errors import InputError, did_you_mean
from trustydetox.rows import open_reader
from trustydetox.training.sources import is_dev, normalise


@dataclass(frozen=True)
class Pair:
    """A toxic text and at least one rewrite, none of them empty or the text itself."""

    toxic: str
    rewrites: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Pairs to learn from and to measure by; equal toxic texts are in one part.

    left_out: how many rewrites teach nothing, by reason.
    """

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_pairs(paths: Sequence[str], toxic: str = "toxic", rewrite: str = "neutral") -> Pairs:
    """The pairs of some files, a tenth of them held out by the hash of the toxic text.

    rewrite: a column with a text or a list of texts, as ParaDetox has (Logacheva et al. 2022).
    Raises InputError where a column is missing or no pair is left in a part.
    """
    left_out: Counter[str] = Counter()
    found: dict[str, list[str]] = {}
    for path in paths:
        reader = open_reader(path)
        try:
            for row in reader.rows():
                if row.error:
                    left_out["the row can't be read"] += 1
                    continue
                for column in (toxic, rewrite):
                    if column not in row.values:
                        near = did_you_mean(column, row.values)
                        raise InputError(
                            f"{path}, row {row.number}, has no column {column!r}{near}"
                        )
                text, given = row.values[toxic], row.values[rewrite]
                if not isinstance(text, str) or not text.strip():
                    left_out["there is no toxic text"] += 1
                    continue
                rewrites = given if isinstance(given, list | tuple) else [given]
                for one in rewrites:
                    if reason := _fault(text, one):
                        left_out[reason] += 1
                    else:
                        found.setdefault(text, []).append(one)
        finally:
            reader.close()
    pairs = [Pair(text, tuple(dict.fromkeys(rewrites))) for text, rewrites in found.items()]
    parts = [[pair for pair in pairs if is_dev(pair.toxic) == held] for held in (False, True)]
    for name, part in zip(("to learn from", "held out"), parts, strict=True):
        if not part:
            raise InputError(f"expected pairs {name}, got none: bring some dozens at least")
    return Pairs(tuple(parts[0]), tuple(parts[1]), dict(left_out))


def _fault(text: str, rewrite: Any) -> str:
    if not isinstance(rewrite, str) or not rewrite.strip():
        return "the rewrite is empty"
    return "the rewrite is the text itself" if normalise(rewrite) == normalise(text) else ""
