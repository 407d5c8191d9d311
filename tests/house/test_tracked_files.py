from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each is spelled in two parts, so that this file doesn't find itself.
UNSAFE = {
    "pickle runs code": "pickle" + r"\.loads?\(",
    # What converts them reads weights only, in a process of its own.
    "weights that may be pickles": "torch" + r"\.load\((?!.*weights_only=True)",
    "code from a model's repository": "trust_remote" + "_code ?= ?True",
    "certificates not checked": "verify" + " ?= ?False",
    "a shell between us and a program": "shell" + " ?= ?True",
    # `_Loader` is the recipes' own safe loader, which refuses a key written twice.
    "YAML that makes objects": "yaml" + r"\.((unsafe_|full_)load\(|load\((?!.*, _Loader\)))",
}
OF_ONE_MACHINE = {
    "a path of one machine": r"(^|[\s\"'=(:`])/(work|" + "root|home|Users|farm)/[a-z]",
    "data beside the checkout": r"\.\./" + "shared",
    "a registry's host": r"(files\.pythonhosted|download\.py" + r"torch|//pypi)\.",
}
LEFT_BEHIND = {"a note to oneself": r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b|break" + r"point\(\)"}


def tracked() -> list[Path]:
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: there is no list of tracked files")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def places(pattern: str, paths: list[Path]) -> list[str]:
    """`file:line` wherever the pattern stands; never the line itself."""
    found = []
    for path in paths:
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(path.anchor)}:{number}")
    return found


@pytest.mark.parametrize(
    "pattern",
    [*UNSAFE.values(), *OF_ONE_MACHINE.values(), *LEFT_BEHIND.values()],
    ids=[*UNSAFE, *OF_ONE_MACHINE, *LEFT_BEHIND],
)
def test_no_tracked_file_holds(pattern: str) -> None:
    assert places(pattern, tracked()) == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("pickle runs code", "data = pickle" + ".load(file)"),
        ("weights that may be pickles", "torch" + ".load(path)"),
        ("code from a model's repository", "trust_remote" + "_code=True"),
        ("certificates not checked", "get(url, verify" + "=False)"),
        ("a shell between us and a program", "run(line, shell" + "=True)"),
        ("YAML that makes objects", "yaml" + ".load(text)"),
        ("a path of one machine", "open('/wo" + "rk/main/x')"),
        ("a path of one machine", "cd /ho" + "me/someone"),
        ("data beside the checkout", "--data ../" + "shared/data"),
        ("a registry's host", "https://download.py" + "torch.org/whl"),
        ("a note to oneself", "# TO" + "DO later"),
    ],
)
def test_a_planted_line_is_found(tmp_path: Path, rule: str, line: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(f"first line\n{line}\n", "utf-8")
    pattern = {**UNSAFE, **OF_ONE_MACHINE, **LEFT_BEHIND}[rule]
    assert [place.rpartition(":")[2] for place in places(pattern, [path])] == ["2"]


def test_only_weights_are_large() -> None:
    large = [path for path in tracked() if path.stat().st_size > 500_000]
    assert [path.name for path in large if "embedded" not in path.parts] == []


def test_the_embedded_files_stay_under_64_mb() -> None:
    sizes = [path.stat().st_size for path in tracked() if "embedded" in path.parts]
    assert sum(sizes) < 64_000_000
