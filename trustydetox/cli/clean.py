"""`trustydetox clean`: the same file with its toxic spans mended, and a run folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trustydetox.cli.options import Config, Field, Input, RecipeName, Roles, Threshold, roles_in
from trustydetox.cli.progress import progress
from trustydetox.cli.summary import summary_lines
from trustydetox.report import RowCounts, Summary, render_page, visible

if TYPE_CHECKING:
    from trustydetox.corpus import Counts

TOO_MANY_BAD = 4

MaxBad = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Exit with 4 when more rows than this were bad."),
]


def clean(
    input_: Input,
    out: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="Where the cleaned rows go; its ending names the format. - is standard output, "
            "as JSON lines, and needs --run.",
            show_default=False,
        ),
    ],
    field: Field = None,
    roles: Roles = "",
    recipe: RecipeName = "mini",
    threshold: Threshold = None,
    fallback: Annotated[
        Literal["drop", "redact", "keep"] | None,
        typer.Option(
            help="What to do with a toxic text that can't be mended: drop its row, redact the "
            "toxic spans, or keep it. Without it: the recipe's.",
            show_default=False,
        ),
    ] = None,
    allow_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Words that are never touched, one a line.", show_default=False
        ),
    ] = None,
    deny_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Words that go from every toxic text, one a line.",
            show_default=False,
        ),
    ] = None,
    max_bad: MaxBad = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; count what would be done.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Replace a finished run in the run folder.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The run folder; without it OUT.detox. It will hold original texts.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Mend the toxic spans of a file's texts; all else stays as it is, byte for byte."""
    from trustydetox.corpus import clean_file, run_folder
    from trustydetox.corpus.runs import versions
    from trustydetox.recipes import build_recipe, models_of, read_recipe, settings_of

    chosen = read_recipe(
        recipe,
        threshold=threshold,
        fallback=fallback,
        allow=_words(allow_list),
        deny=_words(deny_list),
    )
    settings = settings_of(chosen)
    summary = Summary()

    def report(counts: Counts) -> dict[str, Any]:
        rows = RowCounts(
            read=counts.read,
            written=counts.written,
            dropped=counts.dropped,
            quarantined=counts.quarantined,
        )
        return summary.report(rows, recipe=settings, versions=versions())

    def documents(counts: Counts) -> dict[str, str]:
        content = report(counts)
        return {
            "report.json": json.dumps(content, indent=2) + "\n",
            "report.html": render_page(content, summary.samples(), summary.top_words()),
        }

    with progress("clean") as advance:
        counts = clean_file(
            input_,
            out,
            detoxifier=build_recipe(chosen),
            fields=field or (),
            roles=roles_in(roles),
            run=run,
            fresh=fresh,
            dry_run=dry_run,
            settings={"recipe": settings, "models": models_of(chosen)},
            observe=summary.add,
            progress=advance,
            documents=documents,
        )
    for line in summary_lines(report(counts)):
        print(line, file=sys.stderr)
    if dry_run:
        print("nothing was written: --dry-run", file=sys.stderr)
    else:
        folder = run if run is not None else run_folder(out)
        print(visible(f"run folder: {folder}"), file=sys.stderr)
    end_with_bad_rows(counts.quarantined, max_bad)


def _words(path: Path | None) -> tuple[str, ...] | None:
    from trustydetox.steps.masking import load_words

    return None if path is None else tuple(sorted(load_words(path)))


def end_with_bad_rows(bad: int, max_bad: int) -> None:
    """Exit with 4 where there were more bad rows than allowed."""
    if bad > max_bad:
        rows = "1 bad row is" if bad == 1 else f"{bad:,} bad rows are"
        print(f"error: {rows} more than --max-bad {max_bad:,}", file=sys.stderr)
        raise typer.Exit(TOO_MANY_BAD)
