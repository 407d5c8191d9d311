"""`trustydetox fetch`: models from the Hub, once and safely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustydetox.errors import ConfigError


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="A recipe, a model of the Hub, or with --out a folder with pickled weights.",
            show_default=False,
        ),
    ],
    revision: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT", help="Of the one model named: the commit meant.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Of the one folder named: where its weights go as safetensors.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Get the models that a recipe needs; pickled weights become safetensors, safely."""
    from trustydetox.recipes import Download, downloads_of, read_recipe, recipe_names
    from trustydetox.steps.fetching import convert
    from trustydetox.steps.fetching import fetch as get

    if (revision or out) and len(names) > 1:
        raise ConfigError("--revision and --out are for one model; name one")
    if Path(names[0]).is_dir():
        if out is None or len(names) > 1:
            raise ConfigError(f"{names[0]} is a folder: name it alone and say with --out where to")
        convert(Path(names[0]), out)
        print(out)
        return
    if out is not None:
        raise ConfigError(f"--out is for a folder with pickled weights; {names[0]} is none")
    for name in names:
        is_recipe = name in recipe_names() or name.endswith((".yaml", ".yml"))
        wanted = downloads_of(read_recipe(name)) if is_recipe else [Download(name, revision)]
        for each in wanted:
            print(get(each.model, each.revision), flush=True)
