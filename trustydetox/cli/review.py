"""`trustydetox review`: a person says of each edit whether it stands."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from getpass import getuser
from itertools import combinations
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trustydetox.cli.options import Run
from trustydetox.cli.showing import shown
from trustydetox.errors import ConfigError, InputError
from trustydetox.report import Entry, visible

if TYPE_CHECKING:
    from trustydetox.corpus.reviews.decisions import Decision

KEYS = {"a": "accept", "r": "reject", "k": "keep", "e": "edit", "s": "skip", "q": "quit"}
HELP = """a  accept: what was done is right
r  reject: this rewrite won't do; the recipe's fallback is what is left
k  keep: nothing is wrong with the original
e  edit: write another text
s  skip: not now
q  quit: what is decided is kept, the same command goes on"""
WAITING = (
    "a text that is only scored, or dropped, stays so: an edit or a rejection of it counts where "
    "--roles or a policy lets it be rewritten"
)


def review(
    run: Run,
    by: Annotated[
        Literal["order", "random", "uncertain", "disagreement"],
        typer.Option(
            help="Which texts come first: as they stand, drawn at random, those near the "
            "threshold, or those of which guide and check think most differently."
        ),
    ] = "order",
    most: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many texts.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of what is drawn at random.")] = 0,
    reviewer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who decides. Without it: the name of the account."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="Write the texts to FILE, to be decided elsewhere."
        ),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE.jsonl", help="Take the decisions in FILE over."),
    ] = None,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Say how far each two reviewers agree.")
    ] = False,
) -> None:
    """Accept, reject or change each edit of a run; what is decided goes to RUN/review.jsonl.

    `clean --review RUN/review.jsonl` then takes it as it is. What this reviewer has decided
    before isn't asked again.
    """
    if sum(map(bool, (export, import_, agreement))) > 1:
        raise ConfigError("--export, --import and --agreement do different things: choose one")
    if agreement:
        _agree(run)
        return
    name = reviewer or _account()
    if import_ is not None:
        _import(run, import_, name)
    elif export is not None:
        _export(export, _left(run, by, most, seed, name))
    else:
        _ask(run, _left(run, by, most, seed, name), name)


def _account() -> str:
    """The name of the account; in a container nobody may know it."""
    try:
        return getuser()
    except (KeyError, OSError) as error:
        raise ConfigError("this account has no name: name yourself with --reviewer") from error


def _left(run: Path, by: str, most: int | None, seed: int, name: str) -> list[Entry]:
    from trustydetox.corpus import read_manifest
    from trustydetox.corpus.reviews.decisions import latest, read_decisions, to_review
    from trustydetox.corpus.runs.folder import REVIEW

    decided: set[tuple[str, int, str]] = set()
    if (run / REVIEW).is_file():
        decided = set(latest(read_decisions(run / REVIEW)).get(name, {}))
    threshold = read_manifest(run)["threshold"]
    return list(to_review(run, by=by, most=most, seed=seed, threshold=threshold, decided=decided))


def _ask(run: Path, entries: list[Entry], name: str) -> None:
    from trustydetox.corpus.reviews.decisions import add_decisions
    from trustydetox.corpus.runs.folder import REVIEW

    added = add_decisions(run, _answers(entries, name))
    print(visible(f"{added:,} decided, in {run / REVIEW}"), file=sys.stderr)


def _answers(entries: list[Entry], name: str) -> Iterator[Decision]:
    from trustydetox.corpus.reviews.decisions import Choice, Decision

    for number, entry in enumerate(entries, start=1):
        print(f"{number} of {len(entries)}")
        print("\n".join(shown(entry)))
        said = _key()
        while said not in KEYS:
            print(HELP)
            said = _key()
        if said == "q":
            return
        text = _written(entry) if said == "e" else None
        # An edit that says nothing is no decision.
        if said == "s" or (said == "e" and text is None):
            continue
        at = datetime.now(UTC).isoformat(timespec="seconds")
        decision = Decision(entry, Choice(KEYS[said]), name, at, text)
        if decision.waits:
            print(WAITING)
        yield decision


def _key() -> str:
    print("accept, reject, keep, edit, skip, quit [a/r/k/e/s/q/?] ", end="", flush=True)
    line = sys.stdin.readline()
    return line.strip().lower()[:1] if line else "q"


def _written(entry: Entry) -> str | None:
    """The text that the reviewer wrote, in their editor on a terminal, else as a line."""
    was = entry.record
    if sys.stdin.isatty():
        return edited(was.output or was.original)
    print("the text instead: ", end="", flush=True)
    return sys.stdin.readline().removesuffix("\n") or None


def edited(text: str) -> str | None:
    """What the reviewer's editor leaves of a text; None where nothing was changed."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    # Only its owner can read the file.
    with NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write(text)
        file.flush()
        try:
            subprocess.run([*editor, file.name], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"the editor {editor[0]!r} failed: EDITOR names another") from error
        # As bytes: reading text would make LF of every CRLF.
        found = Path(file.name).read_bytes().decode()
    if not text.endswith("\n"):
        # Editors end the last line as the others.
        found = found.removesuffix("\r\n" if "\r\n" in text else "\n")
    return None if found == text else found


def _export(path: Path, entries: list[Entry]) -> None:
    from trustydetox.cli.summary import write_private
    from trustydetox.corpus.reviews.decisions import review_line

    write_private(path, "".join(map(review_line, entries)))
    print(visible(f"{len(entries):,} texts to decide, in {path}"), file=sys.stderr)


def _import(run: Path, path: Path, name: str) -> None:
    from trustydetox.corpus.reviews.decisions import add_decisions, read_decisions
    from trustydetox.corpus.runs.folder import REVIEW
    from trustydetox.report import read_records

    decisions = list(read_decisions(path, reviewer=name))
    wanted = {decision.entry.key: decision.entry for decision in decisions}
    originals = {
        entry.key: entry.record.original for entry in read_records(run) if entry.key in wanted
    }
    for key, entry in wanted.items():
        if originals.get(key) != entry.record.original:
            where = f"row {entry.row}, {entry.field}"
            raise InputError(f"{path} decides of {where}, where {run} has another text")
    added = add_decisions(run, decisions)
    print(visible(f"{added:,} decisions added to {run / REVIEW}"), file=sys.stderr)
    waiting = sum(decision.waits for decision in decisions)
    if waiting:
        print(f"{waiting:,} of them: {WAITING}", file=sys.stderr)


def _agree(run: Path) -> None:
    from trustydetox.corpus.reviews.decisions import latest, read_decisions
    from trustydetox.corpus.runs.folder import REVIEW
    from trustydetox.evaluation.intervals import bootstrap, wilson
    from trustydetox.evaluation.measures import kappa

    by_reviewer = latest(read_decisions(run / REVIEW))
    if len(by_reviewer) < 2:
        raise InputError(f"{run / REVIEW} holds the decisions of {len(by_reviewer)} reviewer(s)")
    for one, other in combinations(sorted(by_reviewer), 2):
        both = sorted(by_reviewer[one].keys() & by_reviewer[other].keys())
        first = [by_reviewer[one][key].choice.value for key in both]
        second = [by_reviewer[other][key].choice.value for key in both]
        line = f"{one} and {other}: {len(both):,} texts decided by both"
        if both:
            same = wilson(sum(map(str.__eq__, first, second)), len(both))
            chance = bootstrap(kappa(first, second), len(both))
            line += f", the same {same.value:.0%} [{same.low:.0%}, {same.high:.0%}]"
            line += f", kappa {chance.value:.2f} [{chance.low:.2f}, {chance.high:.2f}]"
        print(visible(line))
