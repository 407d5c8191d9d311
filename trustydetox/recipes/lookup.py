"""Steps by name: the built-in table, and what other packages register as entry points.

A package adds a step by an entry point in the group `trustydetox.scorers`, `.attributors`,
`.maskers`, `.infillers` or `.checks`, whose value is `module:class`. Nothing is imported before
the step is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trustydetox.errors import ConfigError, DetoxError, ModelError, did_you_mean
from trustydetox.steps import BUILT_IN

ROLES: Mapping[str, str] = {
    "scorers": "scorer",
    "attributors": "attributor",
    "maskers": "masker",
    "infillers": "infiller",
    "checks": "check",
}
"""Group of steps -> the word for one of them."""


def step_names(group: str) -> list[str]:
    """Every step of a group: the built-in ones, then the plug-ins', each in order of name."""
    return sorted(BUILT_IN[group]) + sorted(_plug_ins(group))


def step_named(group: str, name: str) -> Callable[..., Any]:
    """What makes the step `name`, imported now."""
    if name in BUILT_IN[group]:
        module, _, attribute = BUILT_IN[group][name].partition(":")
        made: Callable[..., Any] = getattr(import_module(module), attribute)
        return made
    plug_ins = _plug_ins(group)
    if name not in plug_ins:
        known = [*BUILT_IN[group], *plug_ins]
        raise ConfigError(f"no {ROLES[group]} is called {name!r}{did_you_mean(name, known)}")
    try:
        loaded: Callable[..., Any] = plug_ins[name].load()
    except DetoxError:
        raise
    except Exception as error:
        raise ModelError(
            f"the plug-in {ROLES[group]} {name!r} can't be imported from "
            f"{plug_ins[name].value}: {type(error).__name__}"
        ) from error
    return loaded


@lru_cache(maxsize=1)
def _entry_points(path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """Those of every group; reading every installed package's metadata takes 0.1 s or more."""
    every = entry_points()
    return {group: list(every.select(group=f"trustydetox.{group}")) for group in ROLES}


def _plug_ins(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in _entry_points(tuple(sys.path))[group]:
        taken = found.get(point.name)
        if point.name in BUILT_IN[group]:
            raise ConfigError(
                f"the plug-in {point.value} calls its {ROLES[group]} {point.name!r}, "
                "which is a built-in's name; uninstall it or rename it"
            )
        if taken is not None and taken.value != point.value:
            raise ConfigError(
                f"two plug-ins call a {ROLES[group]} {point.name!r}: {taken.value} and "
                f"{point.value}; uninstall one"
            )
        found[point.name] = point
    return found
