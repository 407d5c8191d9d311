"""`trustydetox train embedded`: the models in the wheel, built anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustydetox.cli.progress import say
from trustydetox.embedded import FOLDER
from trustydetox.errors import require_extra


def embedded(
    data: Annotated[
        Path,
        typer.Option(
            metavar="DATA_DIR",
            help="The folder of public sources, one folder per source.",
            show_default=False,
        ),
    ],
    work: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Where stages leave their results; a killed build goes on there."
        ),
    ] = Path("build/embedded"),
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where the weights go; without it beside the installed code, where recipes "
            "look for them.",
            show_default=False,
        ),
    ] = FOLDER,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STAGE",
            help="Run this stage; may be given again. Without it: all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Build the embedded models from public data: on a GPU where there is one, else in a day."""
    from trustydetox.training.embedded import STAGES, Build

    require_extra("sklearn", "train embedded", "evaluate")
    Build(data, work, out, say).run(stage or STAGES)
