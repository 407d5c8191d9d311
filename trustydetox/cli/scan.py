"""`trustydetox scan`: how toxic each text is, and which words make it so; nothing is changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from trustydetox.cli.clean import MaxBad, end_with_bad_rows
from trustydetox.cli.options import (
    Config,
    Field,
    Input,
    Locked,
    ProgressStyle,
    Quiet,
    RecipeName,
    Roles,
    Threshold,
    roles_in,
)
from trustydetox.cli.progress import show_progress
from trustydetox.errors import ConfigError
from trustydetox.report import visible


def scan(
    input_: Input,
    out: Annotated[
        str,
        typer.Option("-o", "--out", metavar="OUT.jsonl", help="Where the lines go; - is here."),
    ] = "-",
    field: Field = None,
    roles: Roles = "",
    recipe: RecipeName = "mini",
    threshold: Threshold = None,
    locked: Locked = False,
    max_bad: MaxBad = 0,
    progress: ProgressStyle = "auto",
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Print one JSON line per text: how toxic it is, and which characters make it so."""
    from trustydetox.corpus import scan_file
    from trustydetox.corpus.runs.outputs import Output, plain_errors
    from trustydetox.recipes import load_recipe
    from trustydetox.rows import format_of

    target = format_of(out)
    if target.table != "jsonl":
        raise ConfigError(f"a scan is written as JSON lines: expected a name in .jsonl, got {out}")
    if "-" not in (input_, out) and Path(input_).resolve() == Path(out).resolve():
        raise ConfigError(f"output and input are the same file: {out}")
    bad = 0
    said: list[str] = []
    with (
        plain_errors(out),
        show_progress("scan", "none" if quiet else progress) as advance,
        Output(out, target.compression) as output,
    ):
        for one in scan_file(
            input_,
            detoxifier=load_recipe(recipe, threshold=threshold, locked=locked or None),
            fields=field or (),
            roles=roles_in(roles),
            progress=advance,
            say=said.append,
        ):
            bad += "error" in one
            output.write(json.dumps(one).encode() + b"\n")
        output.finish()
        output.commit()
    sys.stdout.flush()
    for line in () if quiet else said:
        print(visible(line), file=sys.stderr)
    end_with_bad_rows(bad, max_bad)
