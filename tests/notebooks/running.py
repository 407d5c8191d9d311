"""Notebooks: run from top to bottom in a fresh kernel, and what they must look like.

`python -m tests.notebooks.running [NOTEBOOK…]` (or `make notebooks`) stores the outputs anew.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_CELL = 15
SWITCH = re.compile(r"^SMALL = (True|False)\b", re.MULTILINE)


def read(path: Path) -> Any:
    """The notebook, in the form of today's nbformat."""
    import nbformat

    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run, in order; one without a line of code counts as well."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(notebook: Any, folder: Path) -> None:
    """Run every cell in the folder with `SMALL = True`; outputs are stored in the notebook.

    A cell that raises stops it with nbclient's CellExecutionError, which shows the cell.
    """
    from nbclient import NotebookClient

    for cell in code_cells(notebook):
        cell.source = SWITCH.sub("SMALL = True", cell.source)
    # Results of one run differ from the next by nothing but what was computed.
    client = NotebookClient(
        notebook,
        timeout=900,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    )


def long_cells(notebook: Any) -> list[int]:
    """Which code cells are longer than a reader should have to bear; empty lines are free."""
    lengths = [
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in code_cells(notebook)
    ]
    return [number for number, length in enumerate(lengths, 1) if length > LONGEST_CELL]


def private_names(source: str) -> Iterator[str]:
    """What the source takes from this package that isn't offered to users."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            yield from (name for name in modules if _is_ours(name) and not _is_offered(name))
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            module = str(node.module)
            names = [alias.name for alias in node.names]
            yield from (f"{module}.{name}" for name in names if not _is_offered(module, name))
        elif isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            yield node.attr


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "trustydetox"


def _is_offered(module: str, name: str | None = None) -> bool:
    """Whether users may import it: the package, what lies right in it, and what `__all__` lists."""
    if module.count(".") > 1 or any(part.startswith("_") for part in module.split(".")):
        return False
    if name is None:
        return True
    offered = getattr(importlib.import_module(module), "__all__", None)
    return not name.startswith("_") if offered is None else name in offered


def unstored(notebook: Any) -> str:
    """Why what is stored is not the outcome of one run from top to bottom; empty if it is."""
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        return f"cells were run in the order {counts}"
    if not any(cell.outputs for cell in cells):
        return "no cell has an output"
    if any(output.output_type == "error" for cell in cells for output in cell.outputs):
        return "a cell ended in an error"
    return ""


def python_of(cell: Any) -> str:
    """The cell without the lines that only a notebook understands."""
    lines = cell.source.splitlines()
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in lines)


def _store(path: Path) -> None:
    import nbformat

    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        run(notebook, Path(folder))
        for cell in code_cells(notebook):
            # Warnings are of the versions on this machine, and progress is over.
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
            for output in cell.outputs:
                _without_place(output, folder)
    nbformat.write(notebook, path)


def _without_place(output: Any, folder: str) -> None:
    """Where on this machine it ran is nobody's business."""
    places = {folder: ".", str(ROOT): "…"}
    for holder, key in ((output, "text"), *((output.get("data", {}), kind) for kind in _TEXTS)):
        if isinstance(holder.get(key), str):
            for place, said in places.items():
                holder[key] = holder[key].replace(place, said)


_TEXTS = ("text/plain", "text/html", "text/markdown")

if __name__ == "__main__":
    for chosen in map(Path, sys.argv[1:] or NOTEBOOKS):
        _store(chosen)
