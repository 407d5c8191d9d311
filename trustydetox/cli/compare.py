"""`trustydetox compare`: models that `evaluate model` measured, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trustydetox.cli.answers import Write, answer, touch, writer
from trustydetox.errors import ConfigError, InputError

if TYPE_CHECKING:
    from trustydetox.evaluation.generation.scores import Scores


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...",
            help="What `evaluate model -o` wrote: a folder per model, or a folder of such folders "
            "where several training seeds stand behind a model. All are compared with the first.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="Also write OUT.html (a page with plots), OUT.md (tables) or OUT.json (numbers).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Differences between models with intervals, tests and the smallest effect that could be seen.

    Prompts by a bootstrap, training seeds by Student's t; p-values after Holm's correction.
    """
    from trustydetox.evaluation.generation import comparing, tables

    if len(folders) < 2:
        raise ConfigError("expected two models or more to compare, got one")
    write = _page_writer(out) if out is not None and out.suffix == ".html" else writer(out)
    found = comparing.compare(
        {name: _runs(folder) for name, folder in zip(_names(folders), folders, strict=True)}
    )
    answer(found, tables.comparison_tables(found), write)


def _page_writer(out: Path) -> Write:
    from trustydetox.evaluation.generation import page, plots

    plots.require_plots()
    touch(out)
    return lambda found, shown: _written(out, page.comparison_page(found))


def _written(out: Path, text: str) -> None:
    out.write_text(text, encoding="utf-8")


def _runs(folder: Path) -> list[Scores]:
    """The scores in a folder, or in each of its folders."""
    from trustydetox.evaluation.generation.scores import FILE, Scores

    if (folder / FILE).is_file():
        return [Scores.load(folder)]
    found = sorted(path.parent for path in folder.glob(f"*/{FILE}"))
    if not found:
        raise InputError(f"expected {FILE} of `evaluate model` in {folder} or its folders")
    return [Scores.load(one) for one in found]


def _names(folders: list[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]
