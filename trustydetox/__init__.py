"""Finds the toxic words of a training set and mends only those, with every edit on record.

    import trustydetox
    trustydetox.clean("…")         # str, list[str], a dataset, a data frame: the same type back
    cleaned = trustydetox.clean_dataset(dataset)   # .dataset for a trainer, .counts and .report
    detoxifier = trustydetox.load_recipe("mini")
    for record in detoxifier.run(texts): ...

Importing this loads no model library; the first text cleaned does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

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
    ScoringCheck,
    SparingMasker,
    SteadyMasker,
)
from trustydetox.spans import Edit, Span, apply_edits, compose, edits_between, merge, minimal

if TYPE_CHECKING:
    from trustydetox.corpus import Cleaned, DetoxConfig, clean_dataset
    from trustydetox.steps.restating import Restater

    __version__: str

__all__ = [
    "Action",
    "Attempt",
    "Attribution",
    "Attributor",
    "Check",
    "Cleaned",
    "ConfigError",
    "ConflictError",
    "ContractError",
    "DetoxConfig",
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
    "ScoringCheck",
    "Span",
    "SpanError",
    "SparingMasker",
    "SteadyMasker",
    "Toxicity",
    "Verdict",
    "__version__",
    "apply_edits",
    "clean",
    "clean_dataset",
    "compose",
    "edits_between",
    "load_recipe",
    "merge",
    "minimal",
    "rewrite",
]

_D = TypeVar("_D")


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
    fallback: Fallback | None = None,
) -> str: ...
@overload
def clean(
    texts: list[str],
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback | None = None,
) -> list[str]: ...
@overload
def clean(
    texts: _D,
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback | None = None,
) -> _D: ...
def clean(
    texts: Any,
    *,
    recipe: str | Path | Detoxifier = "mini",
    threshold: float | None = None,
    fallback: Fallback | None = None,
) -> Any:
    """The texts with their toxic words mended; clean ones come back as they are.

    texts: a str or a list of str; or what `clean_dataset` takes, which also says what was done;
        or the `Path` of a file or folder, which is cleaned into one beside it, whose path comes
        back: `chats.jsonl` into `chats.clean.jsonl`, with a run folder.
    fallback: what comes back where nothing passes the checks: the text with its toxic words
        redacted, which is what happens to a str without it, or as it was ("keep"). From a
        dataset, "drop" takes the row out, which is what the built-in recipes do.

    For texts a recipe is loaded once per process.
    """
    if isinstance(texts, Path):
        from trustydetox.corpus import clean_path
        from trustydetox.corpus.choosing import choose

        return clean_path(texts, choose(recipe, threshold, fallback))
    if not isinstance(texts, str | list):
        from trustydetox.corpus import clean_dataset

        cleaned = clean_dataset(texts, recipe=recipe, threshold=threshold, fallback=fallback)
        return cleaned.dataset
    if fallback == "drop":
        raise ConfigError(
            "fallback 'drop' would misalign the texts that come back; use 'redact' or 'keep', "
            "or Detoxifier.run, whose records say what was dropped"
        )
    detoxifier = recipe if isinstance(recipe, Detoxifier) else _loaded(recipe)
    detoxifier = replace(
        detoxifier,
        fallback=fallback or "redact",
        threshold=detoxifier.threshold if threshold is None else threshold,
    )
    batch = [texts] if isinstance(texts, str) else texts
    outputs = [record.output for record in detoxifier.run(batch) if record.output is not None]
    return outputs[0] if isinstance(texts, str) else outputs


@overload
def rewrite(texts: str, *, model: str | Path, revision: str | None = None) -> str: ...
@overload
def rewrite(texts: list[str], *, model: str | Path, revision: str | None = None) -> list[str]: ...
def rewrite(
    texts: str | list[str], *, model: str | Path, revision: str | None = None
) -> str | list[str]:
    """The texts as a rewriter writes them anew, whole, toxic or not: no gate and no checks.

    model: the folder of `train rewriter`, or any text-to-text network of the Hub. What is no
    rewrite (empty, one word, a copy, an echo of the prompt, a loop) comes back as `[removed]`.
    `clean` with the recipe beside a trained rewriter changes only what is toxic.
    """
    from trustydetox.steps.restating import fault_of

    rewriter = _restater(str(model), revision)
    batch = [texts] if isinstance(texts, str) else texts
    outputs = [
        "[removed]" if fault_of(text, output, rewriter.prompt) else output
        for text, output in zip(batch, rewriter.restate(batch), strict=True)
    ]
    return outputs[0] if isinstance(texts, str) else outputs


@lru_cache(maxsize=1)
def _restater(model: str, revision: str | None) -> Restater:
    from trustydetox.steps.restating import load_restater

    return load_restater(model, revision)


@lru_cache(maxsize=4)
def _loaded(recipe: str | Path) -> Detoxifier:
    return load_recipe(recipe)


def __getattr__(name: str) -> Any:
    # Reading a package's metadata takes 30 ms, which few imports need; datasets need more still.
    if name == "__version__":
        from importlib.metadata import version

        return version("trustydetox")
    if name in {"Cleaned", "DetoxConfig", "clean_dataset"}:
        return getattr(import_module("trustydetox.corpus"), name)
    raise AttributeError(f"module 'trustydetox' has no attribute {name!r}")
