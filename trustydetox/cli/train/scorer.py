"""`trustydetox train scorer`: a scorer of the user's own language, domain and labels."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trustydetox.cli.progress import say
from trustydetox.cli.summary import answer
from trustydetox.errors import ConfigError, require_extra

if TYPE_CHECKING:
    from trustydetox.evaluation.heldout import GateResult
    from trustydetox.evaluation.tables import Table
    from trustydetox.recipes import Recipe
    from trustydetox.roles import Scorer
    from trustydetox.training import guiding, identifying
    from trustydetox.training.examples import Example
    from trustydetox.training.labelled import Labelled


class Runtime(StrEnum):
    """What else than this package the identifier may run in."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"


def scorer(
    rows: Annotated[
        list[str],
        typer.Argument(metavar="ROWS...", help="Files of labelled texts, as `clean` reads them."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Gets the model, its card, recipe.yaml."),
    ],
    tiny: Annotated[
        bool,
        typer.Option(
            "--tiny",
            help="Train the identifier: a few MB, microseconds a text; word order is lost on it.",
        ),
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID",
            help="The encoder to go on from; with --tiny, only its tokenizer is used.",
        ),
    ] = "embedded",
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Where the text is.")] = "text",
    label: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="0 or 1, a share of raters in [0, 1], or a list of raters' votes.",
        ),
    ] = "label",
    spans: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Lists of [start, end] of the toxic characters: trains the token head too.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Where a row comes from, for the report; without it the file's name.",
            show_default=False,
        ),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="With --tiny: put it in front of this recipe's scorer, with a limit that lets "
            "through 99.5 % of what that flags.",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        list[Runtime] | None,
        typer.Option(help="With --tiny: also write this file.", show_default=False),
    ] = None,
    passes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Over the rows; without it 3, with --tiny up to 12, until it no longer helps.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Peak learning rate; without it 5e-5, with --tiny 5e-3.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the weights and the order.")] = 7,
) -> None:
    """Train a scorer on labelled texts, calibrate it, and measure it on a tenth held out."""
    from trustydetox.training import guiding, identifying
    from trustydetox.training.cards import require_empty
    from trustydetox.training.labelled import Layout, read_labelled

    require_extra("scipy", "train scorer", "evaluate")
    if not tiny and (gate or export):
        raise ConfigError("--gate and --export belong to --tiny")
    require_empty(out)
    labelled = read_labelled(rows, Layout(text, label, spans, source))
    say(
        f"{len(labelled.train)} rows to learn from, {len(labelled.calibration)} to calibrate by, "
        f"{len(labelled.held_out)} held out"
    )
    for reason, count in labelled.left_out.items():
        say(f"{count} rows left out: {reason}")
    if tiny:
        schedule = identifying.Schedule(passes or 12, rate or 5e-3, seed=seed)
        _tiny(rows, labelled, out, model, gate, export or [], schedule)
    else:
        has_spans = any(example.spans is not None for example in labelled.train)
        _encoder(
            rows,
            labelled,
            out,
            model,
            guiding.own_schedule(passes or 3, rate or 5e-5, has_spans, seed),
        )


def _tiny(
    rows: Sequence[str],
    labelled: Labelled,
    out: Path,
    model: str,
    gate: str | None,
    export: Sequence[Runtime],
    schedule: identifying.Schedule,
) -> None:
    from dataclasses import asdict

    from trustydetox.embedded.identifier import load_identifier, new_identifier, save_identifier
    from trustydetox.evaluation import heldout, tables
    from trustydetox.recipes import Step, load_recipe, read_recipe, write_recipe
    from trustydetox.steps.identifying import BagScorer
    from trustydetox.training import identifying
    from trustydetox.training.cards import write_card

    # A recipe that can't be loaded is better known before the training than after.
    gated = load_recipe(gate) if gate else None
    trained = identifying.train_identifier(
        new_identifier(_tokenizer(model), seed=schedule.seed),
        labelled.train,
        labelled.calibration,
        schedule,
        say,
    )
    save_identifier(trained, out)
    # What is measured is what was written, half precision included.
    trained = load_identifier(out)
    for runtime in export:
        if runtime is Runtime.ONNX:
            identifying.export_onnx(trained, out / "identifier.onnx")
        else:
            identifying.export_torchscript(trained, out / "identifier.pt")
    found = BagScorer(trained)
    shown = _measured(found, labelled)
    step: dict[str, Any] = {"step": "identifier", "identifier": "./"}
    if gate and gated:
        result = _gate(found, gated.scorer, gated.threshold, labelled)
        shown += heldout.gate_tables(result, gate)
        chosen = read_recipe(gate)
        given = {"gate": step, "scorer": chosen.scorer.to_dict(), "limit": round(result.limit, 6)}
        told = {"name": f"{chosen.name}-gated", "scorer": Step(step="gated", settings=given)}
        recipe = chosen.model_copy(update=told)
    else:
        recipe = _recipe("mini", scorer=step)
    write_recipe(recipe, out / "recipe.yaml")
    facts = {
        "kind": "identifier: mean of piece embeddings, then linear layers",
        **_facts(rows, labelled),
        "training": ", ".join(f"{key} {value}" for key, value in asdict(schedule).items()),
    }
    write_card(out, "A toxicity identifier", facts, tables.markdown(shown), use=_use(out))
    answer(shown)


