"""One place in an S3 bucket: who may go there by which way, and what lies there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trustydetox.errors import ConfigError, ModelError, require_extra

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Place:
    """A folder in a bucket; `key` has no slash at either end."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def place_in(url: str) -> Place:
    """The place that a URL names: `s3://bucket/prefix/revision`.

    Without `s3://bucket/` the bucket is the one that AWS_S3_BUCKET names.
    """
    scheme, found, rest = url.rpartition("://")
    bucket, _, key = rest.partition("/") if found else (os.environ.get("AWS_S3_BUCKET"), "", rest)
    if not bucket:
        raise ConfigError(f"{url!r} names no bucket, and AWS_S3_BUCKET is not set")
    if found and scheme != "s3":
        raise ConfigError(f"expected s3://bucket/prefix/revision, got {url!r}")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{bucket!r} is no name that a bucket can have")
    parts = key.split("/")
    if not all(map(_PART.fullmatch, parts)):
        raise ConfigError(
            f"expected s3://bucket/prefix/revision of letters, digits, '.', '-' and '_', "
            f"got {url!r}"
        )
    return Place(bucket, key)


@dataclass(frozen=True)
class Bucket:
    """A bucket as this machine reaches it; every method raises ModelError where it can't."""

    client: Any
    name: str

    def sizes(self, prefix: str) -> dict[str, int]:
        """Key -> bytes of all objects whose key starts so."""
        pages = self.client.get_paginator("list_objects_v2")
        with self._reached():
            return {
                entry["Key"]: entry["Size"]
                for page in pages.paginate(Bucket=self.name, Prefix=prefix)
                for entry in page.get("Contents", ())
            }

    def folders(self, prefix: str) -> list[str]:
        """Names that have objects below them, right under a prefix that is empty or ends in `/`."""
        pages = self.client.get_paginator("list_objects_v2")
        with self._reached():
            return [
                entry["Prefix"].removeprefix(prefix).rstrip("/")
                for page in pages.paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
                for entry in page.get("CommonPrefixes", ())
            ]

    def upload(self, path: Path, key: str) -> None:
        """Send a file, a large one in parts."""
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES)
        with self._reached():
            self.client.upload_file(str(path), self.name, key, Config=parts)

    def put(self, key: str, content: bytes) -> None:
        """Send an object that fits in memory."""
        with self._reached():
            self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def read(self, key: str) -> Iterator[bytes]:
        """What the bucket gives out for a key, piece by piece."""
        with self._reached():
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
            yield from body.iter_chunks(1 << 20)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, SSLError

        where = f"s3://{self.name} at {self.client.meta.endpoint_url}"
        try:
            yield
        except (ClientError, S3UploadFailedError) as error:
            raise ModelError(f"{where} refused: {error}") from error
        except NoCredentialsError as error:
            raise ModelError(
                f"{where} asks for credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or what else boto3 reads"
            ) from error
        except SSLError as error:
            raise ModelError(
                f"{where} gave no certificate that can be trusted: {error}; --ca-cert names the "
                "authority of a private one, and a server without TLS has an http:// endpoint"
            ) from error
        except BotoCoreError as error:
            raise ModelError(
                f"{where} can't be reached: {error}; is AWS_S3_ENDPOINT right, https:// or http://?"
            ) from error


_PART_BYTES = 16 << 20


def said_endpoint(endpoint: str | None = None) -> str | None:
    """Where the S3 service is: as given, else as the environment says; None where that is AWS.

    ConfigError where it is no URL; one that may hold a password isn't shown.
    """
    names = ("AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    endpoint = endpoint or next(filter(None, map(os.environ.get, names)), None)
    if endpoint is not None and "@" in endpoint:
        raise ConfigError(
            "an endpoint may hold no user or password: expected https://host:port, and keys in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if endpoint is not None and not re.match(r"https?://[^/]", endpoint):
        raise ConfigError(f"expected an endpoint such as https://host:port, got {endpoint!r}")
    return endpoint


def has_credentials() -> bool:
    """Whether boto3 is here and finds credentials that it can read, in any place where it looks.

    Asks no bucket, but may wait a second for a machine's role.
    """
    if find_spec("boto3") is None:
        return False
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.session.Session().get_credentials() is not None
    except BotoCoreError:
        return False


def open_bucket(name: str, endpoint: str | None = None, ca_cert: Path | None = None) -> Bucket:
    """The bucket; nothing is asked of it yet.

    endpoint: where the S3 service is; else what `said_endpoint` or boto3's own settings say.
    ca_cert: a file of the authorities to trust, in PEM; else AWS_CA_BUNDLE or the public ones.
    Credentials and region come from where boto3 looks for them. Certificates are always checked.
    """
    require_extra("boto3", "a bucket", "s3")
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    endpoint = said_endpoint(endpoint)
    if ca_cert is not None and not ca_cert.is_file():
        raise ConfigError(f"there is no file of certificates {ca_cert}")
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},  # a service of one's own has no name per bucket
        retries={"max_attempts": 5, "mode": "standard"},
        connect_timeout=10,
        # Services other than AWS refuse the checksums that boto3 adds by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.session.Session()
        client = session.client(
            "s3",
            endpoint_url=endpoint,
            region_name=session.region_name or "us-east-1",
            verify=str(ca_cert) if ca_cert else None,
            config=config,
        )
    except BotoCoreError as error:
        raise ConfigError(f"boto3's settings (AWS_…, ~/.aws) name no way in: {error}") from error
    except ValueError as error:
        # Of a host with an underscore, which DNS may know and boto3 doesn't.
        raise ConfigError(f"boto3 takes no such endpoint: {error}") from error
    return Bucket(client, name)
