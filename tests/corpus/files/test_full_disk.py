"""A disk that fills up ends the run with one error, and the run goes on when there is room."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import detoxifier
from trustydetox.corpus import clean_file
from trustydetox.errors import ResourceError


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "small"
    place.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place],
        check=False,
        capture_output=True,
    )
    if not made or made.returncode:
        pytest.skip("this user can't mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """About 120 kB of rows."""
    path = tmp_path / "in.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"you idiot {'x' * 90}"}) + "\n" for _ in range(1000))
    )
    return path


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("full", ["output", "ledger"])
def test_a_full_disk_leaves_no_half_file_and_the_run_goes_on_after_it(
    tmp_path: Path, small: Path, source: Path, full: str
) -> None:
    out = (small if full == "output" else tmp_path) / "out.jsonl"
    run = (small if full == "ledger" else tmp_path) / "run"
    given: dict[str, Any] = {"detoxifier": detoxifier(), "run": run, "shard_rows": 50}
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * (200 << 10))
    with pytest.raises(ResourceError, match=rf"can't write {small}.*more bytes to write"):
        clean_file(source, out, **given)
    assert visible(small) == ["ballast"]
    if full == "ledger":
        # Records alone take more than the whole of it.
        return
    ballast.unlink()
    assert clean_file(source, out, **given).written == 1000
    assert visible(small) == ["out.jsonl"]
