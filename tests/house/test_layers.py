from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, to plant imports in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "trustydetox",
        tmp_path / "trustydetox",
        ignore=lambda folder, names: [
            name for name in names if Path(name).suffix not in {"", ".py"} or name == "__pycache__"
        ],
    )
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [tool, "--no-logo", "--no-cache"], capture_output=True, text=True, cwd=tree, check=False
    )


def plant(tree: Path, module: str, statement: str) -> None:
    path = tree / "trustydetox" / module
    path.write_text(path.read_text("utf-8") + f"\n{statement}\n", "utf-8")


def test_the_layers_hold(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        ("spans.py", "from trustydetox import records", "Imports point down"),
        ("detoxifier.py", "from trustydetox import steps", "Imports point down"),
        ("rows/__init__.py", "from trustydetox import report", "Imports point down"),
        ("recipes/__init__.py", "from trustydetox import corpus", "Imports point down"),
        (
            "corpus/files/__init__.py",
            "from trustydetox.corpus import datasets",
            "Files and datasets",
        ),
        (
            "serving/endpoint.py",
            "def late():\n    from trustydetox.serving import inferring",
            "No import runs in a circle",
        ),
        ("detoxifier.py", "def late():\n    import torch", "The core knows no framework"),
    ],
)
def test_a_planted_import_breaks_the_contract(
    tree: Path, module: str, statement: str, broken: str
) -> None:
    plant(tree, module, statement)
    done = lint(tree)
    assert done.returncode == 1
    assert any(
        line.startswith(broken) and line.endswith("BROKEN") for line in done.stdout.splitlines()
    )


def test_a_module_without_a_layer_is_noticed(tree: Path) -> None:
    (tree / "trustydetox" / "utils.py").write_text("", "utf-8")
    assert lint(tree).returncode == 1
