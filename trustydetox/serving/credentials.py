"""The keys of a bucket, from the environment into the secrets that a cluster is given.

They are put in after objects were rendered, checked and shown, and go to kubectl's standard input:
never into a file, a command line or a log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal

from trustydetox.errors import ConfigError
from trustydetox.serving.bucket import said_endpoint
from trustydetox.serving.rendering import S3_ENDPOINT, Document, services

S3_REGION = "serving.kserve.io/s3-region"
CONNECTION = "opendatahub.io/connection-type"

Form = Literal["annotated", "storage-config", "connection", "development"]


@dataclass(frozen=True)
class Credentials:
    """What a server needs to fetch from a bucket; secrets don't show in its repr."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    endpoint: str
    region: str


def credentials(endpoint: str | None) -> Credentials | None:
    """What AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY hold; None where neither is set.

    ConfigError where one is missing, or where a session token says that they will end soon.
    """
    key = os.environ.get("AWS_ACCESS_KEY_ID")
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key and not secret:
        return None
    if not key or not secret:
        raise ConfigError("set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither")
    if os.environ.get("AWS_SESSION_TOKEN"):
        raise ConfigError(
            "AWS_SESSION_TOKEN is set: keys of a session end, and a server fetches its model "
            "again at each start; give it keys of its own"
        )
    region = os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return Credentials(
        key,
        secret,
        said_endpoint(endpoint) or f"https://s3.{region}.amazonaws.com",
        region,
    )


def form_of(secret: Document) -> Form | None:
    """Which form of a bucket's secret this is; None for a secret of something else."""
    metadata = secret["metadata"]
    notes = metadata.get("annotations", {})
    if S3_ENDPOINT in notes:
        return "annotated"
    if notes.get(CONNECTION) == "s3":
        return "connection"
    if metadata["name"] == "storage-config":
        return "storage-config"
    return "development" if metadata["name"] == "development-s3" else None


def filled(documents: list[Document], keys: Credentials) -> list[Document]:
    """The objects, each secret for a bucket with the keys in its own form; `documents` stay."""
    filled = deepcopy(documents)
    (service,) = services(filled)
    storage: Mapping[str, object] = service["spec"]["predictor"]["model"].get("storage") or {}
    for document in filled:
        form = form_of(document) if document["kind"] == "Secret" else None
        if form:
            document["stringData"] = _values(form, keys, storage)
        if form == "annotated":
            document["metadata"]["annotations"][S3_REGION] = keys.region
    return filled


def _values(form: Form, keys: Credentials, storage: Mapping[str, object]) -> dict[str, str]:
    pair = {"AWS_ACCESS_KEY_ID": keys.key, "AWS_SECRET_ACCESS_KEY": keys.secret}
    parameters = storage.get("parameters")
    bucket = str(parameters.get("bucket", "")) if isinstance(parameters, Mapping) else ""
    if form == "annotated":
        return pair
    if form == "connection":
        return {
            **pair,
            "AWS_S3_ENDPOINT": keys.endpoint,
            "AWS_S3_BUCKET": bucket,
            "AWS_DEFAULT_REGION": keys.region,
        }
    if form == "development":
        pair = {"accessKey": keys.key, "secretKey": keys.secret}
        identity = {"name": "admin", "credentials": [pair], "actions": ["Admin"]}
        return {"identities.json": json.dumps({"identities": [identity]})}
    # Every value a string: KServe reads it as such, and fails at anything else.
    settings = {
        "type": "s3",
        "access_key_id": keys.key,
        "secret_access_key": keys.secret,
        "endpoint_url": keys.endpoint,
        "bucket": bucket,
        "region": keys.region,
    }
    return {str(storage.get("key")): json.dumps(settings)}
