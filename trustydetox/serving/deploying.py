"""A model onto a cluster: rendered, checked and applied."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from trustydetox.errors import ConfigError, ConflictError, InputError, ModelError
from trustydetox.serving.bucket import has_credentials, open_bucket, place_in
from trustydetox.serving.credentials import credentials, filled, form_of
from trustydetox.serving.linting import faults
from trustydetox.serving.manifest import NAME, parse_manifest
from trustydetox.serving.rendering import (
    Choices,
    Document,
    render,
    run_kubectl,
    services,
)
from trustydetox.serving.validating import mistakes
from trustydetox.serving.waiting import marked

Tell = Callable[[str], None]


def render_checked(overlay: str, choices: Choices) -> list[Document]:
    """The objects of an overlay (see `render`), without a fault or a mistake; asks no cluster.

    ConfigError names all that was found.
    """
    documents = render(overlay, choices)
    # Unknown fields first: what a rule looks for may only be misspelt.
    found = list(mistakes(documents)) or faults(documents)
    if found:
        raise ConfigError("; ".join(found))
    return documents


def to_yaml(documents: list[Document]) -> str:
    """The objects as one stream of YAML."""
    text: str = yaml.safe_dump_all(documents, sort_keys=False)
    return text


def apply(documents: list[Document], choices: Choices, tell: Tell) -> None:
    """Give the objects to the cluster of kubectl's context, secrets filled from the environment.

    Without keys in the environment no secret is sent, so that those of an admin stay as they are.
    Before, the bucket is asked whether the model's upload is whole and of the runtime's format,
    with any credentials that boto3 finds; where it finds none, that is told.
    """
    keys = credentials(choices.endpoint)
    if keys is None:
        tell("no AWS_ACCESS_KEY_ID: secrets are left as the cluster has them")
    if keys or has_credentials():
        check_model(documents, tell)
    else:
        tell("the model was not looked at: boto3 isn't installed, or finds no credentials")
    if keys:
        documents = filled(documents, keys)
    else:
        documents = [document for document in documents if not _is_of_a_bucket(document)]
    # On the server's side: kubectl's own way keeps a copy of each secret in an annotation.
    done = run_kubectl(
        "apply", "--server-side", "--field-manager=trustydetox", "-f", "-",
        given=to_yaml(marked(documents)),
    )  # fmt: skip
    for line in done.stdout.splitlines():
        tell(line)
    if done.returncode:
        said = "; ".join(dict.fromkeys(done.stderr.splitlines()))  # once per object, often the same
        if "conflict" in said:
            raise ConflictError(f"the cluster holds fields that another manager set: {said}")
        raise ModelError(f"the cluster refused: {said}")


def check_model(documents: list[Document], tell: Tell) -> None:
    """InputError unless the model's place holds a whole upload in the format of its runtime."""
    (service,) = services(documents)
    model = service["spec"]["predictor"]["model"]
    url = str(model.get("storageUri") or "")
    if "storage" in model:
        url = f"s3://{model['storage']['parameters']['bucket']}/{model['storage']['path']}"
    if not url.startswith("s3://"):
        return
    place = place_in(url)
    bucket, key = open_bucket(place.bucket), f"{place.key}/{NAME}"
    try:
        there = bucket.sizes(f"{place.key}/")
        content = b"".join(bucket.read(key)) if key in there else None
    except ModelError as error:
        tell(f"the model was not looked at: {error}")
        return
    if content is None:
        raise InputError(
            f"{place} holds no {NAME}: its upload isn't whole, or not by `trustydetox push`"
        )
    manifest = parse_manifest(content, f"{place}/{NAME}")
    wanted = "caikit" if model["modelFormat"]["name"] == "caikit" else "hf"
    if manifest.format != wanted:
        lacks = "config.yml" if wanted == "caikit" else "config.json at its root"
        raise InputError(
            f"{place} lacks {lacks}: it was converted as {manifest.format}, the runtime serves "
            f"{wanted}"
        )
    for file in manifest.files:
        if there.get(f"{place.key}/{file.path}") != file.size:
            raise InputError(f"{place}/{file.path} is not as it was pushed")


def _is_of_a_bucket(document: Document) -> bool:
    return document["kind"] == "Secret" and form_of(document) is not None
