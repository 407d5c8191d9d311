"""Which models of the Hub a recipe needs, and under which licence, where a source is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustydetox.recipes.recipe import Recipe

_LICENCES: Mapping[str, str] = {
    # Read on each model's own card: huggingface.co/MODEL, README.md.
    "facebook/bart-base": "apache-2.0",
    "facebook/bart-large": "apache-2.0",
    "trustyai/gplus": "apache-2.0",
}
UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, order=True)
class Download:
    """A model of the Hub, and the commit that is meant, where one is given."""

    model: str
    revision: str | None = None

    @property
    def licence(self) -> str:
        """Its licence by its own card, or `unverified`."""
        return _LICENCES.get(self.model, UNVERIFIED)


def downloads_of(recipe: Recipe) -> list[Download]:
    """The models of the Hub that the recipe's steps name, in order, none twice."""
    found = dict.fromkeys(_named(recipe.model_dump()))
    return [each for each in found if not Path(each.model).expanduser().is_dir()]


def folders_of(recipe: Recipe) -> list[Path]:
    """The folders of models that the recipe's steps name."""
    found = dict.fromkeys(Path(each.model).expanduser() for each in _named(recipe.model_dump()))
    return [path for path in found if path.is_dir()]


def _named(settings: Any) -> Iterator[Download]:
    if isinstance(settings, list | tuple):
        for each in settings:
            yield from _named(each)
    if not isinstance(settings, Mapping):
        return
    # Behind an endpoint `model` is a name that only the endpoint knows.
    if isinstance(settings.get("model"), str) and not settings.get("url"):
        yield Download(settings["model"], settings.get("revision"))
    if isinstance(settings.get("base"), str) and "experts" in settings:
        revisions = settings.get("revisions") or {}
        for model in (settings["base"], *settings["experts"]):
            yield Download(model, revisions.get(model))
    for each in settings.values():
        yield from _named(each)
