"""The README's examples: read, run, and written anew with what they really print.

`python -m tests.readme` (or `make readme`) fills in every output; tests/house/test_readme.py holds
the README to it.
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

README = Path(__file__).parents[1] / "README.md"


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
    """The README with the real output of each example."""
    with tempfile.TemporaryDirectory() as folder:
        markdown = _rewritten(markdown, "console", lambda block: _run_shell(block, Path(folder)))
    interpreter = code.InteractiveInterpreter({})
    return _rewritten(markdown, "pycon", lambda block: _run_python(block, interpreter))


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
    README.write_text(filled(README.read_text("utf-8")), "utf-8")
