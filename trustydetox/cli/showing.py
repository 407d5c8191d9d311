"""A text before and after, as lines of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from trustydetox.report import Entry, Piece, sample_of, visible

PLAIN = {"cut": ("[-", "-]"), "put": ("{+", "+}")}
COLOURED = {"cut": ("\x1b[9;31m", "\x1b[0m"), "put": ("\x1b[4;32m", "\x1b[0m")}


def shown(entry: Entry) -> Iterator[str]:
    """Where the text stands and what was done, then what it was and what became of it.

    What was cut and put is coloured on a terminal, and else stands in brackets.
    """
    marks = COLOURED if sys.stdout.isatty() else PLAIN
    sample = sample_of(*entry, most_marks=sys.maxsize)
    after = "" if sample.toxicity_after is None else f" -> {sample.toxicity_after:.2f}"
    reason = f" ({sample.reason})" if sample.reason else ""
    toxicity = f"toxicity {sample.toxicity:.2f}{after}"
    yield visible(f"{sample.place}: {sample.action}{reason}, {toxicity}")
    yield from _marked("-", sample.before, marks)
    if sample.action != "dropped":
        yield from _marked("+", sample.after, marks)


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
