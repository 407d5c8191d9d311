"""The examples of README and docs: read, run, and written anew with what they really print.

`python -m tests.readme` (or `make readme`) fills in every output, and copies tables of the model
card; tests/house/test_readme.py and test_docs.py hold the pages to it.
"""

from __future__ import annotations

import code
import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
CARD = ROOT / "trustydetox" / "embedded" / "MODEL_CARD.md"


@dataclass(frozen=True)
class Shown:
    """A command as the README shows it, and what it says it prints."""

    command: str
    output: str


def blocks(markdown: str, language: str) -> list[str]:
    """The content of every fenced block of a language."""
    return _fenced(language).findall(markdown)


def shown(block: str) -> list[Shown]:
    """The commands of a block: `$ ` starts one, `> ` goes on with it, the rest is its output."""
    commands: list[Shown] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Shown(line[2:], ""))
        elif line.startswith("> ") and not commands[-1].output:
            commands[-1] = Shown(f"{commands[-1].command}\n{line[2:]}", "")
        else:
            commands[-1] = Shown(commands[-1].command, f"{commands[-1].output}{line}\n")
    return commands


def run(command: str, folder: Path) -> str:
    """What bash prints for a command, errors and progress included."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def filled(markdown: str) -> str:
    """A page with the real output of each example, and the card's sections as they are."""
    markdown = with_card(markdown)
    with tempfile.TemporaryDirectory() as folder:
        markdown = _rewritten(markdown, "console", lambda block: _run_shell(block, Path(folder)))
    interpreter = code.InteractiveInterpreter({})
    return _rewritten(markdown, "pycon", lambda block: _run_python(block, interpreter))


def with_card(markdown: str) -> str:
    """A page whose `<!-- card: HEADING -->` are followed by that section of the model card."""
    card = CARD.read_text("utf-8")

    def section(match: re.Match[str]) -> str:
        found = re.search(
            rf"^##+ {re.escape(match[1])}\n(.*?)(?=^##+ |\Z)", card, re.MULTILINE | re.DOTALL
        )
        assert found is not None, f"the card has no section {match[1]!r}"
        return f"<!-- card: {match[1]} -->\n{found[1].strip()}\n<!-- end -->"

    pattern = r"<!-- card: (.*?) -->\n.*?<!-- end -->"
    return re.sub(pattern, section, markdown, flags=re.DOTALL)


def _fenced(language: str) -> re.Pattern[str]:
    return re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _rewritten(markdown: str, language: str, run_block: Callable[[str], str]) -> str:
    return _fenced(language).sub(lambda match: f"```{language}\n{run_block(match[1])}```", markdown)


def _run_shell(block: str, folder: Path) -> str:
    lines = []
    for step in shown(block):
        lines.append("$ " + step.command.replace("\n", "\n> ") + "\n")
        lines.append(run(step.command, folder))
    return "".join(lines)


def _run_python(block: str, interpreter: code.InteractiveInterpreter) -> str:
    lines = []
    for example in doctest.DocTestParser().get_examples(block):
        lines.append(">>> " + example.source.rstrip("\n").replace("\n", "\n... ") + "\n")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            interpreter.runsource(example.source, symbol="single")
        lines.append(printed.getvalue())
    return "".join(lines)


if __name__ == "__main__":
    for page in [README, *DOCS]:
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
