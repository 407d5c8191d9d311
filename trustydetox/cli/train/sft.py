"""`trustydetox train sft`: rows in, cleaned; an adapter, a merged model and a card out."""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from trustydetox.cli.progress import say

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings that are TRL's: they reach its own parser, which knows them all."""

Rows = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUT",
        help="A .jsonl, .json, .csv or .parquet file of rows; it takes the place of the YAML's "
        "`datasets`.",
        show_default=False,
    ),
]
SftConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="PRESET|FILE.yaml",
        help="Settings in TRL's words, and `detox_…` for the cleaning; opt-350m-qlora is a preset.",
        show_default=False,
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge/--no-merge", help="Also write base and adapter as one model, beside the adapter."
    ),
]


def sft(
    ctx: typer.Context, rows: Rows = None, config: SftConfigFile = None, merge: Merge = True
) -> None:
    """Clean rows, fine-tune a model on them with TRL's SFTTrainer, write adapter, model and card.

    Every setting of TRL's SFTConfig, ModelConfig, ScriptArguments and DatasetMixtureConfig and of
    DetoxConfig can be given as --name value and wins over the YAML. Works under torchrun and
    accelerate launch too. A run that ended early goes on from its last checkpoint.
    """
    from trustydetox.training import finetune, read_settings

    quietly()
    # The trainer prints its losses; standard output is for data.
    with redirect_stdout(sys.stderr):
        finetune(read_settings(config, ctx.args, rows=rows), merge=merge, say=say)


def quietly() -> None:
    """No warnings about a name of transformers' that TRL uses and that is to change."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
