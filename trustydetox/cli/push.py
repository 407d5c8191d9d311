"""`trustydetox push`: a converted model into a bucket."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from trustydetox.cli.options import CaCert


def push(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="What `convert` wrote.", show_default=False),
    ],
    url: Annotated[
        str,
        typer.Argument(
            metavar="s3://BUCKET/PREFIX/REV",
            help="Where it goes; one that ends in / gets the revision that `convert` said. Without "
            "s3://BUCKET/ the bucket is the one of AWS_S3_BUCKET.",
            show_default=False,
        ),
    ],
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The S3 service, with https:// or http://. Without it: AWS_S3_ENDPOINT or "
            "AWS_ENDPOINT_URL, else AWS.",
            show_default=False,
        ),
    ] = None,
    ca_cert: CaCert = None,
) -> None:
    """Send a model to a bucket and read it back; the manifest goes last, a revision never changes.

    Credentials and region come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_DEFAULT_REGION) or from where else boto3 looks for them.
    """
    from trustydetox.serving import push

    pushed = push(folder, url, endpoint=endpoint, ca_cert=ca_cert, tell=_say)
    print(json.dumps({"url": str(pushed.place), "sent": pushed.sent, "found": pushed.found}))


def _say(key: str) -> None:
    print(f"sending {key}", file=sys.stderr, flush=True)
