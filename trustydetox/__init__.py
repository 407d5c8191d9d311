"""Finds the toxic words of a training set and mends only those, with every edit on record.

    import trustydetox
    trustydetox.clean("…")                       # str or list[str]: the same type back
    detoxifier = trustydetox.load_recipe("mini")
    for record in detoxifier.run(texts): ...

Importing this loads no model library; the first text cleaned does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, overload

from trustydetox.detoxifier import Detoxifier, Fallback, Found
from trustydetox.errors import (
    ConfigError,
    ConflictError,
    ContractError,
    DetoxError,
    InputError,
    MissingExtraError,
    ModelError,
    ResourceError,
    SpanError,
)
from trustydetox.records import (
    Attempt,
    Attribution,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
)
from trustydetox.roles import (
    Action,
    Attributor,
    Check,
    Infiller,
    Masker,
    Passage,
    RowFormat,
    Scorer,
    SteadyMasker,
)
from trustydetox.spans import Edit, Span, apply_edits, compose, merge, minimal

if TYPE_CHECKING:
    from pathlib import Path

    __version__: str

__all__ = [
    "Action",
    "Attempt",
    "Attribution",
    "Attributor",
    "Check",
    "ConfigError",
    "ConflictError",
    "ContractError",
    "DetoxError",
    "Detoxifier",
    "Edit",
    "Fallback",
    "Finding",
    "Found",
    "Infiller",
    "InputError",
    "MaskedText",
    "Masker",
    "MissingExtraError",
    "ModelError",
    "Passage",
    "Record",
    "ResourceError",
    "Rewrite",
    "RowFormat",
    "Scorer",
    "Span",
    "SpanError",
    "SteadyMasker",
    "Toxicity",
    "Verdict",
    "__version__",
    "apply_edits",
    "clean",
    "compose",
    "load_recipe",
    "merge",
    "minimal",
]


def load_recipe(name: str | Path, **overrides: object) -> Detoxifier:
    """The pipeline that a built-in recipe or a YAML file names; reads its models from disk."""
    from trustydetox import recipes

    return recipes.load_recipe(name, **overrides)


@overload
def clean(
    texts: str,
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback = "redact",
) -> str: ...
@overload
def clean(
    texts: list[str],
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback = "redact",
) -> list[str]: ...
def clean(
    texts: str | list[str],
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback = "redact",
) -> str | list[str]:
    """The texts with their toxic words mended; clean ones come back as they are.

    Where nothing passes the checks, `fallback` says what comes back: the text with its toxic
    words redacted, or the text as it was ("keep"). A recipe is loaded once per process.
    """
    if fallback == "drop":
        raise ConfigError(
            "fallback 'drop' would misalign the texts that come back; use 'redact' or 'keep', "
            "or Detoxifier.run, whose records say what was dropped"
        )
    if not isinstance(texts, str | list):
        raise ConfigError(f"expected a str or a list of str, got {type(texts).__name__}")
    detoxifier = recipe if isinstance(recipe, Detoxifier) else _loaded(recipe)
    detoxifier = replace(
        detoxifier,
        fallback=fallback,
        threshold=detoxifier.threshold if threshold is None else threshold,
    )
    batch = [texts] if isinstance(texts, str) else texts
    cleaned = [record.output for record in detoxifier.run(batch) if record.output is not None]
    return cleaned[0] if isinstance(texts, str) else cleaned


@lru_cache(maxsize=4)
def _loaded(recipe: str | Path) -> Detoxifier:
    return load_recipe(recipe)


def __getattr__(name: str) -> str:
    # Reading a package's metadata takes 30 ms, which few imports need.
    if name == "__version__":
        from importlib.metadata import version

        return version("trustydetox")
    raise AttributeError(f"module 'trustydetox' has no attribute {name!r}")
