from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_everything_beside_the_code_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    beside = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "trustydetox").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert beside - set(wheel.namelist()) == set()


@pytest.mark.parametrize(
    "ending",
    [
        ".safetensors",
        ".yaml",
        ".jsonl",
        ".html",
        "py.typed",
        "/constraints.txt",
        "/manifests/overlays/kubernetes-cpu/kustomization.yaml",
    ],
)
def test_the_wheel_holds_what_a_user_needs_offline(wheel: zipfile.ZipFile, ending: str) -> None:
    assert [name for name in wheel.namelist() if name.endswith(ending)] != []


def test_the_wheel_names_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "trustydetox = trustydetox.cli:main" in wheel.read(entry_points).decode()
    assert [name for name in names if name.endswith("licenses/LICENSE")] != []


def test_the_wheel_holds_no_tests(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if not name.startswith("trustydetox")] == []
