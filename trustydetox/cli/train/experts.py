"""`trustydetox train experts`: denoisers of toxic and of harmless text, for MaRCo and TMaRCo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trustydetox.cli.progress import say
from trustydetox.errors import require_extra


def experts(
    rows: Annotated[
        list[str],
        typer.Argument(metavar="ROWS...", help="Files of labelled texts, as `clean` reads them."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Gets the two experts and recipe.yaml."),
    ],
    base: Annotated[
        str, typer.Option(metavar="FOLDER|ID", help="The denoiser of BART's kind to go on from.")
    ] = "facebook/bart-base",
    revision: Annotated[
        str | None,
        typer.Option(metavar="COMMIT", help="Of the base on the Hub.", show_default=False),
    ] = None,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Where the text is.")] = "text",
    label: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="0 or 1, or a share of raters: above 0.5 is toxic, 0 is harmless, what lies "
            "between teaches nobody.",
        ),
    ] = "label",
    full: Annotated[
        bool,
        typer.Option("--full", help="Train whole networks rather than LoRA adapters on one base."),
    ] = False,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="At most, per expert.")] = 5000,
    every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Steps from one look at the loss to the next.")
    ] = 500,
    seed: Annotated[int, typer.Option(metavar="N", help="Of masks, order and adapters.")] = 7,
) -> None:
    """Train an anti-expert on toxic texts and an expert on harmless ones."""
    from trustydetox.recipes import Step, read_recipe, write_recipe
    from trustydetox.training.cards import data_lines, require_empty, write_card
    from trustydetox.training.denoising import Denoising, train_expert
    from trustydetox.training.labelled import Layout, read_labelled

    require_extra("peft", "train experts", "train")
    require_extra("accelerate", "train experts", "train")
    require_empty(out)
    labelled = read_labelled(rows, Layout(text, label))
    held_back = [*labelled.calibration, *labelled.held_out]
    settings = Denoising(base, revision, lora=not full, steps=steps, every=every, seed=seed)
    lines = ["| expert | texts | held back | loss before | loss after | steps |", "|-|-|-|-|-|-|"]
    for name, wanted in (("minus", _is_toxic), ("plus", _is_clean)):
        texts = [each.text for each in labelled.train if wanted(each.toxic)]
        others = [each.text for each in held_back if wanted(each.toxic)]
        say(f"{name}: {len(texts)} texts to learn from, {len(others)} held back")
        learned = train_expert(texts, others, out / name, settings, say)
        lines.append(
            f"| {name} | {len(texts)} | {len(others)} | {learned.before:.3f} | "
            f"{learned.after:.3f} | {learned.steps} |"
        )
    chosen = read_recipe("tmarco")
    named: dict[str, Any] = {"base": base, "experts": ["./minus", "./plus"]}
    if revision is not None:
        named["revisions"] = {base: revision}
    told = {
        role: Step(step=step.step, settings={**step.settings, **named})
        for role, step in (("attributor", chosen.attributor), ("infiller", chosen.infiller))
    }
    write_recipe(chosen.model_copy(update={"name": "experts", **told}), out / "recipe.yaml")
    facts = {
        "kind": "LoRA adapters" if settings.lora else "whole networks",
        "base": base if revision is None else f"{base} at {revision}",
        "data": data_lines(rows),
        "objective": "denoising: Poisson spans of mean 3, 30 % of the pieces, loss in nats per "
        "piece on texts that were held back",
    }
    use = f"trustydetox clean ROWS -o OUT --recipe {out / 'recipe.yaml'}"
    write_card(out, "Experts for MaRCo and TMaRCo", facts, "\n".join(lines), use=use)
    print("\n".join(lines))


def _is_toxic(share: float | None) -> bool:
    return share is not None and share > 0.5


def _is_clean(share: float | None) -> bool:
    return share == 0.0
