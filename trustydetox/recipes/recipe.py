"""A recipe: which steps, with which settings. Read from YAML, nothing loaded yet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trustydetox.detoxifier import Fallback
from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.recipes.reading import one_line, read_yaml


class Step(BaseModel):
    """One step by name, with the settings that its class takes.

    In YAML the settings stand beside the name, and a step without settings is its name alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    settings: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"step": value}
        if isinstance(value, Mapping) and "settings" not in value:
            settings = {key: setting for key, setting in value.items() if key != "step"}
            return {**{key: value[key] for key in ("step",) if key in value}, "settings": settings}
        return value

    def to_dict(self) -> dict[str, Any]:
        """The step as YAML writes it."""
        return {"step": self.step, **self.settings}


class Recipe(BaseModel):
    """Everything that decides what a run does to a text.

    language: the one that the steps read; None where they read any.
    labels: thresholds of labels of the scorer's, from each of which on a text is toxic too.
    locked: whether a model of the Hub that isn't named by its commit is refused.
    allow, deny: words that are never, and always, masked in a toxic text.
    spare: contexts in which words are never masked, by the names that `Sparing` knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "unnamed"
    description: str = ""
    language: str | None = None
    scorer: Step
    attributor: Step
    masker: Step
    infiller: Step
    checks: Annotated[tuple[Step, ...], Field(min_length=1)]
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    labels: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    fallback: Fallback = "drop"
    redaction: str = "[removed]"
    rounds: Annotated[int, Field(ge=1)] = 3
    tries: Annotated[int, Field(ge=1)] = 8
    locked: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()


def recipe_names() -> list[str]:
    """The built-in recipes, in order of name."""
    return sorted(
        Path(entry.name).stem
        for entry in files("trustydetox.recipes").iterdir()
        if entry.name.endswith(".yaml")
    )


def read_recipe(name_or_path: str | Path, **overrides: Any) -> Recipe:
    """A built-in recipe by name, or one in a YAML file by path (with a `/` or ending in .yaml).

    A setting that starts with `./` is a path beside the recipe's own file.

    overrides: settings of `Recipe` that replace the file's; None replaces nothing.
    """
    path = _path_of(name_or_path)
    settings = {"name": path.stem, **_anchored(read_yaml(path), path.parent.absolute())}
    settings |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise one_line(error, Recipe, f"recipe {path.stem!r}") from error


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the recipe as YAML that `read_recipe` reads, what it leaves to defaults left out."""
    given = {key: _plain(getattr(recipe, key)) for key in recipe.model_fields_set}
    ordered = {key: given[key] for key in type(recipe).model_fields if key in given}
    path.write_text(yaml.safe_dump(ordered, sort_keys=False, width=98), encoding="utf-8")


def _anchored(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _anchored(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_anchored(inner, folder) for inner in value]
    if isinstance(value, str) and value.startswith("./"):
        return str(folder / value)
    return value


def _path_of(name_or_path: str | Path) -> Path:
    built_in = recipe_names()
    if name_or_path in built_in:
        return Path(str(files("trustydetox.recipes"))) / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise ConfigError(f"there is no recipe file {str(path)!r}")
        return path
    near = did_you_mean(str(name_or_path), built_in)
    raise ConfigError(f"no recipe is called {str(name_or_path)!r}{near}")


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest writes it: all settings, defaults included.

    The allow- and deny-lists stand there as their count and sha256: they may hold slurs.
    """
    settings = {
        key: _plain(getattr(recipe, key))
        for key in type(recipe).model_fields
        if key not in {"allow", "deny"}
    }
    return settings | {"allow": _digest(recipe.allow), "deny": _digest(recipe.deny)}


def _plain(value: Any) -> Any:
    if isinstance(value, Step):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _digest(words: tuple[str, ...]) -> dict[str, Any] | None:
    if not words:
        return None
    content = "\n".join(sorted(words)).encode("utf-8", "backslashreplace")
    return {"words": len(words), "sha256": hashlib.sha256(content).hexdigest()}