def _encoder(
    rows: Sequence[str], labelled: Labelled, out: Path, model: str, schedule: guiding.Schedule
) -> None:
    from trustydetox.embedded.guide import load_guide, save_guide
    from trustydetox.evaluation import tables
    from trustydetox.recipes import write_recipe
    from trustydetox.steps.scoring import EncoderScorer
    from trustydetox.steps.viewing import View
    from trustydetox.training import guiding
    from trustydetox.training.cards import write_card

    guide = guiding.fine_tune(
        guiding.starting_guide(model, schedule.seed),
        labelled.train,
        labelled.calibration,
        schedule,
        out / "checkpoint",
        say,
    )
    save_guide(guide, out)
    shown = _measured(EncoderScorer(load_guide(out), View.of), labelled)
    step = {"step": "encoder", "guide": "./", "view": "plain"}
    if schedule.span_weight:
        marked = {"step": "token-head", "marker": "./", "view": "plain"}
        recipe = _recipe("mini", scorer=step, attributor=marked)
    else:
        explained = {"step": "integrated-gradients", "guide": "recipe"}
        recipe = _recipe("mini-ig", scorer=step, attributor=explained)
    write_recipe(recipe, out / "recipe.yaml")
    facts = {
        "kind": f"encoder, from {Path(model).name}, with a head for texts"
        + (" and one for tokens" if schedule.span_weight else ""),
        **_facts(rows, labelled),
        "training": [
            f"{schedule.passes} passes, rate {schedule.rate:g}, dropout {schedule.dropout:g}, "
            f"seed {schedule.seed}",
            "both classes of equal weight; identity terms swapped in every second text with one",
        ],
    }
    write_card(out, "A toxicity scorer", facts, tables.markdown(shown), use=_use(out))
    answer(shown)


def _tokenizer(model: str) -> Any:
    from trustydetox import embedded
    from trustydetox.embedded.encoder import read_tokenizer

    folder = embedded.FOLDER if model == "embedded" else Path(model)
    if not (folder / "tokenizer.json").is_file():
        raise ConfigError(f"expected a folder with a tokenizer.json, got {model!r}")
    return read_tokenizer(folder / "tokenizer.json")


def _measured(scorer: Scorer, labelled: Labelled) -> list[Table]:
    from trustydetox.evaluation import heldout

    by_source: dict[str, list[Example]] = defaultdict(list)
    for example in labelled.held_out:
        by_source[example.source].append(example)
    results = heldout.measure_held_out(
        scorer,
        {
            name: ([e.text for e in examples], [e.toxic or 0.0 for e in examples])
            for name, examples in sorted(by_source.items())
        },
    )
    return heldout.held_out_tables(results, heldout.measure_statements(scorer))


def _gate(gate: Scorer, scorer: Scorer, threshold: float, labelled: Labelled) -> GateResult:
    """The limit from the calibration part, what it does to the held-out one."""
    from trustydetox.evaluation.heldout import GateResult
    from trustydetox.evaluation.intervals import wilson
    from trustydetox.steps.identifying import Gated
    from trustydetox.training.gating import gate_limit

    texts = [example.text for example in labelled.calibration]
    flagged = [
        score.overall
        for score, asked in zip(gate.score(texts), scorer.score(texts), strict=True)
        if asked.overall >= threshold
    ]
    limit = gate_limit(flagged)
    texts = [example.text for example in labelled.held_out]
    start = time.process_time()
    alone = [one.overall >= threshold for one in scorer.score(texts)]
    middle = time.process_time()
    Gated(gate, scorer, limit).score(texts)
    end = time.process_time()
    passed = [one.overall >= limit for one in gate.score(texts)]
    through = sum(p for p, toxic in zip(passed, alone, strict=True) if toxic)
    saved = sum(not p for p, toxic in zip(passed, alone, strict=True) if not toxic)
    return GateResult(
        limit,
        wilson(through, sum(alone)),
        wilson(saved, len(alone) - sum(alone)),
        (end - middle) / (middle - start),
        len(texts),
    )


def _recipe(base: str, **steps: dict[str, Any]) -> Recipe:
    """A built-in recipe with some steps replaced."""
    from trustydetox.recipes import Step, read_recipe

    made = {role: Step.model_validate(step) for role, step in steps.items()}
    told = {"name": "own", "description": f"Recipe {base} with a scorer of your own."}
    return read_recipe(base).model_copy(update={**told, **made})


def _facts(rows: Sequence[str], labelled: Labelled) -> dict[str, object]:
    from trustydetox.training.cards import data_lines

    parts = (
        f"{len(labelled.train)} to learn from, {len(labelled.calibration)} to calibrate by, "
        f"{len(labelled.held_out)} held out by the hash of their text"
    )
    left_out = [f"{count} left out: {reason}" for reason, count in labelled.left_out.items()]
    return {"data": data_lines(rows), "rows": [parts, *left_out]}


def _use(out: Path) -> str:
    return f"trustydetox clean INPUT -o OUT --recipe {out.name}/recipe.yaml"
