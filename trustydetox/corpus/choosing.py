"""The pipeline that a caller in Python chose, known before its models are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trustydetox.detoxifier import Detoxifier, Fallback
from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.recipes import Policy, Recipe, build_recipe, models_of, read_recipe, settings_of
from trustydetox.roles import Action
from trustydetox.rows import by_role


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A pipeline and what identifies it.

    recipe: its settings, as a manifest writes them.
    models: file name -> sha256 of the weights that it uses.
    """

    source: Recipe | Detoxifier
    recipe: Mapping[str, Any]
    models: Mapping[str, str]

    @cached_property
    def detoxifier(self) -> Detoxifier:
        """The pipeline itself; its models are read when it is first asked for."""
        return self.source if isinstance(self.source, Detoxifier) else build_recipe(self.source)


def choose(
    recipe: str | Path | Detoxifier,
    threshold: float | None,
    fallback: Fallback | None,
    policy: Policy | None = None,
) -> Chosen:
    """What a recipe's name, its file or a pipeline stands for under a policy.

    threshold, fallback: win over the policy's, which win over the recipe's; None replaces nothing.

    A pipeline that was put together in Python is known by the hash that `datasets` gives it, or,
    where it can't be hashed, by a number that no other process has.
    """
    policy = policy or Policy()
    if not isinstance(recipe, Detoxifier):
        given = {"threshold": threshold, "fallback": fallback}
        given = {name: value for name, value in given.items() if value is not None}
        read = read_recipe(recipe, **(policy.overrides | given))
        settings = settings_of(read)
        return Chosen(source=read, recipe=settings, models=models_of(read))
    if policy.overrides.keys() - {"threshold", "fallback"}:
        raise ConfigError(
            f"policy {policy.name!r} chooses words or labels, which a pipeline that was put "
            "together in Python has chosen already: name a recipe"
        )
    threshold = policy.threshold if threshold is None else threshold
    fallback = policy.fallback if fallback is None else fallback
    made = replace(
        recipe,
        threshold=recipe.threshold if threshold is None else threshold,
        fallback=recipe.fallback if fallback is None else fallback,
    )
    settings = {
        "name": type(made).__name__,
        "threshold": made.threshold,
        "fallback": made.fallback,
        "hash": _hash(replace(made, threshold=1.0, fallback="keep")),
    }
    return Chosen(source=made, recipe=settings, models={})


def actions(roles: Mapping[str, str] | str) -> dict[str, Action]:
    """What may be done to whose words, from the names of roles and actions."""
    if isinstance(roles, str):
        roles = roles_in(roles)
    if not isinstance(roles, Mapping):
        raise ConfigError(
            "roles: expected a mapping such as {'user': 'rewrite'}, or 'user=rewrite', got "
            f"{type(roles).__name__}"
        )
    known = [str(one) for one in Action]
    for role, action in roles.items():
        if action not in known:
            raise ConfigError(
                f"roles: expected an action for {role!r}, got {action!r}"
                f"{did_you_mean(str(action), known)}"
            )
    return {role: Action(action) for role, action in by_role(roles).items()}


def roles_in(given: str) -> dict[str, str]:
    """The mapping that `ROLE=ACTION,…` is."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    for part in parts:
        if "=" not in part:
            raise ConfigError(f"roles: expected ROLE=ACTION, such as user=rewrite, got {part!r}")
    found: dict[str, str] = {}
    for role, _, action in (part.partition("=") for part in parts):
        if role.strip() in found:
            raise ConfigError(f"roles: {role.strip()!r} is named twice: name it once")
        found[role.strip()] = action.strip()
    return found


def _hash(detoxifier: Detoxifier) -> str:
    from datasets.fingerprint import Hasher, generate_random_fingerprint

    try:
        return str(Hasher.hash(detoxifier))
    except Exception:
        # Whatever pickling a stranger's step raises; `datasets` treats its transforms likewise.
        return str(generate_random_fingerprint())
