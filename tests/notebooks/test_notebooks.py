"""Every notebook runs, and reads as a walkthrough should."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.running import (
    NOTEBOOKS,
    SWITCH,
    code_cells,
    long_cells,
    private_names,
    python_of,
    read,
    run,
    unstored,
)

pytestmark = pytest.mark.needs("nbclient")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def notebook_of(*sources: str) -> Any:
    from nbformat.v4 import new_code_cell, new_notebook

    return new_notebook(cells=[new_code_cell(source) for source in sources])


@each_notebook
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    run(read(path), tmp_path)


@each_notebook
def test_a_notebook_has_its_switch_at_the_top(path: Path) -> None:
    assert SWITCH.search(code_cells(read(path))[0].source)


@each_notebook
def test_the_stored_outputs_are_those_of_one_run(path: Path) -> None:
    assert unstored(read(path)) == ""


@each_notebook
def test_no_cell_of_a_notebook_is_too_long(path: Path) -> None:
    assert long_cells(read(path)) == []


@each_notebook
def test_a_notebook_uses_the_public_api_alone(path: Path) -> None:
    cells = code_cells(read(path))
    assert [name for cell in cells for name in private_names(python_of(cell))] == []


def test_a_cell_that_raises_stops_the_run(tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    with pytest.raises(CellExecutionError, match="no such name"):
        run(notebook_of("SMALL = False", "raise NameError('no such name')"), tmp_path)


def test_a_notebook_is_run_small_in_the_folder(tmp_path: Path) -> None:
    notebook = notebook_of("SMALL = False", "import pathlib; SMALL, str(pathlib.Path.cwd())")
    run(notebook, tmp_path)
    shown = notebook.cells[1].outputs[0].data["text/plain"]  # over two lines where the path is long
    assert ast.literal_eval(shown) == (True, str(tmp_path))
    assert unstored(notebook) == ""


def test_outputs_that_are_missing_or_out_of_order_are_noticed(tmp_path: Path) -> None:
    notebook = notebook_of("SMALL = True", "1 + 1")
    assert unstored(notebook) == "cells were run in the order [None, None]"
    run(notebook, tmp_path)
    notebook.cells[1].outputs = []
    assert unstored(notebook) == "no cell has an output"


def test_a_cell_of_sixteen_lines_is_noticed() -> None:
    notebook = notebook_of("\n\n".join(["x = 1"] * 15), "\n".join(["x = 1"] * 16))
    assert long_cells(notebook) == [2]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import trustydetox\nfrom trustydetox.spans import Span", []),
        ("from trustydetox import clean, load_recipe", []),
        ("from trustydetox.corpus import make_pairs", []),
        (
            "from trustydetox.corpus.pairs import make_pairs",
            ["trustydetox.corpus.pairs.make_pairs"],
        ),
        ("from trustydetox.corpus import windows", ["trustydetox.corpus.windows"]),
        ("import trustydetox.rows.csv", ["trustydetox.rows.csv"]),
        ("trustydetox.load_recipe('mini')._scorer", ["_scorer"]),
        ("from torch.nn import functional; x.__class__", []),
    ],
)
def test_what_is_not_public_is_noticed(source: str, found: list[str]) -> None:
    assert list(private_names(source)) == found
