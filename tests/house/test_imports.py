from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "trustydetox"
HEAVY = {
    "captum", "datasets", "pandas", "pyarrow", "ray", "scipy", "sklearn", "tokenizers", "torch",
    "transformers", "trl",
}  # fmt: skip
OWN = {path.stem for path in PACKAGE.iterdir()}
LOWEST = ["errors", "spans", "records", "roles"]


def loaded_by(statement: str, candidates: set[str]) -> set[str]:
    """Which of the candidates a fresh interpreter has loaded after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return candidates & set(json.loads(done.stdout.splitlines()[-1]))


def imports_of(source: str) -> Iterator[str]:
    """Every module that the source names; `from a import b` names `a`, unless `b` is one too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                is_module = node.module == "trustydetox" and alias.name in OWN
                yield f"trustydetox.{alias.name}" if is_module else node.module or ""


@pytest.mark.parametrize(
    "statement", ["import trustydetox", "import trustydetox.cli", "import trustydetox.recipes"]
)
def test_importing_the_package_loads_no_heavy_library(statement: str) -> None:
    assert loaded_by(statement, HEAVY) == set()


def test_a_heavy_import_would_be_noticed() -> None:
    assert loaded_by("import trustydetox, sqlite3", HEAVY | {"sqlite3"}) == {"sqlite3"}


@pytest.mark.parametrize("level", range(len(LOWEST)))
def test_the_lowest_levels_import_only_the_standard_library_and_each_other(level: int) -> None:
    allowed = sys.stdlib_module_names | {f"trustydetox.{name}" for name in LOWEST[:level]}
    found = set(imports_of((PACKAGE / f"{LOWEST[level]}.py").read_text("utf-8")))
    assert {name for name in found if name.split(".")[0] not in allowed} - allowed == set()


CLI = PACKAGE / "cli"  # gathers commands; nobody imports from it


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_module_reaches_up_to_the_package_itself(path: Path) -> None:
    # The layers contract can't see it: the package's own file stands above all layers.
    if path.parent.name != "cli":
        assert "trustydetox" not in set(imports_of(path.read_text("utf-8")))


def test_reaching_up_would_be_noticed() -> None:
    source = "from trustydetox import spans\n\ndef late():\n    from trustydetox import clean"
    assert set(imports_of(source)) == {"trustydetox.spans", "trustydetox"}


def test_the_package_exports_what_it_says() -> None:
    import trustydetox

    assert sorted(trustydetox.__all__) == list(trustydetox.__all__)
    assert [name for name in trustydetox.__all__ if not hasattr(trustydetox, name)] == []


CLI = PACKAGE / "cli"  # gathers commands; nobody imports from it


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("__init__.py")) if not path.is_relative_to(CLI)],
    ids=lambda path: path.parent.name,
)
def test_what_a_package_imports_for_others_is_in_its_all(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    offered = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trustydetox")
        for alias in node.names
    }
    listed = {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
        and isinstance(node.value, ast.List | ast.Tuple)
        for element in node.value.elts
        if isinstance(element, ast.Constant)
    }
    assert {name for name in offered if not name.startswith("_")} - listed == set()
