"""`trustydetox report`: the page of a run, rendered anew."""

from __future__ import annotations

from typing import Annotated

import typer

from trustydetox.cli.options import Run
from trustydetox.cli.summary import read_report, title_of, write_private
from trustydetox.report import Summary, read_records, render_page, visible


def report(
    run: Run,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Numbers only: no text and no word of any row.")
    ] = False,
) -> None:
    """Render a run's report.html anew from its records, with or without texts."""
    numbers = read_report(run)
    summary = Summary()
    if not no_text:
        for entry in read_records(run):
            summary.add(*entry)
    path = run / "report.html"
    page = render_page(numbers, summary.samples(), summary.top_words(), title=title_of(run))
    write_private(path, page)
    print(visible(str(path)))
