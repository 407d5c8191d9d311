"""The README is run: what it shows is what the commands print."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
# A line of `...` in the README stands for any lines; so does `...` inside a line.
MATCHING = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Shown:
    """A command as the README shows it, and what it says it prints."""

    command: str
    output: str


def blocks(markdown: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


def shown(block: str) -> list[Shown]:
    """`$ ` starts a command, `> ` goes on with it, the rest is its output."""
    commands: list[Shown] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Shown(line[2:], ""))
        elif line.startswith("> ") and not commands[-1].output:
            commands[-1] = Shown(f"{commands[-1].command}\n{line[2:]}", "")
        else:
            commands[-1] = Shown(commands[-1].command, f"{commands[-1].output}{line}\n")
    return commands


def agree(wanted: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(wanted, got, MATCHING)


def run(command: str, folder: Path) -> str:
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


def test_the_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    # One folder for all: a later block goes on with the files of an earlier one.
    steps = [step for block in blocks(README, "console") for step in shown(block)]
    assert len(steps) >= 4, "the README shows no use of the command line"
    for step in steps:
        got = run(step.command, tmp_path)
        assert agree(step.output, got), f"$ {step.command}\nshown:\n{step.output}\ngot:\n{got}"


def test_the_python_of_the_readme_gives_what_it_shows() -> None:
    examples = blocks(README, "pycon")
    assert examples, "the README shows no use from Python"
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=MATCHING, verbose=False)
    said: list[str] = []
    names: dict[str, object] = {}
    for number, block in enumerate(examples):
        test = parser.get_doctest(block, names, f"README block {number}", "README.md", 0)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.parametrize(
    ("wanted", "got", "same"),
    [
        ("1 row\n", "1 row\n", True),
        ("1 row\n", "2 rows\n", False),
        ("first\n...\nlast\n", "first\nanything\nlast\n", True),
        ("", "a line that is not shown\n", False),
    ],
)
def test_output_is_compared(wanted: str, got: str, same: bool) -> None:
    assert agree(wanted, got) is same


def test_a_block_is_read_as_commands_and_outputs() -> None:
    block = "$ cat > a <<'END'\n> one\n> END\n$ cat a\none\n> quoted\n"
    assert shown(block) == [
        Shown("cat > a <<'END'\none\nEND", ""),
        Shown("cat a", "one\n> quoted\n"),
    ]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()
