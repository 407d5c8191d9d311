"""A converted model into a bucket, under a revision that never changes once it's whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trustydetox.errors import ConflictError, ModelError
from trustydetox.serving.bucket import Bucket, Place, open_bucket, place_in
from trustydetox.serving.manifest import NAME, File, Manifest, read_manifest


@dataclass(frozen=True)
class Pushed:
    """Where the model lies, and how many of its files were sent now or found there already."""

    place: Place
    manifest: Manifest
    sent: int
    found: int


def push(
    folder: Path,
    url: str,
    *,
    endpoint: str | None = None,
    ca_cert: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Pushed:
    """Send a folder that `convert` wrote, and read each file back to compare its hash.

    url: `s3://bucket/prefix/revision`; one that ends in `/` gets the manifest's own revision.
    endpoint, ca_cert: see `open_bucket`. tell: is given the key of each file before it is sent.

    The manifest goes last: where there is none, the upload isn't whole, and the same call goes on
    with it. Where there is one, a file of the right size is taken for the one that was sent, and
    what has been lost since is sent again. ConflictError where the revision holds something else:
    a revision is never changed.
    """
    manifest = read_manifest(folder)
    place = place_in(url + manifest.revision if url.endswith("/") else url)
    bucket = open_bucket(place.bucket, endpoint, ca_cert)
    there = _ours(bucket, place, manifest)
    last = f"{place.key}/{NAME}"
    was_whole = last in there
    sent = 0
    for file in manifest.files:
        key = f"{place.key}/{file.path}"
        if there.get(key) == file.size and (was_whole or _is_whole(bucket, key, file)):
            continue
        tell(key)
        bucket.upload(folder / file.path, key)
        if not _is_whole(bucket, key, file):
            raise ModelError(f"s3://{place.bucket}/{key} is not what was sent: push again")
        sent += 1
    if not was_whole:
        bucket.put(last, manifest.to_json())
    return Pushed(place, manifest, sent, len(manifest.files) - sent)


def _is_whole(bucket: Bucket, key: str, file: File) -> bool:
    """Whether the bucket gives out the file's bytes; its own checksum is the uploader's word."""
    digest = hashlib.sha256()
    for chunk in bucket.read(key):
        digest.update(chunk)
    return digest.hexdigest() == file.sha256


def _ours(bucket: Bucket, place: Place, manifest: Manifest) -> dict[str, int]:
    """Key -> bytes of what lies at the place; ConflictError where it isn't this model's.

    KServe fetches every object whose key *starts with* the place's, so that revision `1` would also
    bring the files of revision `12`.
    """
    parent, _, revision = place.key.rpartition("/")
    for name in bucket.folders(f"{parent}/" if parent else ""):
        if name != revision and revision.startswith(name):
            raise ConflictError(
                f"{place} starts like {name!r} beside it, and KServe would fetch both for that one"
            )
    there = bucket.sizes(place.key)
    if there.get(f"{place.key}/{NAME}") is not None:
        if b"".join(bucket.read(f"{place.key}/{NAME}")) == manifest.to_json():
            return there
        raise ConflictError(
            f"{place} holds another model: a revision never changes, choose another"
        )
    wanted = {f"{place.key}/{file.path}" for file in manifest.files}
    for key in sorted(there.keys() - wanted):
        raise ConflictError(
            f"s3://{place.bucket}/{key} is there and not of this model, but KServe would fetch it: "
            "choose another revision"
        )
    return there
