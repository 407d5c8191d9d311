"""`trustydetox train`: what builds models, one file per command."""

from __future__ import annotations

import typer

from trustydetox.cli.train.embedded import embedded

train = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train models.")


@train.callback()
def _of() -> None:
    """Keep `train` a group while it has one command."""


train.command("embedded")(embedded)
