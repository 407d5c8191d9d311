"""Options that several commands share, and `--config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.recipes.reading import read_yaml
from trustydetox.roles import Action

NOT_IN_A_FILE = {"config", "help", "input_"}


def _configured(ctx: typer.Context, value: Path | None) -> Path | None:
    """Make the file's settings this command's defaults, so that a flag still wins."""
    if value is None:
        return None
    known = {
        str(parameter.name): parameter
        for parameter in ctx.command.params
        if parameter.name not in NOT_IN_A_FILE
    }
    settings: dict[str, Any] = {}
    for key, setting in read_yaml(value).items():
        name = key.replace("-", "_")
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(f"{ctx.info_name} has no setting {key!r} (in {value}){near}")
        is_list = known[name].multiple if hasattr(known[name], "multiple") else False
        settings[name] = [setting] if is_list and not isinstance(setting, list) else setting
    ctx.default_map = settings
    return value


Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.yaml",
        is_eager=True,
        callback=_configured,
        help="Settings by the options' names; an option on the command line wins.",
    ),
]
Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A .jsonl, .json, .csv, .parquet or .txt file, also .gz or .zst; a folder of them, "
        "or a pattern such as 'raw/*.jsonl'; - for JSON lines from standard input.",
        show_default=False,
    ),
]
Field = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="A column to clean; may be given again. Without it: every recognised column.",
        show_default=False,
    ),
]
Roles = Annotated[
    str,
    typer.Option(
        metavar="ROLE=ACTION,…",
        help="What becomes of whose toxic words, in conversations and plain columns: rewrite, "
        "redact, drop (their row), flag (in the record) or keep (unread). Without it: "
        "assistant=rewrite, user=flag, text=rewrite, and all others keep.",
        show_default=False,
    ),
]
RecipeName = Annotated[
    str, typer.Option(metavar="NAME|FILE.yaml", help="Which steps do the work; see `list`.")
]
Locked = Annotated[
    bool,
    typer.Option(
        "--locked", help="Refuse a recipe with a model of the Hub that isn't named by its commit."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="A text of this toxicity or more is toxic; in (0, 1]. Without it: the recipe's.",
        show_default=False,
    ),
]


ProgressStyle = Annotated[
    Literal["auto", "json"],
    typer.Option(
        "--progress",
        help="How to say on standard error how far it is: a bar on a terminal and else a line "
        "every 30 s, or a line of JSON a second.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors.")
]


def roles_in(given: str) -> dict[str, Action]:
    """What `--roles` says."""
    from trustydetox.corpus.choosing import actions, roles_in

    return actions(roles_in(given))


Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run folder that `clean` made beside its output.")
]
CaCert = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.pem",
        help="The authorities to trust, rather than the public ones; certificates are always "
        "checked.",
        show_default=False,
    ),
]
