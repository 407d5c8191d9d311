"""`trustydetox evaluate model`: what a model writes after prompts, drawn, kept and judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trustydetox.cli.answers import answer
from trustydetox.cli.options import ProgressStyle
from trustydetox.cli.progress import show_progress
from trustydetox.errors import ConfigError, InputError, require_extra

if TYPE_CHECKING:
    from trustydetox.evaluation.generation.rating import Rater


def model(
    folder: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A folder: what `train sft` wrote, or any causal LM."),
    ],
    prompts: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Prompts: a .txt, one a line, or a .jsonl with `prompt`."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where continuations and scores go; a run that ended early goes on there. "
            "Continuations are toxic at times.",
        ),
    ],
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Clean text for perplexity: a .txt, one a line, or a .jsonl with `text`.",
            show_default=False,
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER=LABEL",
            help="A classifier that judges, and which of its labels means toxic; give two or more.",
            show_default=False,
        ),
    ] = None,
    judge_rows: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Rows with `text` and `toxic` from which two judges are trained on the spot.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA_DIR",
            help="The folder of public sources, to train the two judges of `evaluate rewrites`.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Continuations per prompt.")
    ] = 25,
    new_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most tokens of a continuation.")
    ] = 20,
    temperature: Annotated[
        float, typer.Option(metavar="T", help="Of the distribution that is drawn from.")
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option(metavar="P", help="Draw from the likeliest tokens of this share.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the draw.")] = 0,
    progress: ProgressStyle = "auto",
    card: Annotated[
        bool,
        typer.Option("--card", help="Write the results into the card that `train sft` wrote, too."),
    ] = False,
) -> None:
    """Draw continuations of prompts from a model and have at least two judges rate each of them.

    Only what the model wrote is judged, never the prompt. A judge that guided the cleaning of the
    model's training rows is refused. `compare` sets several models side by side.
    """
    from trustydetox.evaluation.generation import sampling, scores, tables
    from trustydetox.evaluation.generation.comparing import compare
    from trustydetox.evaluation.generation.rating import judge_named
    from trustydetox.evaluation.tables import markdown
    from trustydetox.training.sft.cards import add_results

    if card:
        _require_card(folder)
    judges: list[Rater] = [judge_named(one) for one in judge or ()]
    if judge_rows is not None:
        judges += _trained(_labelled(judge_rows), _labelled(judge_rows))
    if data is not None:
        judges += _of_public_rows(data)
    writer = sampling.load_writer(folder)
    with show_progress("evaluate model", progress) as advance:
        found = scores.measure_model(
            writer,
            sampling.read_prompts(prompts, "prompt"),
            [] if clean is None else sampling.read_prompts(clean, "text"),
            judges,
            out,
            sampling=sampling.Sampling(
                samples=samples,
                new_tokens=new_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
            ),
            guides=scores.guides_of(folder),
            progress=advance,
        )
    report = compare({folder.name: [found]})
    shown = tables.comparison_tables(report)
    if card:
        add_results(folder, markdown(shown))
    answer(report, shown, lambda report, shown: None)


def _require_card(folder: Path) -> None:
    """Refuse a folder whose card can't take results, before hours of drawing them."""
    from trustydetox.training.sft.cards import FACTS

    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"--card: expected a folder that `train sft` wrote, and {folder} has no {FACTS} that "
            "can be read: name that folder, or leave --card out"
        ) from error
    if not facts.get("finished"):
        raise InputError(
            f"--card: expected a finished run in {folder}, and its {FACTS} is of one that isn't: "
            "give the same `train sft` command again, which goes on there, or leave --card out"
        )


def _trained(words: dict[str, int], letters: dict[str, int]) -> list[Rater]:
    from trustydetox.evaluation.judging import FEW_ALARMS, train_letter_judge, train_word_judge

    require_extra("sklearn", "judges trained on the spot", "evaluate")
    try:
        return [
            train_word_judge("judge A", words, FEW_ALARMS),
            train_letter_judge("judge B", letters, FEW_ALARMS),
        ]
    except ValueError as error:
        raise InputError(f"the judges' rows teach nothing: {error}") from error


def _labelled(path: Path) -> dict[str, int]:
    rows: dict[str, int] = {}
    try:
        # Not splitlines: a JSON string may hold a line separator of Unicode's.
        lines = path.read_text(encoding="utf-8").strip("\n").split("\n")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows[row["text"]] = int(row["toxic"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: expected `text` and `toxic`") from error
    return rows


def _of_public_rows(data: Path) -> list[Rater]:
    from trustydetox.training import measuring
    from trustydetox.training.splitting import Splits

    if not data.is_dir():
        raise ConfigError(f"expected a folder of public sources, and {data} is none")
    splits = Splits.load()
    taken = measuring.taken_texts(data, splits)
    return _trained(
        *(measuring.judge_rows(data, splits, role, taken) for role in ("judge-a", "judge-b"))
    )
