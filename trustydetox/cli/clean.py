"""`trustydetox clean`: the same file with its toxic spans mended, and a run folder."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trustydetox.cli.bucket import SCHEME, local_place, send
from trustydetox.cli.options import (
    Config,
    Field,
    Input,
    Locked,
    ProgressStyle,
    Quiet,
    RecipeName,
    Roles,
    Threshold,
    roles_in,
)
from trustydetox.cli.progress import Style, show_progress
from trustydetox.cli.summary import read_report, summary_lines, title_of
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.report import Gate, visible

if TYPE_CHECKING:
    from trustydetox.corpus import Counts
    from trustydetox.corpus.engines.engine import Engine
    from trustydetox.corpus.files.pieces import Share
    from trustydetox.detoxifier import Detoxifier
    from trustydetox.recipes import Recipe

GATE_FAILED = 1
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
            help="Where the cleaned rows go; its ending names the format. Of a folder, a folder. "
            "- is standard output, as JSON lines, and needs --run, as s3://BUCKET/KEY does.",
            show_default=False,
        ),
    ],
    field: Field = None,
    roles: Roles = "",
    recipe: RecipeName = "mini",
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="When a text is toxic, what is done then, what is let stand, and how much is too "
            "much: strict, balanced, keep-identity-terms or a file. Options win over it.",
            show_default=False,
        ),
    ] = None,
    threshold: Threshold = None,
    locked: Locked = False,
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
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Decisions of `review`, which stand; where two reviewers differ, none does.",
            show_default=False,
        ),
    ] = None,
    max_bad: MaxBad = 0,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RATE>LIMIT",
            help="Exit with 1 when this holds, such as drop_rate>0.02; the output is written all "
            "the same. May be given again.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; count what would be done.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Start over, and replace the run in the run folder, whatever it was."
        ),
    ] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where the models run: on this machine, or on a Ray cluster."),
    ] = "local",
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes that run the models, each with its own. Their number changes no byte.",
        ),
    ] = 1,
    shard_index: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="I",
            help="Do only every N-th shard of the run, from the I-th on, and write no output: for "
            "array jobs on one file system. Then the same command without it writes the output.",
            show_default=False,
        ),
    ] = None,
    num_shards: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many jobs share the run.", show_default=False),
    ] = None,
    row_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="S",
            help="Set a row aside over whose text the models take longer. They run in processes "
            "of their own then. Without it nothing is stopped.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The run folder; without it OUT.detox. It will hold original texts.",
            show_default=False,
        ),
    ] = None,
    progress: ProgressStyle = "auto",
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Mend the toxic spans of a file's texts; all else stays as it is, byte for byte."""
    from trustydetox.corpus import clean_file, run_folder
    from trustydetox.corpus.files.inputs import copied_of
    from trustydetox.corpus.runs.reporting import Reporting
    from trustydetox.recipes import Policy, models_of, read_policy, read_recipe, settings_of

    rules = Policy() if policy is None else read_policy(policy)
    gates = [Gate.of(one) for one in (*rules.fail_on, *(fail_on or ()))]
    given = {
        "threshold": threshold,
        "fallback": fallback,
        "locked": locked or None,
        "allow": _words(allow_list),
        "deny": _words(deny_list),
    }
    given = {name: value for name, value in given.items() if value is not None}
    chosen = read_recipe(recipe, **(rules.overrides | given))
    settings = settings_of(chosen)
    style: Style = "none" if quiet else progress
    share = _share(shard_index, num_shards)
    folder = run if run is not None else run_folder(out)
    to = local_place(out, run) if out.startswith(SCHEME) else out
    said: list[str] = []
    reporting = Reporting(title_of(folder), settings, models_of(chosen))

    def documents(counts: Counts) -> dict[str, str]:
        decisions = {} if review is None else _decisions(folder, review)
        return decisions | reporting.documents(counts)

    with (
        _told_what_is_kept(folder),
        _started(engine, chosen, workers, row_seconds) as pipeline,
        show_progress("clean", style) as advance,
    ):
        counts = clean_file(
            input_,
            to,
            detoxifier=pipeline if review is None else _decided(pipeline, chosen, review),
            fields=field or (),
            roles=rules.actions | roles_in(roles),
            thresholds=rules.thresholds,
            run=run,
            fresh=fresh,
            dry_run=dry_run,
            settings={
                "recipe": settings,
                "models": models_of(chosen),
                "policy": policy,
                **_identity(review),
            },
            observe=reporting.observe,
            progress=advance,
            documents=documents,
            card=reporting.card,
            say=said.append,
            share=share,
        )
    if share.of > 1:
        done = f"{counts.read:,} rows are done: the same command without --shard-index writes OUT"
        print(done, file=sys.stderr)
        return
    numbers = reporting.report(counts) if dry_run else read_report(folder)
    if style == "json":
        end = {"event": "end", "command": "clean"} | {k: numbers[k] for k in ("rows", "texts")}
        print(json.dumps(end | {"run": None if dry_run else str(folder)}), file=sys.stderr)
    elif style == "auto":
        for line in summary_lines(numbers):
            print(line, file=sys.stderr)
        copied = copied_of(input_)
        if copied:
            names = ", ".join((*copied[:3], "…") if len(copied) > 3 else copied)
            said.append(f"files copied unread for their endings: {len(copied):,} ({names})")
        for line in said:
            print(visible(line), file=sys.stderr)
        last = "nothing was written: --dry-run" if dry_run else f"run folder: {folder}"
        print(visible(last), file=sys.stderr)
    if to != out and not dry_run:
        send(folder, out)
    failures = [failure for gate in gates if (failure := gate.failure(numbers))]
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    end_with_bad_rows(counts.quarantined, max_bad)
    if failures:
        raise typer.Exit(GATE_FAILED)


