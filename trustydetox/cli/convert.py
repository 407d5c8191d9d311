"""`trustydetox convert`: an exported model in the form that a runtime serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def convert(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="The folder of an exported model: config.json, safetensors and tokenizer.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="The folder to make; it must not be there yet.",
            show_default=False,
        ),
    ],
    format_: Annotated[
        Literal["hf", "caikit", "modelcar"],
        typer.Option(
            "--format",
            help="hf for vLLM and the Hugging Face runtime, caikit for Caikit-TGIS, modelcar for "
            "an image that KServe mounts.",
        ),
    ] = "hf",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Load what was written, and have it weigh its next token."),
    ] = False,
) -> None:
    """Write a model as a runtime serves it, with a manifest of hashes; weights keep their bytes."""
    from trustydetox.serving import convert

    manifest = convert(model, out, format_, verify=verify)
    print(
        json.dumps(
            {
                "out": str(out),
                "format": manifest.format,
                "files": len(manifest.files),
                "bytes": manifest.size,
                "revision": manifest.revision,
            }
        )
    )
