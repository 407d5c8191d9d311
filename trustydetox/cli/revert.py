"""`trustydetox revert`: the input of a run again."""

from __future__ import annotations

from typing import Annotated

import typer

from trustydetox.cli.options import Run


def revert(
    run: Run,
    out: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="Where the restored input goes, a folder if it was one; - is standard output.",
            show_default=False,
        ),
    ],
) -> None:
    """Undo a run: write its input again, byte for byte, dropped and bad rows included."""
    from trustydetox.corpus import revert_file

    revert_file(run, out)
