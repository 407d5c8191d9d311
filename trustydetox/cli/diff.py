"""`trustydetox diff`: what a run changed, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from trustydetox.cli.options import Run
from trustydetox.cli.showing import shown
from trustydetox.cli.summary import read_report, summary_lines
from trustydetox.report import Entry, action_of, field_family, read_records, visible

Verdicts = Literal["rewritten", "unresolved"]
Actions = Literal["rewritten", "dropped", "redacted", "kept"]
Changes = Literal["deletion", "replacement"]


def diff(
    run: Run,
    stat: Annotated[bool, typer.Option("--stat", help="Numbers instead of texts.")] = False,
    verdict: Annotated[
        Verdicts | None,
        typer.Option(help="Only texts with this verdict.", show_default=False),
    ] = None,
    action: Annotated[
        Actions | None,
        typer.Option(help="Only texts to which this was done.", show_default=False),
    ] = None,
    change: Annotated[
        Changes | None,
        typer.Option(help="Only texts with an edit of this kind.", show_default=False),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Only texts found toxic by this rule: threshold, or one of a policy such as "
            "labels.insult.",
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Only this field; /messages/*/content stands for every message's.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show each text that left otherwise than it came: what was cut, what was put in its place.

    Texts that were kept though toxic are shown where they are asked for.
    """
    wanted = _wanted(run, verdict, action, change, rule, field)
    if not stat:
        for entry in wanted:
            print("\n".join(shown(entry)), end="\n\n")
        return
    if {verdict, action, change, rule, field} == {None}:
        for line in summary_lines(read_report(run)):
            print(line)
        return
    for line in _stat(wanted):
        print(visible(line))


def _wanted(
    run: Path,
    verdict: str | None,
    action: str | None,
    change: str | None,
    rule: str | None,
    field: str | None,
) -> Iterator[Entry]:
    for entry in read_records(run):
        record = entry.record
        if record.verdict == "clean":
            continue
        done = action_of(record)
        kinds = {"replacement" if edit.replacement else "deletion" for edit in record.edits}
        if done == "kept" and not (action == "kept" or verdict):
            continue
        if (
            verdict in (None, record.verdict)
            and action in (None, done)
            and (change is None or change in kinds)
            and rule in (None, record.rule)
            and field in (None, entry.field, field_family(entry.field))
        ):
            yield entry


def _stat(entries: Iterable[Entry]) -> Iterator[str]:
    """A line per field, as git has one per file: texts, edits, characters put in and cut."""
    counts: dict[str, Counter[str]] = {}
    for entry in entries:
        of = counts.setdefault(field_family(entry.field), Counter())
        of["texts"] += 1
        for edit in entry.record.edits:
            of["edits"] += 1
            of["put"] += len(edit.replacement)
            of["cut"] += len(edit.span)
    width = max(map(len, counts), default=0)
    for name, of in sorted(counts.items()):
        yield (
            f"{name:<{width}} | {of['texts']:,} texts, {of['edits']:,} edits, "
            f"+{of['put']:,} -{of['cut']:,} characters"
        )
