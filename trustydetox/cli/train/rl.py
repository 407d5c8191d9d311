"""`trustydetox train rl`: milder answers by reinforcement learning."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trustydetox.cli.progress import hide_bars, say
from trustydetox.cli.summary import answer
from trustydetox.errors import ConfigError, InputError, did_you_mean, require_extra

if TYPE_CHECKING:
    from trustydetox.roles import Scorer
    from trustydetox.training.reinforcing import History, Settings

DEFAULT = "flan-t5-dialogsum-detox"


def rl(
    rows: Annotated[
        list[str], typer.Argument(metavar="ROWS...", help="Files of the texts that are answered.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="DIR", help="Gets the model, its card, a sheet for readers."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID", help="A text-to-text network (RLOO) or a causal one (GRPO)."
        ),
    ],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Settings that the options below replace.")
    ] = DEFAULT,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Where the text is.")] = "dialogue",
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="A person's answer, for ROUGE; may be missing.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="Its scorer rewards, and its first check, which must ask another, is the judge.",
        ),
    ] = "mini",
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What the network reads, {} for the text.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of training.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Prompts a step.", show_default=False)
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="Answers a prompt.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Learning rate.", show_default=False)
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(
            metavar="B", help="Weight of the KL to the untuned network.", show_default=False
        ),
    ] = None,
    shortest: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Leave out texts up to so many characters.", show_default=False
        ),
    ] = None,
    least: Annotated[
        int | None, typer.Option(metavar="N", help="Fewest new tokens.", show_default=False)
    ] = None,
    most: Annotated[
        int | None, typer.Option(metavar="N", help="Most new tokens.", show_default=False)
    ] = None,
    control: Annotated[
        bool,
        typer.Option("--control", help="Shuffle the rewards: what comes of training without any."),
    ] = False,
    sample: Annotated[
        int, typer.Option(metavar="N", min=1, help="Measure on at most so many held-out texts.")
    ] = 200,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of all chance.", show_default=False)
    ] = None,
) -> None:
    """Tune a network to milder answers, and compare them before and after by a judge apart.

    Writes sheet.csv and key.json too: copies of the sheet, filled in by two readers who don't see
    the key, are counted by `evaluate reading`.
    """
    from dataclasses import replace

    from trustydetox.recipes import load_recipe
    from trustydetox.training import reinforcing
    from trustydetox.training.cards import require_empty
    from trustydetox.training.rewarding import Reward
    from trustydetox.training.sources import is_dev

    require_extra("peft", "train rl", "train")
    if preset not in reinforcing.PRESETS:
        raise ConfigError(
            f"no preset is called {preset!r}{did_you_mean(preset, reinforcing.PRESETS)}"
        )
    given = {
        "prompt": prompt, "steps": steps, "batch": batch, "samples": samples, "rate": rate,
        "beta": beta, "shortest": shortest, "least": least, "most": most, "seed": seed,
    }  # fmt: skip
    settings = replace(
        reinforcing.PRESETS[preset],
        control=control,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    detoxifier = load_recipe(recipe)
    judge: Any = next((check for check in detoxifier.checks if hasattr(check, "scorer")), None)
    if judge is None:
        raise ConfigError(f"recipe {recipe!r} has no check with a scorer, which would be the judge")
    require_empty(out)
    hide_bars()
    texts = _texts(rows, text, reference, settings)
    learned = [source for source, _ in texts if not is_dev(source)]
    held_out = [(source, told) for source, told in texts if is_dev(source)][:sample]
    say(f"{len(learned)} texts to learn from, {len(held_out)} held out")
    if not learned or not held_out:
        raise InputError("expected texts to learn from and some held out: bring some dozens")
    reward = Reward(detoxifier.scorer, settings.prompt, language=_language())
    history = reinforcing.reinforce(model, learned, reward, settings, out, say)
    if history.stopped:
        say(f"stopped early: {history.stopped}")
    judges = {"the rewarding scorer": detoxifier.scorer, "the judge": judge.scorer}
    _report(out, model, rows, held_out, settings, history, judges)


def _texts(
    rows: Sequence[str], text: str, reference: str | None, settings: Settings
) -> list[tuple[str, str]]:
    """Sources of the right length with people's answers, `""` where there is none; none twice."""
    from trustydetox.rows import open_reader

    found: dict[str, str] = {}
    for path in rows:
        reader = open_reader(path)
        try:
            for row in reader.rows():
                if row.error:
                    continue
                if text not in row.values:
                    near = did_you_mean(text, row.values)
                    raise InputError(f"{path}, row {row.number}, has no column {text!r}{near}")
                source = row.values[text]
                if isinstance(source, str) and settings.shortest < len(source) <= settings.longest:
                    told = row.values.get(reference) if reference else ""
                    found.setdefault(source, told if isinstance(told, str) else "")
        finally:
            reader.close()
    return list(found.items())


def _language() -> Any:
    from trustydetox import embedded
    from trustydetox.embedded.fluency import load_fluency

    return load_fluency(embedded.FOLDER)


def _report(
    out: Path,
    model: str,
    rows: Sequence[str],
    held_out: Sequence[tuple[str, str]],
    settings: Settings,
    history: History,
    judges: dict[str, Scorer],
) -> None:
    from dataclasses import asdict

    from trustydetox.evaluation import answers, reading, tables
    from trustydetox.steps.loading import load
    from trustydetox.training import reinforcing
    from trustydetox.training.cards import data_lines, write_card

    say("answering the held-out texts before and after")
    sources, told = zip(*held_out, strict=True)
    asked = [settings.prompt.replace("{}", source) for source in sources]
    task: Any = "seq2seq" if reinforcing.is_encoder_decoder(model) else "causal LM"
    both = {}
    for name, folder in (("before", model), ("after", str(out))):
        loaded = load(task, folder)
        both[name] = reinforcing.generate(loaded.model, loaded.tokenizer, asked, settings)
    references = [(one,) for one in told] if all(told) else []
    report = answers.measure_answers(both["before"], both["after"], references, judges)
    shown = answers.answer_tables(report, judges)
    with (out / "side-by-side.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "before", "after"))
        writer.writerows(zip(sources, both["before"], both["after"], strict=True))
    reading.write_sheet(reading.sheet_of(sources, both, seed=settings.seed), out)
    with (out / "history.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("step", "reward", "KL"))
        writer.writerows(
            (step, f"{r:.4f}", f"{k:.4f}")
            for step, (r, k) in enumerate(zip(history.rewards, history.kl, strict=True), 1)
        )
    facts = {
        "kind": f"{'RLOO' if task == 'seq2seq' else 'GRPO'}, from {Path(model).name}",
        "data": data_lines(rows),
        "settings": [f"{name}: {value!r}" for name, value in asdict(settings).items()],
        "reward": f"first step {history.rewards[0]:.3f}, last {history.rewards[-1]:.3f}",
        "KL": f"last step {history.kl[-1]:.2f} nats an answer",
        "ended": history.stopped or "after its steps",
    }
    write_card(out, "A network tuned to milder answers", facts, tables.markdown(shown))
    answer(shown)
