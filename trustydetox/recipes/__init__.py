"""Recipes: a named choice of steps and settings, and the pipeline it makes."""

from __future__ import annotations

from trustydetox.recipes.building import build_recipe, load_recipe
from trustydetox.recipes.downloads import Download, downloads_of
from trustydetox.recipes.lookup import ROLES, step_named, step_names
from trustydetox.recipes.parts import models_of
from trustydetox.recipes.policy import Policy, policy_names, read_policy
from trustydetox.recipes.recipe import (
    Recipe,
    Step,
    read_recipe,
    recipe_names,
    settings_of,
    write_recipe,
)

__all__ = [
    "ROLES",
    "Download",
    "Policy",
    "Recipe",
    "Step",
    "build_recipe",
    "downloads_of",
    "load_recipe",
    "models_of",
    "policy_names",
    "read_policy",
    "read_recipe",
    "recipe_names",
    "settings_of",
    "step_named",
    "step_names",
    "write_recipe",
]