def _share(index: int | None, of: int | None) -> Share:
    from trustydetox.corpus.files.pieces import WHOLE, Share

    if index is None and of is None:
        return WHOLE
    if index is None or of is None:
        raise ConfigError("--shard-index and --num-shards go together: give both")
    if index >= of:
        raise ConfigError(f"--shard-index must be below --num-shards {of}, got {index}")
    return Share(index, of)


@contextmanager
def _started(
    engine: str, recipe: Recipe, workers: int, seconds: float | None
) -> Iterator[Detoxifier | Engine]:
    """The recipe's pipeline in this process, or in others."""
    from trustydetox.corpus.engines.actors import Actors
    from trustydetox.corpus.engines.workers import Workers
    from trustydetox.recipes import build_recipe

    if engine == "local" and workers == 1 and seconds is None:
        yield build_recipe(recipe)
        return
    start = Actors if engine == "ray" else Workers
    make = partial(build_recipe, recipe)
    with start(
        make, workers, threshold=recipe.threshold, fallback=recipe.fallback, seconds=seconds
    ) as started:
        yield started


def _decided(pipeline: Detoxifier | Engine, recipe: Recipe, review: Path) -> Engine:
    """The pipeline behind what people decided."""
    from trustydetox.corpus.engines.engine import InProcess
    from trustydetox.corpus.reviews.deciding import Decided
    from trustydetox.corpus.reviews.decisions import read_decisions, settled
    from trustydetox.detoxifier import Detoxifier

    engine = InProcess(pipeline) if isinstance(pipeline, Detoxifier) else pipeline
    return Decided(engine, settled(read_decisions(review)), recipe.redaction)


def _identity(review: Path | None) -> dict[str, str]:
    """What makes a run with these decisions another than one without."""
    if review is None:
        return {}
    try:
        return {"review": hashlib.sha256(review.read_bytes()).hexdigest()}
    except OSError as error:
        raise InputError(f"can't read {review}: {error.strerror}") from error


def _decisions(folder: Path, review: Path) -> dict[str, str]:
    """Those of the run before and those of `review`, as a file of the new run folder."""
    from trustydetox.corpus.runs.folder import REVIEW

    paths = [path for path in (folder / REVIEW, review) if path.is_file()]
    # JSON ends a line at line feeds alone.
    lines = [line for path in paths for line in path.read_bytes().split(b"\n") if line.strip()]
    # A line that is damaged costs itself, not the run that is about to end.
    texts = (line.decode(errors="replace") for line in dict.fromkeys(lines))
    return {REVIEW: "".join(f"{text}\n" for text in texts)}


@contextmanager
def _told_what_is_kept(folder: Path) -> Iterator[None]:
    """Say so where a run ends early and the same command would go on with it."""
    from trustydetox.corpus.runs.folder import is_begun

    try:
        yield
    except ConflictError:
        raise
    except BaseException:
        if is_begun(folder):
            print("what is done is kept: the same command goes on after it", file=sys.stderr)
        raise


def _words(path: Path | None) -> tuple[str, ...] | None:
    from trustydetox.steps.masking import load_words

    return None if path is None else tuple(sorted(load_words(path)))


def end_with_bad_rows(bad: int, max_bad: int) -> None:
    """Exit with 4 where there were more bad rows than allowed."""
    if bad > max_bad:
        rows = "1 bad row is" if bad == 1 else f"{bad:,} bad rows are"
        print(f"error: {rows} more than --max-bad {max_bad:,}", file=sys.stderr)
        raise typer.Exit(TOO_MANY_BAD)
