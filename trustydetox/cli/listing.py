"""`trustydetox list`: the recipes, policies and steps that can be named."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from trustydetox.errors import DetoxError
from trustydetox.recipes import (
    ROLES,
    downloads_of,
    policy_names,
    read_policy,
    read_recipe,
    recipe_names,
    step_named,
    step_names,
)
from trustydetox.report import visible


def list_() -> None:
    """Show the recipes, policies and steps, built in and from plug-ins, each in a line."""
    sections = {"Recipes": [each for name in recipe_names() for each in _recipe(name)]}
    sections["Policies"] = [(name, read_policy(name).description) for name in policy_names()]
    for group in ROLES:
        sections[group.capitalize()] = [
            (name, _first_line(group, name)) for name in step_names(group)
        ]
    width = max(len(name) for lines in sections.values() for name, _ in lines)
    for title, lines in sections.items():
        print(title)
        for name, says in lines:
            print(visible(f"  {name:<{width}}  {says}").rstrip())


def _recipe(name: str) -> Iterator[tuple[str, str]]:
    recipe = read_recipe(name)
    yield name, recipe.description
    for each in downloads_of(recipe):
        yield "", f"needs {each.model} (licence: {each.licence})"


def _first_line(group: str, name: str) -> str:
    try:
        made = step_named(group, name)
    except DetoxError as error:
        return f"can't be used: {error}"
    return (inspect.getdoc(made) or "").partition("\n")[0]
