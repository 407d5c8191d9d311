from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from trustydetox.cli import app

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
    else:
        for word, child in below.items():
            yield from leaves(child, f"{name} {word}".strip())


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    group, _, last = name.rpartition(" ")
    assert f"`trustydetox {name}" in README or (group and f"`{group} {last}`" in README)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []


@pytest.mark.parametrize(
    "name",
    ["scan", "clean", "diff", "revert", "evaluate spans", "evaluate scorer", "train embedded"],
)
def test_the_promised_commands_exist(name: str) -> None:
    assert name in COMMANDS
