"""`trustydetox serve`: toxic spans and mended texts over HTTP."""

from __future__ import annotations

import logging
import os
import signal
from typing import Annotated

import typer

from trustydetox.cli.commands import INTERRUPTED
from trustydetox.cli.options import Config, RecipeName, Threshold
from trustydetox.errors import require_extra


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; 0.0.0.0 is all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 8000,
    recipe: RecipeName = "mini",
    threshold: Threshold = None,
    fallback: Annotated[
        str,
        typer.Option(
            metavar="drop|redact|keep",
            help="What leaves where no candidate passes: null, the text with its toxic words "
            "redacted, or the text as it came.",
        ),
    ] = "redact",
    max_body: Annotated[
        int, typer.Option(metavar="BYTES", min=1, help="Most bytes of a request.")
    ] = 1_048_576,
    max_texts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most texts of a request.")
    ] = 256,
    max_characters: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most characters of a text.")
    ] = 20_000,
    max_requests: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most requests at a time; more get a 429.")
    ] = 256,
    max_waiting: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most texts that wait; more get a 429.")
    ] = 1024,
    batch: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Most texts that go through the models together."),
    ] = 64,
    drain: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="After SIGTERM, how long what was begun may take; what takes longer gets a 503.",
        ),
    ] = 30,
    config: Config = None,
) -> None:
    """Serve TrustyAI's detector API, and /v1/detoxify, until SIGTERM."""
    require_extra("uvicorn", "serve", "serve")

    from trustydetox.recipes import load_recipe
    from trustydetox.serving.service import Limits, create_app, is_computing, serve_app

    limits = Limits(
        body_bytes=max_body,
        texts=max_texts,
        characters=max_characters,
        requests=max_requests,
        waiting=max_waiting,
        batch=batch,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = create_app(load_recipe(recipe, threshold=threshold, fallback=fallback), limits=limits)
    # The server raises the signal that ended it once more when all is answered; to a service
    # that was asked to stop and did, that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    code = 0
    try:
        serve_app(app, host=host, port=port, drain_s=drain)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if is_computing(app):
        # Python would wait for that batch, however long it takes, and nobody else does.
        logging.shutdown()
        os._exit(code)
    raise typer.Exit(code)
