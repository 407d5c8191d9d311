"""`trustydetox infer`: what a served model makes of prompts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trustydetox.cli.clean import MaxBad, end_with_bad_rows
from trustydetox.cli.options import Config, Field
from trustydetox.errors import ConfigError

if TYPE_CHECKING:
    from trustydetox.serving import Model


def infer(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="Where the model is served; https unless it says http://.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option("-m", "--model", metavar="NAME", help="The model's name.", show_default=False),
    ],
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What the runtime speaks: openai (vLLM), openai-kserve (KServe's Hugging Face "
            "runtime), caikit-http, caikit-grpc, v1 or v2.",
        ),
    ] = "openai",
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="One prompt.", show_default=False)
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            help="A file of prompts: any that `scan` reads; - for JSON lines from standard input.",
            show_default=False,
        ),
    ] = None,
    field: Field = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another endpoint that is asked the same, for a comparison; protocol, token and "
            "certificates are those of the first.",
            show_default=False,
        ),
    ] = None,
    before_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The model's name there; without it the same. Without --before: at the same URL.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Most new tokens; without it the server's own limit.",
            show_default=False,
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print the completion of --text as it comes.")
    ] = False,
    out: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="Where the completions go: OUT.jsonl, or a table as OUT.md; - is here.",
        ),
    ] = "-",
    token_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The variable that holds a bearer token.", show_default=False
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file that holds one.", show_default=False),
    ] = None,
    ca_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.pem",
            help="Certificates to trust instead of the usual ones.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="The longest silence of the server.")
    ] = 60.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="How often a 503 is asked again.")
    ] = 3,
    max_bad: MaxBad = 0,
    config: Config = None,
) -> None:
    """Send prompts to a served model; completions are greedy and come without the prompt."""
    from trustydetox.corpus.runs.outputs import Output, plain_errors
    from trustydetox.rows import format_of
    from trustydetox.serving import Endpoint, complete_file, completed, connect

    if (text is None) == (prompts is None):
        raise ConfigError("expected either --text or --prompts")
    is_compared = before is not None or before_model is not None
    if stream and (text is None or is_compared or out != "-"):
        raise ConfigError("--stream prints the completion of one --text, and here")
    is_table = out.endswith(".md")
    if not is_table and format_of(out).table != "jsonl":
        raise ConfigError(f"expected a name in .jsonl or .md, got {out}")
    compression = "" if is_table else format_of(out).compression

    def endpoint(at: str, name: str) -> Endpoint:
        return Endpoint(
            url=at,
            model=name,
            protocol=protocol,
            token_env=token_env,
            token_file=token_file,
            ca_cert=ca_cert,
            timeout_s=timeout,
            retries=retries,
        )

    with ExitStack() as stack:
        asked = stack.enter_context(connect(endpoint(url, model)))
        other: Model | None = None
        if is_compared:
            other = stack.enter_context(connect(endpoint(before or url, before_model or model)))
        if text is not None and not is_compared and out == "-":
            _print(asked.stream(text, max_tokens) if stream else [asked.complete(text, max_tokens)])
            return
        found = (
            iter([completed(text, asked, other, max_tokens)])
            if text is not None
            else complete_file(
                str(prompts), asked, before=other, fields=field or (), max_tokens=max_tokens
            )
        )
        bad = 0
        with plain_errors(out), Output(out, compression) as output:
            if is_table:
                output.write(_table(is_compared).encode())
            for one in found:
                bad += "error" in one
                output.write((_row(one, is_compared) if is_table else json.dumps(one)).encode())
                output.write(b"\n")
            output.finish()
            output.commit()
    sys.stdout.flush()
    end_with_bad_rows(bad, max_bad)


def _print(pieces: Any) -> None:
    from trustydetox.report import visible

    for piece in pieces:
        # A model's words may hold what steers a terminal.
        print(visible(piece) if sys.stdout.isatty() else piece, end="", flush=True)
    print()


def _columns(is_compared: bool) -> Iterator[str]:
    yield "prompt"
    yield from ("before", "after") if is_compared else ("completion",)


def _table(is_compared: bool) -> str:
    names = list(_columns(is_compared))
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"


def _row(one: dict[str, Any], is_compared: bool) -> str:
    if "error" in one:
        cells = [one["error"], *[""] * (1 + is_compared)]
    else:
        cells = [one[name] for name in _columns(is_compared)]
    # Backslash first: it is what the other two are written with.
    escaped = (
        cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>") for cell in cells
    )
    return f"| {' | '.join(escaped)} |"
