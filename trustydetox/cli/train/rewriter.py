"""`trustydetox train rewriter`: a rewriter from the user's own pairs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trustydetox.cli.progress import hide_bars, say
from trustydetox.cli.summary import answer
from trustydetox.errors import ConfigError, require_extra

if TYPE_CHECKING:
    from trustydetox.evaluation.tables import Table
    from trustydetox.training.pairs import Pair, Pairs


class Kind(StrEnum):
    """What sort of network rewrites."""

    SEQ2SEQ = "seq2seq"
    CHAT = "chat"
    EDITOR = "editor"


def rewriter(
    pairs: Annotated[
        list[str],
        typer.Argument(metavar="PAIRS...", help="Files of toxic texts with people's rewrites."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Gets the model, its card, recipe.yaml."),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID",
            help="What to go on from: a network of the kind; with --kind editor an encoder of "
            "BERT's architecture, or embedded.",
        ),
    ],
    kind: Annotated[
        Kind,
        typer.Option(
            help="seq2seq writes texts anew (T5, BART), chat does so as a chat model tuned with "
            "LoRA; editor says per word what becomes of it."
        ),
    ] = Kind.SEQ2SEQ,
    toxic: Annotated[
        str, typer.Option(metavar="COLUMN", help="Where the toxic text is.")
    ] = "toxic",
    rewrite: Annotated[
        str, typer.Option(metavar="COLUMN", help="Where its rewrite is, or a list of them.")
    ] = "neutral",
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="With seq2seq: what the network reads, {} for the text. Without it T5 is asked to "
            "make the sentence non-toxic, and others read the text alone.",
            show_default=False,
        ),
    ] = None,
    four_bits: Annotated[
        bool,
        typer.Option("--four-bits", help="With --kind chat: the base in 4 bits (QLoRA)."),
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="With --kind editor: finds the words that must go, and gets the editor.",
        ),
    ] = "mini",
    passes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Over the pairs; without it 10, chat 5, editor 3.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Learning rate; without it 2e-5, chat 3e-4, editor 2e-4.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows a step; not for an editor.")
    ] = 32,
    sample: Annotated[
        int, typer.Option(metavar="N", min=1, help="Measure on at most so many held-out texts.")
    ] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Of new weights and the order.")] = 42,
) -> None:
    """Train a rewriter on pairs, and measure it on a tenth of them held out."""
    from trustydetox.training.cards import require_empty
    from trustydetox.training.pairs import read_pairs

    require_extra("accelerate", "train rewriter", "train")
    if prompt is not None and kind is not Kind.SEQ2SEQ:
        raise ConfigError("only a text-to-text network reads a prompt: --prompt belongs to seq2seq")
    if four_bits and kind is not Kind.CHAT:
        raise ConfigError("--four-bits belongs to --kind chat")
    require_empty(out)
    hide_bars()
    read = read_pairs(pairs, toxic, rewrite)
    say(f"{len(read.train)} texts to learn from, {len(read.held_out)} held out")
    for reason, count in read.left_out.items():
        say(f"{count} left out: {reason}")
    measured = read.held_out[:sample]
    if kind is Kind.EDITOR:
        facts, shown = _editor(read, measured, out, model, recipe, passes or 3, rate or 2e-4, seed)
    else:
        from trustydetox.training.rewriting import Schedule

        if kind is Kind.SEQ2SEQ:
            schedule = Schedule(passes or 10, rate or 2e-5, batch, seed=seed)
            facts, shown = _seq2seq(read, measured, out, model, prompt, schedule)
        else:
            schedule = Schedule(passes or 5, rate or 3e-4, batch, seed=seed)
            facts, shown = _chat(read, measured, out, model, four_bits, schedule)
    _write(out, pairs, read, facts, shown)
    answer(shown)


def _seq2seq(
    read: Pairs, measured: Sequence[Pair], out: Path, model: str, prompt: str | None, schedule: Any
) -> tuple[dict[str, object], list[Table]]:
    from dataclasses import asdict

    from trustydetox.recipes import Step, read_recipe, write_recipe
    from trustydetox.steps.restating import load_restater
    from trustydetox.training.rewriting import train_rewriter

    asked = train_rewriter(model, read.train, out, schedule, say, prompt=prompt)
    written = {"step": "seq2seq", "model": "./", "prompt": asked}
    chain = [Step.model_validate(written).to_dict(), "delete"]
    infiller = Step(step="together", settings={"infillers": chain})
    told = {"name": "own", "description": "Recipe mini with a rewriter of your own."}
    write_recipe(
        read_recipe("mini").model_copy(update={**told, "infiller": infiller}), out / "recipe.yaml"
    )
    say("writing the held-out texts anew")
    outputs = load_restater(str(out)).restate([pair.toxic for pair in measured])
    facts: dict[str, object] = {
        "kind": f"seq2seq, from {Path(model).name}",
        "prompt": f"`{asked}`",
        "training": ", ".join(f"{key} {value}" for key, value in asdict(schedule).items()),
    }
    return facts, _measured(measured, {"this rewriter": outputs}, asked)


def _chat(
    read: Pairs, measured: Sequence[Pair], out: Path, model: str, four_bits: bool, schedule: Any
) -> tuple[dict[str, object], list[Table]]:
    from dataclasses import asdict

    from trustydetox.steps.restating import load_restater
    from trustydetox.training.rewriting import MODERATOR, train_chat_rewriter

    train_chat_rewriter(model, read.train, out, schedule, say, four_bits=four_bits)
    say("writing the held-out texts anew")
    outputs = load_restater(str(out)).restate([pair.toxic for pair in measured])
    facts: dict[str, object] = {
        "kind": f"chat, from {Path(model).name}, LoRA r 8, alpha 16"
        + (", the base in 4 bits while it trained" if four_bits else ""),
        "told": f"`{MODERATOR}`",
        "use": f'`trustydetox.rewrite(text, model="{out.name}")`',
        "training": ", ".join(f"{key} {value}" for key, value in asdict(schedule).items()),
    }
    return facts, _measured(measured, {"this rewriter": outputs}, MODERATOR)


def _editor(
    read: Pairs,
    measured: Sequence[Pair],
    out: Path,
    model: str,
    recipe: str,
    passes: int,
    rate: float,
    seed: int,
) -> tuple[dict[str, object], list[Table]]:
    from trustydetox.recipes import load_recipe, read_recipe, write_recipe
    from trustydetox.training.editing import Schedule, train_own_editor

    chosen = read_recipe(recipe)
    own = chosen.model_copy(update={"name": "own", "infiller": _with_editor(chosen.infiller, "./")})
    if own.infiller == chosen.infiller:
        raise ConfigError(f"recipe {recipe!r} has no step with an editor to replace")
    detoxifier = load_recipe(recipe)
    masked = [
        detoxifier.masker.mask(found)
        for found in detoxifier.attributor.attribute([pair.toxic for pair in read.train])
    ]
    rewrites = [pair.rewrites for pair in read.train]
    # Each rewrite is seen once as a clean text, however many passes there are.
    schedule = Schedule(passes, rate, others=passes, seed=seed)
    train_own_editor(model, masked, rewrites, out, schedule, say)
    write_recipe(own, out / "recipe.yaml")
    say("cleaning the held-out texts")
    texts = [pair.toxic for pair in measured]
    systems = {
        name: [record.output or "" for record in load_recipe(path, fallback="keep").run(texts)]
        for name, path in (("with this editor", out / "recipe.yaml"), (f"recipe {recipe}", recipe))
    }
    facts: dict[str, object] = {
        "kind": f"editor, from {Path(model).name}",
        "training": f"passes {passes}, rate {rate:g}, seed {seed}",
    }
    facts["judges"] = (
        "the recipe's own guide and check, if it is built in: `trustydetox evaluate rewrites "
        "--recipe` asks two others"
    )
    return facts, _measured(measured, systems, "{}")


def _with_editor(step: Any, folder: str) -> Any:
    """The step with its editor, or that of a step inside it, from a folder."""

    def put(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: put(inner, name) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [put(inner) for inner in value]
        return folder if key == "editor" else value

    return type(step).model_validate(put(step.to_dict()))


def _measured(pairs: Sequence[Pair], systems: dict[str, list[str]], prompt: str) -> list[Table]:
    """Judged by the embedded guide and check, which no rewriter learns from here."""
    from trustydetox.evaluation import restatements
    from trustydetox.recipes import load_recipe
    from trustydetox.steps.restating import fault_of

    mini = load_recipe("mini")
    check: Any = mini.checks[0]
    judges = {"guide": mini.scorer, "check": check.scorer}
    results = restatements.measure_restatements(
        [pair.toxic for pair in pairs],
        [pair.rewrites for pair in pairs],
        systems,
        judges,
        lambda source, output: fault_of(source, output, prompt),
    )
    return restatements.restatement_tables(results, judges)


def _write(
    out: Path, paths: Sequence[str], read: Pairs, facts: dict[str, object], shown: list[Table]
) -> None:
    from trustydetox.evaluation import tables
    from trustydetox.training.cards import data_lines, write_card

    left_out = [f"{count} left out: {reason}" for reason, count in read.left_out.items()]
    parts = f"{len(read.train)} texts to learn from, {len(read.held_out)} held out by their hash"
    write_card(
        out,
        "A rewriter of toxic texts",
        {**facts, "data": data_lines(paths), "rows": [parts, *left_out]},
        tables.markdown(shown),
        use=f"trustydetox clean INPUT -o OUT --recipe {out.name}/recipe.yaml"
        if (out / "recipe.yaml").is_file()
        else "",
    )
