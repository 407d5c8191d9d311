"""`trustydetox make-pairs`: what a run mended, as preference pairs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from trustydetox.cli.options import Run


def make_pairs(
    run: Run,
    out: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT.jsonl",
            help="Where the pairs go, as JSON lines; - is standard output.",
            show_default=False,
        ),
    ],
) -> None:
    """Write each mended text as a preference pair: the original is rejected, the mend chosen."""
    from trustydetox.corpus import make_pairs

    counts = make_pairs(run, out)
    print(f"pairs written {counts.written:,}", file=sys.stderr)
    for reason, n in counts.left_out.items():
        print(f"left out {n:,}: {reason}", file=sys.stderr)
