"""`trustydetox deploy`: a pushed model onto a cluster with KServe."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from trustydetox.cli.progress import say
from trustydetox.errors import ConfigError


def deploy(
    overlay: Annotated[
        str,
        typer.Option(
            metavar="NAME|DIR",
            help="kubernetes-cpu, openshift-ai-gpu, caikit-legacy, or the folder of a "
            "kustomization of your own.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What the served model is called. Without it: detoxed-model."
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE", help="Without it: the one of kubectl's context."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="s3://…|oci://…", help="What `push` said, or a modelcar image."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the cluster finds the S3 service, with https:// or http://. Without it: "
            "AWS_S3_ENDPOINT or AWS_ENDPOINT_URL, which is also asked from here whether the upload "
            "is whole.",
            show_default=False,
        ),
    ] = None,
    render_only: Annotated[
        bool,
        typer.Option("--render-only", help="Print the checked objects; no secret, no cluster."),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Give them to the cluster of kubectl's context, with keys from the environment.",
        ),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="The same, then wait until the model is ready and has given a token."
        ),
    ] = False,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long --wait waits.")
    ] = 900,
) -> None:
    """Render and check the manifests of a pushed model; apply them and wait for its first token."""
    from trustydetox.serving import deploying, waiting
    from trustydetox.serving.bucket import said_endpoint
    from trustydetox.serving.rendering import Choices

    if render_only + apply + wait != 1:
        raise ConfigError("say one of --render-only, --apply and --wait")
    choices = Choices(name=name, namespace=namespace, model=model, endpoint=said_endpoint(endpoint))
    documents = deploying.render_checked(overlay, choices)
    if render_only:
        print(deploying.to_yaml(documents), end="")
        return
    deploying.apply(documents, choices, say)
    if wait:
        served = waiting.wait(documents, timeout, say)
        print(json.dumps({"model": served, "ready": True}))
