"""What a measurement answers: tables on standard output, numbers in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox.errors import ConfigError

if TYPE_CHECKING:
    from trustydetox.evaluation.tables import Table

Write = Callable[[Any, "Sequence[Table]"], None]


def writer(out: Path | None) -> Write:
    """What writes the numbers to OUT; a wrong OUT is refused before the work begins."""
    from trustydetox.evaluation import tables

    if out is None:
        return lambda report, shown: None
    if out.suffix not in {".json", ".md"}:
        raise ConfigError(f"expected an output that ends in .json or .md, got {out.name!r}")
    touch(out)

    def write(report: Any, shown: Sequence[Table]) -> None:
        if out.suffix == ".md":
            text = tables.markdown(shown)
        else:
            content = {"schema": tables.SCHEMA, **tables.values(report)}
            text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        out.write_text(text, encoding="utf-8")

    return write


def touch(out: Path) -> None:
    """Refuse a file that can't be written."""
    try:
        out.touch()
    except OSError as error:
        raise ConfigError(f"can't write {out}: {error.strerror}") from error


def answer(report: Any, shown: Sequence[Table], write: Write) -> None:
    """Write the numbers, and print the tables."""
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    write(report, shown)
    # A pipe has no width of its own, and a table cut at 80 columns can't be read.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    for table in shown:
        grid = Grid(title=table.title, caption=table.note, title_justify="left", box=None)
        for column in table.columns:
            grid.add_column(column, overflow="fold")
        for row in table.rows:
            grid.add_row(*map(Text, row))
        console.print(grid)
        console.print()
