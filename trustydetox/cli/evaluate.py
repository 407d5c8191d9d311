"""`trustydetox evaluate`: how well spans and toxic texts are found, measured on public rows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trustydetox.cli.answers import answer, writer
from trustydetox.cli.model import model
from trustydetox.cli.options import RecipeName
from trustydetox.errors import ConfigError, require_extra

if TYPE_CHECKING:
    from trustydetox.evaluation.dialogue import Wordlist
    from trustydetox.evaluation.rewrites import Instruments, Pair
    from trustydetox.training.sources import Source

evaluate = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Measure the models on public rows."
)

MARKED = ("toxic_spans_semeval2021", "toxic_spans_acl2022", "hatexplain")
UNPAIRED = "civil_comments_toxic_half"
DIALOGUES = ("lm_self_dialogue", "lm_sgd", "lm_multidogo")

Data = Annotated[
    Path,
    typer.Option(metavar="DATA_DIR", help="The folder of public sources, one folder per source."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="Also write the numbers: OUT.json, or the tables as OUT.md.",
        show_default=False,
    ),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE.yaml",
        help="A recipe to measure; may be given again. Without it: mini and mini-ig.",
        show_default=False,
    ),
]
Sample = Annotated[
    int, typer.Option(metavar="N", min=1, help="At most so many rows of a source, drawn by seed.")
]


@evaluate.command()
def spans(data: Data, recipe: Recipes = None, sample: Sample = 700, out: Out = None) -> None:
    """Toxic characters found, SemEval-2021 Task 5's F1, beside a lexicon and a word tagger."""
    from trustydetox.evaluation import baselines, spans, tables
    from trustydetox.recipes import load_recipe
    from trustydetox.training.sources import load, normalise

    require_extra("sklearn", "evaluate spans", "evaluate")
    write = writer(out)
    finders: dict[str, spans.SpanFinder] = {
        name: spans.Recipe(load_recipe(name), _Said(name)) for name in recipe or ("mini", "mini-ig")
    }
    taught = load(data, MARKED[0], "train")
    marked = taught.texts, taught.spans or ()
    finders["nothing marked"] = spans.Nothing()
    finders["lexicon learned from train"] = baselines.SpanLexicon.learn(*marked)
    finders["word tagger learned from train"] = baselines.WordWindow.learn(*marked)
    seen = {normalise(text) for text in (*taught.texts, *_guide_rows(data))}
    results = [
        spans.measure_spans(_measured(data, name).without(seen).sample(sample), finders)
        for name in MARKED
    ]
    report = spans.SpanReport(tuple(results))
    answer(report, tables.span_tables(report), write)


@evaluate.command()
def scorer(data: Data, recipe: RecipeName = "mini", sample: Sample = 2000, out: Out = None) -> None:
    """Toxic texts told from clean ones, per source, beside two TF-IDF regressions."""
    from trustydetox.evaluation import scorer, tables
    from trustydetox.recipes import load_recipe
    from trustydetox.training.sources import NAMES, lexicon, load, normalise

    require_extra("sklearn", "evaluate scorer", "evaluate")
    write = writer(out)
    detoxifier = load_recipe(recipe)
    rows = _guide_rows(data)
    say = _Said("evaluate scorer")
    say(f"training two baselines on {len(rows)} rows")
    baselines = scorer.Baselines.learn(list(rows), list(rows.values()))
    # What the guide was trained on measures nothing.
    seen = {normalise(text) for text in rows}
    terms = lexicon(data)
    report = scorer.measure_scorer(
        detoxifier,
        scorer.scoring_check(detoxifier),
        (load(data, name, "dev").without(seen).sample(sample) for name in NAMES),
        baselines,
        dialogues=dict.fromkeys(DIALOGUES, terms),
        progress=say,
    )
    answer(report, tables.scorer_tables(report), write)


@evaluate.command()
def rewrites(data: Data, recipe: Recipes = None, sample: Sample = 1000, out: Out = None) -> None:
    """Rewrites beside people's: toxicity by two judges, broken joints, fluency, content, facts.

    The worst rows of each recipe are toxic texts; they go into OUT.json only.
    """
    from trustydetox.evaluation import dialogue, rewrites, tables
    from trustydetox.recipes import load_recipe
    from trustydetox.training.sources import lexicon, load

    require_extra("sklearn", "evaluate rewrites", "evaluate")
    write = writer(out)
    recipes = {name: load_recipe(name) for name in recipe or ("mini", "mini-ig")}
    say = _Said("evaluate rewrites")
    terms = lexicon(data)
    report = rewrites.measure_rewrites(
        _pairs(data, sample),
        (UNPAIRED, load(data, UNPAIRED, "dev").sample(sample).texts),
        recipes,
        _instruments(data, dialogue.Wordlist.of(terms), say),
        progress=say,
    )
    answer(report, tables.rewrite_tables(report), write)


