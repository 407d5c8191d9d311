"""The card beside weights that a user trained: from what, how, and how good they are."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from trustydetox.errors import ConfigError

CARD = "README.md"
_PACKAGES = ("trustydetox", "torch", "transformers", "tokenizers")


def require_empty(folder: Path) -> None:
    """Raise ConfigError where the folder holds anything: nothing is overwritten."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something already: name a new folder for the model")
    folder.mkdir(parents=True, exist_ok=True)


def data_lines(paths: Sequence[str]) -> list[str]:
    """Name and sha256 of each file that the model learned from."""
    lines = []
    for path in paths:
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{Path(path).name}, sha256 `{digest[:16]}…`")
    return lines


def write_card(
    folder: Path, title: str, facts: Mapping[str, object], results: str, *, use: str = ""
) -> None:
    """Write README.md.

    facts: what it was made of; a list becomes several lines. results: tables in Markdown.
    use: a command or a line of Python that uses it.
    """
    lines = [f"# {title}", ""]
    for name, fact in facts.items():
        if isinstance(fact, list):
            lines += [f"- {name}:", *(f"  - {one}" for one in fact)]
        else:
            lines.append(f"- {name}: {fact}")
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    lines.append(f"- versions: Python {platform.python_version()}, {versions}")
    if use:
        lines += ["", "```", use, "```"]
    lines += ["", "## Results", "", results.strip(), ""]
    (folder / CARD).write_text("\n".join(lines), encoding="utf-8")
