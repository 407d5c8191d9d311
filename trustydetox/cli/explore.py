"""`trustydetox explore`: what a model is, and what it can be used for here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from trustydetox.errors import ConfigError


def explore(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Folders, or ids of the Hub that are fetched."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line per model instead of a table.")
    ] = False,
) -> None:
    """Architecture, size, positions, vocabulary, task fit and memory, from the files alone.

    Weights are not loaded: shapes come from the headers of the safetensors files, so a model of any
    size takes a second.
    """
    from trustydetox.recipes import recipe_names
    from trustydetox.steps.exploring import explored

    for model in models:
        if model in recipe_names() and not Path(model).is_dir():
            raise ConfigError(
                f"{model!r} is a recipe, no model: expected a folder or an id of the Hub; "
                "`trustydetox list` shows recipes"
            )
    found = [explored(model) for model in models]
    if as_json:
        for one in found:
            print(json.dumps(one.to_dict()))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None)
    grid.add_column("")
    for one in found:
        grid.add_column(one.model, overflow="fold")
    columns: list[dict[str, Any]] = [one.to_dict() for one in found]
    for key in columns[0]:
        if key != "model":
            grid.add_row(key, *(Text(_shown(column[key])) for column in columns))
    Console(highlight=False).print(grid)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)
