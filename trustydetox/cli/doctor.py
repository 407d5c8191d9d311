"""`trustydetox doctor`: whether this machine and installation can do the work."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

import trustydetox
from trustydetox.embedded import FOLDER, WEIGHTS
from trustydetox.errors import ConfigError, DetoxError, ModelError, ResourceError
from trustydetox.records import Verdict
from trustydetox.report import visible

SENTENCE = "Please read the manual, you stupid idiot."
PACKAGES = (
    "captum", "datasets", "jinja2", "numpy", "pyarrow", "pydantic", "pyyaml", "rich",
    "safetensors", "tokenizers", "torch", "transformers", "typer", "zstandard",
)  # fmt: skip
FREE_GB = 1.0
MEMORY_GB = 2.0


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at; an exit code other than 0 says that it's wrong."""

    what: str
    found: str
    advice: str = ""
    exit_code: int = 0


def doctor() -> None:
    """Check Python, packages, weights and machine, and mend one sentence."""
    worst = 0
    for looked in _look():
        mark = "FAIL" if looked.exit_code else "note" if looked.advice else "ok"
        print(visible(f"{mark:<4}  {looked.what:<14} {looked.found}"))
        if looked.advice:
            print(visible(f"      {'':<14} {looked.advice}"))
        worst = worst or looked.exit_code
    raise typer.Exit(worst)


def _look() -> Iterator[Looked]:
    yield _python()
    yield Looked("trustydetox", trustydetox.__version__)
    tested = tested_versions()
    for package in PACKAGES:
        yield _package(package, tested.get(package))
    yield _accelerator()
    yield _cores()
    yield _memory()
    yield _disk()
    weights = _weights()
    yield weights
    if not weights.exit_code:
        yield _self_check()


def _python() -> Looked:
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return Looked("Python", version)
    return Looked("Python", version, "needs 3.11, 3.12 or 3.13", ConfigError.exit_code)


def tested_versions() -> dict[str, str]:
    """Package -> version, as tested together; empty where the list wasn't installed."""
    package = Path(trustydetox.__file__).parent
    for path in (package / "constraints.txt", package.parent / "constraints.txt"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            pins = (line.split("==") for line in lines if "==" in line and line[:1] != "#")
            return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}
    return {}


def _package(name: str, tested: str | None) -> Looked:
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Looked(name, "not installed", f"pip install {name}", ConfigError.exit_code)
    # `2.13.0+cpu` is a build of 2.13.0.
    if tested is None or installed.partition("+")[0] == tested.partition("+")[0]:
        return Looked(name, installed)
    return Looked(name, installed, f"tested with {tested}")


def _accelerator() -> Looked:
    import torch

    if torch.cuda.is_available():
        return Looked("accelerator", torch.cuda.get_device_name(0))
    return Looked("accelerator", "none; the embedded models don't need one")


def _cores() -> Looked:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Looked("cores", f"{usable} usable")


def _memory() -> Looked:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return Looked("memory", "unknown here")
    found = f"{size:.1f} GiB"
    return Looked("memory", found, "" if size >= MEMORY_GB else f"{MEMORY_GB} GiB are advised")


def _disk() -> Looked:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    found = f"{free:.1f} GiB free in this folder"
    if free >= FREE_GB:
        return Looked("disk", found)
    return Looked("disk", found, f"needs {FREE_GB} GiB", ResourceError.exit_code)


def _weights() -> Looked:
    missing = [name for name in (*WEIGHTS, "build.json") if not (FOLDER / name).is_file()]
    if missing:
        advice = "reinstall trustydetox, or build them: trustydetox train embedded"
        return Looked("weights", f"missing: {', '.join(missing)}", advice, ModelError.exit_code)
    built = json.loads((FOLDER / "build.json").read_bytes())["weights"]
    wrong = [name for name in WEIGHTS if _sha256(FOLDER / name) != built[name]["sha256"]]
    if wrong:
        found = f"not as built: {', '.join(wrong)}"
        return Looked("weights", found, "reinstall trustydetox", ModelError.exit_code)
    size = sum((FOLDER / name).stat().st_size for name in WEIGHTS) / 1e6
    return Looked("weights", f"{len(WEIGHTS)} files, {size:.1f} MB, hashes as built")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _self_check() -> Looked:
    try:
        (record,) = trustydetox.load_recipe("mini").run([SENTENCE])
    except DetoxError as error:
        return Looked("self-check", str(error), "reinstall trustydetox", error.exit_code)
    found = f"{record.toxicity.overall:.2f} toxic, {record.verdict}"
    if record.verdict is Verdict.CLEAN:
        return Looked("self-check", found, "a plain insult passed", ModelError.exit_code)
    return Looked("self-check", found)
