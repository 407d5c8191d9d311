"""From a recipe to the pipeline: the one place where steps meet the embedded weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.recipes.downloads import downloads_of
from trustydetox.recipes.lookup import ROLES, step_named
from trustydetox.recipes.parts import Parts
from trustydetox.recipes.recipe import Recipe, Step, read_recipe
from trustydetox.steps.loading import require_pinned

# A setting of these names holds another step, or a list of steps, of the group.
_NESTED = {
    **{word: group for group, word in ROLES.items()},
    **{group: group for group in ROLES},
    "gate": "scorers",
}
# A setting of these names holds a network: an embedded one by name, or that of a scorer.
_NETWORKS = ("guide", "marker")
_SCALARS: Mapping[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
}


def load_recipe(name_or_path: str | Path, **overrides: Any) -> Detoxifier:
    """The pipeline of a built-in recipe, or of a YAML file, ready to run.

    overrides: settings of the recipe to replace: `threshold=0.8`, `fallback="redact"`, …
    """
    return build_recipe(read_recipe(name_or_path, **overrides))


def build_recipe(recipe: Recipe) -> Detoxifier:
    """The pipeline of a recipe; loads the weights that its steps name, each once."""
    if recipe.locked:
        for each in downloads_of(recipe):
            require_pinned(each.model, each.revision)
    parts = Parts()
    scorer = _made("scorers", recipe.scorer, parts, {})
    shared = {"scorer": scorer}
    masker = recipe.masker
    lists = {key: words for key in ("allow", "deny") if (words := getattr(recipe, key))}
    if lists:
        masker = Step(step=masker.step, settings={**masker.settings, **lists})
    if recipe.spare:
        masker = Step(step="sparing", settings={"masker": masker, "spare": recipe.spare})
    return Detoxifier(
        scorer=scorer,
        attributor=_made("attributors", recipe.attributor, parts, shared),
        masker=_made("maskers", masker, parts, shared),
        infiller=_made("infillers", recipe.infiller, parts, shared),
        checks=tuple(_made("checks", check, parts, shared) for check in recipe.checks),
        threshold=recipe.threshold,
        labels=recipe.labels,
        fallback=recipe.fallback,
        redaction=recipe.redaction,
        rounds=recipe.rounds,
        tries=recipe.tries,
        is_foreign=parts.foreign(recipe.language),
    )


def _made(group: str, step: Step, parts: Parts, shared: Mapping[str, Any]) -> Any:
    make = step_named(group, step.step)
    where = f"{ROLES[group]} {step.step!r}"
    _require_known(make, step.settings, where)
    settings = {
        key: _resolved(key, value, parts, shared, where) for key, value in step.settings.items()
    }
    try:
        return make(**settings)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where} can't be made: {error}") from error


def _require_known(make: Callable[..., Any], settings: Mapping[str, Any], where: str) -> None:
    parameters = inspect.signature(make).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    for key in settings:
        if key not in parameters:
            raise ConfigError(f"{where} has no setting {key!r}{did_you_mean(key, parameters)}")
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and key not in settings:
            raise ConfigError(f"{where} lacks its setting {key!r}")
    hints = get_type_hints(make if not inspect.isclass(make) else make.__init__)
    for key, value in settings.items():
        expected = _SCALARS.get(hints.get(key))
        # True is an int to Python, and 1 a poor way to say yes.
        fits = expected is None or (
            isinstance(value, expected) and isinstance(value, bool) == (bool in expected)
        )
        if not fits:
            kind = hints[key].__name__
            raise ConfigError(f"{where}: {key} must be of type {kind}, got {value!r}")


def _resolved(key: str, value: Any, parts: Parts, shared: Mapping[str, Any], where: str) -> Any:
    if key in _NETWORKS and (value == "recipe" or isinstance(value, Mapping)):
        return _network(_nested("scorers", value, parts, shared), where)
    if isinstance(value, str) and parts.has(key):
        return parts.named(key, value, where)
    if key in _NESTED:
        if isinstance(value, list | tuple):
            return tuple(_nested(_NESTED[key], one, parts, shared) for one in value)
        return _nested(_NESTED[key], value, parts, shared)
    return tuple(value) if isinstance(value, list) else value


def _network(scorer: Any, where: str) -> Any:
    """What a scorer asks, itself or by another: attributors explain it, or let it mark words."""
    asking = scorer
    while not hasattr(asking, "guide") and hasattr(asking, "scorer"):
        asking = asking.scorer
    network = getattr(asking, "guide", None)
    if network is None:
        raise ConfigError(
            f"{where}: a {type(scorer).__name__} has no network to look into; use leave-one-out, "
            "or name a classifier"
        )
    return network


def _nested(group: str, value: Any, parts: Parts, shared: Mapping[str, Any]) -> Any:
    """A step inside a step; `recipe` is the recipe's own of that role."""
    if value == "recipe" and ROLES[group] in shared:
        return shared[ROLES[group]]
    return _made(group, _step(value), parts, shared)


def _step(value: Any) -> Step:
    return value if isinstance(value, Step) else Step.model_validate(value)
