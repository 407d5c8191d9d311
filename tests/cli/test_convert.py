from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.serving.models import save_tiny_opt


def test_convert_says_what_it_wrote(run: Run, tmp_path: Path) -> None:
    save_tiny_opt(tmp_path / "model")
    ran = run("convert", tmp_path / "model", "-o", tmp_path / "out", "--format", "caikit")
    said = json.loads(ran.out)
    assert ran.code == 0
    assert (said["out"], said["format"], said["files"]) == (str(tmp_path / "out"), "caikit", 6)
    assert len(said["revision"]) == 12
    again = run("convert", tmp_path / "model", "-o", tmp_path / "out")
    assert (again.code, again.out) == (7, "")


def test_convert_refuses_in_one_line(run: Run, tmp_path: Path) -> None:
    ran = run("convert", tmp_path / "none", "-o", tmp_path / "out")
    assert (ran.code, ran.out, ran.err.count("\n")) == (6, "", 1)
    assert run("convert", tmp_path, "-o", tmp_path / "out", "--format", "onnx").code == 2
