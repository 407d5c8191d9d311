"""`trustydetox schema`: what a YAML file of ours may say, for editors and checkers."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from pydantic import BaseModel

from trustydetox.recipes import Policy, Recipe

MODELS: dict[str, type[BaseModel]] = {"policy": Policy, "recipe": Recipe}


def schema(
    name: Annotated[
        Literal["policy", "recipe"],
        typer.Argument(help="Of which kind of file.", show_default=False),
    ],
) -> None:
    """Print the JSON schema of a kind of YAML file."""
    print(json.dumps(MODELS[name].model_json_schema(), indent=2))
