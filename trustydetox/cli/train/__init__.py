"""`trustydetox train`: what builds models, one file per command."""

from __future__ import annotations

import typer

from trustydetox.cli.train.arms import arms
from trustydetox.cli.train.embedded import embedded
from trustydetox.cli.train.experts import experts
from trustydetox.cli.train.rewriter import rewriter
from trustydetox.cli.train.rl import rl
from trustydetox.cli.train.scorer import scorer
from trustydetox.cli.train.sft import PASSED_ON, sft

train = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train models.")

train.command("embedded")(embedded)
train.command("experts")(experts)
train.command("scorer")(scorer)
train.command("sft", context_settings=PASSED_ON)(sft)
train.command("arms", context_settings=PASSED_ON)(arms)
train.command("rewriter")(rewriter)
train.command("rl")(rl)
