"""The command line, and the only place that prints."""

from __future__ import annotations

from typing import Annotated

import typer

from trustydetox.cli.clean import clean
from trustydetox.cli.commands import Commands
from trustydetox.cli.compare import compare
from trustydetox.cli.convert import convert
from trustydetox.cli.deploy import deploy
from trustydetox.cli.diff import diff
from trustydetox.cli.doctor import doctor
from trustydetox.cli.evaluate import evaluate
from trustydetox.cli.explore import explore
from trustydetox.cli.fetch import fetch
from trustydetox.cli.infer import infer
from trustydetox.cli.listing import list_
from trustydetox.cli.pairs import make_pairs
from trustydetox.cli.play import play
from trustydetox.cli.push import push
from trustydetox.cli.report import report
from trustydetox.cli.revert import revert
from trustydetox.cli.review import review
from trustydetox.cli.scan import scan
from trustydetox.cli.schema import schema
from trustydetox.cli.serve import serve
from trustydetox.cli.train import train

app = typer.Typer(
    name="trustydetox",
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import trustydetox

        print(f"trustydetox {trustydetox.__version__}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def _trustydetox(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the toxic words of a training set and mend only those, with every edit on record."""


app.command("scan")(scan)
app.command("clean")(clean)
app.command("diff")(diff)
app.command("report")(report)
app.command("review")(review)
app.command("revert")(revert)
app.command("make-pairs")(make_pairs)
app.add_typer(evaluate, name="evaluate")
app.command("compare")(compare)
app.add_typer(train, name="train")
app.command("convert")(convert)
app.command("push")(push)
app.command("deploy")(deploy)
app.command("infer")(infer)
app.command("serve")(serve)
app.command("fetch")(fetch)
app.command("play")(play)
app.command("list")(list_)
app.command("schema")(schema)
app.command("explore")(explore)
app.command("doctor")(doctor)


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="trustydetox")
