"""`trustydetox train`: what builds models."""

from __future__ import annotations

import typer

train = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train models.")


@train.callback()
def _of() -> None:
    """Keep `train` a group while it has one command."""
