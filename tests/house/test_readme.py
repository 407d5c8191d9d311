"""The README is run: what it shows is what the commands print."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from tests.readme import README, Shown, blocks, filled, run, shown

MARKDOWN = README.read_text("utf-8")
# `...` in the README stands for anything.
MATCHING = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def agree(wanted: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(wanted, got, MATCHING)


def test_the_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    # One folder for all: a later block goes on with the files of an earlier one.
    steps = [step for block in blocks(MARKDOWN, "console") for step in shown(block)]
    assert len(steps) >= 4, "the README shows no use of the command line"
    for step in steps:
        got = run(step.command, tmp_path)
        assert agree(step.output, got), f"$ {step.command}\nshown:\n{step.output}\ngot:\n{got}"


def test_the_python_of_the_readme_gives_what_it_shows() -> None:
    examples = blocks(MARKDOWN, "pycon")
    assert examples, "the README shows no use from Python"
    runner = doctest.DocTestRunner(optionflags=MATCHING, verbose=False)
    said: list[str] = []
    names: dict[str, object] = {}
    for number, block in enumerate(examples):
        test = doctest.DocTestParser().get_doctest(
            block, names, f"README block {number}", "README.md", 0
        )
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


def test_outputs_are_filled_in_and_the_rest_is_kept() -> None:
    before = (
        "A\n```console\n$ cat > a <<'END'\n> one\n> END\n$ cat a\nstale\n```\n"
        "B\n```pycon\n>>> x = 2\n>>> x + 1\nstale\n```\nC\n"
    )
    assert filled(before) == (
        "A\n```console\n$ cat > a <<'END'\n> one\n> END\n$ cat a\none\n```\n"
        "B\n```pycon\n>>> x = 2\n>>> x + 1\n3\n```\nC\n"
    )


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", MARKDOWN))
def test_a_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (README.parent / link).exists()
