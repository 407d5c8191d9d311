from __future__ import annotations

import importlib.metadata
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from trustydetox.recipes import ROLES, policy_names, recipe_names, step_names

# The module: its name in the package is the command's.
looking: Any = import_module("trustydetox.cli.doctor")


def test_recipes_and_steps_are_listed_each_with_what_it_does(run: Run) -> None:
    ran = run("list")

    assert (ran.code, ran.err) == (0, "")
    # Further in stands what a recipe needs.
    named = [line for line in ran.out.splitlines() if re.match(r"  \S", line)]
    lines = dict(line.strip().split(maxsplit=1) for line in named)
    steps = {name for group in ROLES for name in step_names(group)}
    assert set(lines) == {*recipe_names(), *policy_names(), *steps}
    assert all(lines.values())


def test_a_plug_in_that_can_t_be_imported_is_listed_as_such(run: Run) -> None:
    (line,) = [line for line in run("list").out.splitlines() if "fake-broken" in line]
    assert "can't be used" in line


def test_the_doctor_names_the_tested_versions_and_the_machine(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(looking, "FOLDER", tmp_path)

    ran = run("doctor")

    assert ran.code == 6
    found = dict(line[6:].split(maxsplit=1) for line in ran.out.splitlines() if line[:4].strip())
    assert found["typer"].startswith(importlib.metadata.version("typer"))
    assert {"Python", "torch", "cores", "memory", "disk"} <= set(found)
    assert "FAIL  weights" in ran.out
    assert "guide.safetensors" in found["weights"]
    assert "trustydetox train embedded" in ran.out


def test_weights_that_are_not_as_built_are_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The digest of "right".
    right = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9"
    monkeypatch.setattr(looking, "FOLDER", tmp_path)
    monkeypatch.setattr(looking, "WEIGHTS", ("one", "two"))
    (tmp_path / "one").write_text("right", "utf-8")
    (tmp_path / "two").write_text("wrong", "utf-8")
    built = {name: {"bytes": 5, "sha256": right} for name in ("one", "two")}
    (tmp_path / "build.json").write_text(json.dumps({"weights": built}), "utf-8")

    ran = run("doctor")

    assert ran.code == 6
    assert "not as built: two" in ran.out


def test_another_version_than_the_tested_one_is_a_note_and_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.0+cpu")
    same = looking._package("torch", "2.0")
    other = looking._package("torch", "1.9")
    assert (same.advice, same.exit_code) == ("", 0)
    assert (other.advice, other.exit_code) == ("tested with 1.9", 0)


def test_a_package_that_is_not_there_fails() -> None:
    looked = looking._package("no-such-package-here", None)
    assert (looked.found, looked.exit_code) == ("not installed", 2)


def test_the_tested_versions_hold_what_the_doctor_asks_for() -> None:
    assert set(looking.PACKAGES) <= set(looking.tested_versions())
