"""`trustydetox train arms`: the same training on raw, filtered, edited and cleaned rows."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from trustydetox.cli.progress import say
from trustydetox.cli.train.sft import Merge, Rows, SftConfigFile, quietly


def arms(
    ctx: typer.Context,
    rows: Rows = None,
    config: SftConfigFile = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARM",
            help="raw, filtered, size-matched, delete-only, random-edit or detoxed; may be given "
            "again. Without it: all, but size-matched only with --reserve.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often each arm is trained.")
    ] = 3,
    reserve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Further rows: the clean ones among them fill up arm size-matched.",
            show_default=False,
        ),
    ] = None,
    merge: Merge = True,
) -> None:
    """Train one base on the same rows cleaned and not, matched in seed, steps and tokens.

    Settings as for `train sft`, with max_steps. Each arm and seed has a folder under output_dir;
    what is done is left alone, what was begun is gone on with. `evaluate model` and `compare`
    measure them.
    """
    from trustydetox.training import ARMS, read_settings, train_arms

    quietly()
    names = arm or [name for name in ARMS if reserve is not None or name != "size-matched"]
    # The trainer prints its losses; standard output is for data.
    with redirect_stdout(sys.stderr):
        settings = read_settings(config, ctx.args, rows=rows)
        further = None if reserve is None else read_settings(rows=reserve).rows()["train"]
        train_arms(settings, names, seeds=seeds, reserve=further, merge=merge, say=say)
