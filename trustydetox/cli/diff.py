"""`trustydetox diff`: what a run changed, before and after."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from trustydetox.cli.options import Run
from trustydetox.cli.summary import read_report, summary_lines
from trustydetox.report import Piece, read_records, sample_of, visible

PLAIN = {"cut": ("[-", "-]"), "put": ("{+", "+}")}
COLOURED = {"cut": ("\x1b[9;31m", "\x1b[0m"), "put": ("\x1b[4;32m", "\x1b[0m")}


def diff(
    run: Run,
    stat: Annotated[bool, typer.Option("--stat", help="Numbers instead of texts.")] = False,
) -> None:
    """Show each text that left otherwise than it came: what was cut, what was put in its place."""
    if stat:
        for line in summary_lines(read_report(run)):
            print(line)
        return
    marks = COLOURED if sys.stdout.isatty() else PLAIN
    for entry in read_records(run):
        record = entry.record
        if record.output == record.original:
            continue
        sample = sample_of(*entry, most_marks=sys.maxsize)
        after = "" if sample.toxicity_after is None else f" -> {sample.toxicity_after:.2f}"
        reason = f" ({sample.reason})" if sample.reason else ""
        print(
            visible(
                f"{sample.place}: {sample.action}{reason}, toxicity {sample.toxicity:.2f}{after}"
            )
        )
        print("\n".join(_marked("-", sample.before, marks)))
        if sample.action != "dropped":
            print("\n".join(_marked("+", sample.after, marks)))
        print()


def _marked(sign: str, pieces: Iterable[Piece], marks: dict[str, tuple[str, str]]) -> Iterator[str]:
    """The pieces as lines, each after the sign; marks don't cross a line break."""
    line = f"{sign} "
    for piece in pieces:
        if piece.kind == "gap":
            line += " […] "
            continue
        opening, closing = marks.get(piece.kind, ("", ""))
        first, *others = visible(piece.text).split("\n")
        line += f"{opening}{first}{closing}" if first else ""
        for other in others:
            yield line
            line = f"{sign} "
            line += f"{opening}{other}{closing}" if other else ""
    yield line