@evaluate.command()
def sheet(
    data: Data,
    folder: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Gets sheet.csv and key.json."),
    ],
    recipe: RecipeName = "mini",
    sample: Sample = 100,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws the rows and shuffles.")] = 0,
) -> None:
    """A sheet for a blind reading: a recipe, deletion and a person, shuffled and unnamed.

    Two readers fill in copies of sheet.csv (y or n), without the key; `evaluate reading` counts.
    """
    from trustydetox.evaluation import deleting, reading, rewrites
    from trustydetox.recipes import load_recipe

    pairs = _pairs(data, sample, seed)
    originals = [pair.source for pair in pairs]
    detoxifier = load_recipe(recipe, fallback="keep")
    systems = {
        recipe: [record.output or "" for record in detoxifier.run(originals)],
        "delete": deleting.delete_masked(detoxifier, originals),
        rewrites.HUMAN: [pair.references[0] for pair in pairs],
    }
    reading.write_sheet(reading.sheet_of(originals, systems, seed=seed), folder)


@evaluate.command()
def reading(
    key: Annotated[Path, typer.Argument(metavar="KEY.json", help="What `evaluate sheet` wrote.")],
    sheets: Annotated[
        list[Path], typer.Argument(metavar="SHEET.csv...", help="Two readers' sheets or more.")
    ],
    out: Out = None,
) -> None:
    """How a blind reading came out: would a person write it, does it say the same."""
    from trustydetox.evaluation import reading, tables

    if len(sheets) < 2:
        raise ConfigError("expected the sheets of two readers or more, got one")
    write = writer(out)
    report = reading.measure_reading(key, sheets)
    answer(report, tables.reading_tables(report), write)


evaluate.command("model")(model)


@dataclass(frozen=True)
class _Said:
    """Prints how far something has come, on standard error."""

    label: str

    def __call__(self, what: str) -> None:
        print(f"{self.label}: {what}", file=sys.stderr, flush=True)


def _measured(data: Path, name: str) -> Source:
    """The dev rows of a source, less those that may belong to an official test set."""
    from trustydetox.training.sources import load
    from trustydetox.training.splitting import Splits

    source, splits = load(data, name, "dev"), Splits.load()
    columns = source.columns
    rows = [{key: column[i] for key, column in columns.items()} for i in range(len(source))]
    return source.take([i for i, row in enumerate(rows) if not splits.is_left_alone(name, row)])


def _guide_rows(data: Path) -> dict[str, float]:
    """The texts that train the guide's document head, with their soft labels."""
    from trustydetox.training.examples import guide_examples, learn_known_words
    from trustydetox.training.splitting import Splits

    known = learn_known_words(data)
    examples = guide_examples(data, Splits.load(), known.__contains__)
    return {example.text: example.toxic for example in examples if example.toxic is not None}


def _pairs(data: Path, sample: int, seed: int = 0) -> list[Pair]:
    """Toxic texts with what people made of them, at most `sample`, drawn by seed."""
    from random import Random

    from trustydetox.evaluation.rewrites import Pair
    from trustydetox.training.sources import load

    source = load(data, "paradetox", "dev")
    # A toxic text stands before its rewrites.
    starts = [row for row, label in enumerate(source.labels) if label]
    ends = [*starts[1:], len(source)]
    pairs = [
        Pair(source.texts[start], source.texts[start + 1 : end])
        for start, end in zip(starts, ends, strict=True)
        if end > start + 1
    ]
    if len(pairs) <= sample:
        return pairs
    return [pairs[row] for row in sorted(Random(seed).sample(range(len(pairs)), sample))]


def _instruments(data: Path, listed: Wordlist, say: Callable[[str], None]) -> Instruments:
    """Judges and a fluency model, trained on texts that no model of a recipe has seen."""
    from trustydetox.evaluation import fluency, judging, rewrites, wording
    from trustydetox.training import measuring
    from trustydetox.training.splitting import Splits

    splits = Splits.load()
    taken = measuring.taken_texts(data, splits)
    say("training two judges and the fluency model")
    sentences = list(measuring.fluent_texts(data, splits, taken))
    return rewrites.Instruments(
        (
            judging.train_word_judge(
                "judge A", measuring.judge_rows(data, splits, "judge-a", taken)
            ),
            judging.train_letter_judge(
                "judge B", measuring.judge_rows(data, splits, "judge-b", taken)
            ),
        ),
        fluency.FluencyModel.learn(sentences),
        wording.learn_names(sentences, listed.is_in),
        listed,
    )
