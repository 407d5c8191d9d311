from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout in which nothing is installed yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def dry_run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", "-n", f"PYTHON={sys.executable}", *arguments],
        capture_output=True,
        text=True,
        cwd=tree,
        check=False,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_read(bare: Path, target: str) -> None:
    done = dry_run(bare, target)
    assert done.returncode == 0, done.stderr


def test_every_target_is_declared_as_no_file() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert declared is not None
    assert sorted(declared[1].split()) == sorted(TARGETS)


@pytest.mark.parametrize(
    ("target", "chosen"),
    [("test", '-n 2 -m "not needs"'), ("test-all", "-m needs --require-tools")],
)
def test_what_needs_a_tool_is_left_to_test_all_whatever_is_installed(
    bare: Path, target: str, chosen: str
) -> None:
    assert f"pytest {chosen}" in dry_run(bare, target).stdout


@pytest.mark.parametrize("target", ["demo", "test"])
def test_a_second_make_installs_nothing(bare: Path, target: str) -> None:
    (bare / ".venv").mkdir()
    for stamp in ("run.stamp", "dev.stamp"):
        (bare / ".venv" / stamp).touch()
    assert "pip" not in dry_run(bare, target).stdout


def test_a_changed_constraint_installs_again(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for stamp in ("run.stamp", "dev.stamp"):
        (bare / ".venv" / stamp).touch()
    later = (bare / ".venv" / "run.stamp").stat().st_mtime + 10
    os.utime(bare / "constraints.txt", (later, later))
    assert "pip install" in dry_run(bare, "demo").stdout


def test_a_missing_python_is_one_clear_line(bare: Path) -> None:
    done = dry_run(bare, "PYTHON=no-such-python", "demo")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no Python 3.11, 3.12 or 3.13 among: no-such-python" in done.stderr


def test_a_missing_venv_module_is_one_clear_line(bare: Path) -> None:
    python = bare / "python-without-venv"
    python.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n', "utf-8")
    python.chmod(0o755)
    done = dry_run(bare, f"PYTHON={python}", "demo")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "has no venv module" in done.stderr


def test_a_full_disk_is_one_clear_line(bare: Path) -> None:
    done = dry_run(bare, "FREE_GB=7", "demo")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "8 GB of free disk are needed" in done.stderr


def test_eight_gigabytes_are_enough(bare: Path) -> None:
    assert dry_run(bare, "FREE_GB=8", "demo").returncode == 0
