"""`trustydetox play`: the playground, on this machine only."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated

import typer

from trustydetox.errors import ConfigError, require_extra

HOST = "127.0.0.1"
MOST_BYTES = "5mb"


def play(
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="N", help="Where the page is served.")
    ] = 7860,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser too.")
    ] = False,
) -> None:
    """Serve a page to try recipes on, with texts and small files; nobody else can reach it."""
    require_extra("gradio", "the playground", "play")
    # Read when gradio is imported: no word to its makers, and uploads where only we can read them.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with TemporaryDirectory(prefix="trustydetox-play-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from trustydetox.playground import build_playground

        page, looks = build_playground(Path(folder))
        try:
            page.launch(
                server_name=HOST,
                server_port=port,
                share=False,
                inbrowser=open_,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                max_file_size=MOST_BYTES,
                footer_links=[],
                blocked_paths=[str(Path.cwd())],
                **looks,
            )
        except OSError as error:
            raise ConfigError(f"port {port} is taken: --port names another") from error
        print(f"http://{HOST}:{port} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        try:
            with suppress(KeyboardInterrupt):
                Event().wait()
        finally:
            page.close(verbose=False)
