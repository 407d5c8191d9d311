"""What a run wrote, into a bucket."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from trustydetox.corpus.runs.folder import outputs_of, read_manifest
from trustydetox.errors import ConfigError, ModelError
from trustydetox.report import CARD, visible

SCHEME = "s3://"


def local_place(out: str, run: Path | None) -> str:
    """Where an output is written first that goes to a bucket: beside the run folder."""
    from trustydetox.serving.bucket import place_in

    if run is None:
        raise ConfigError(
            "an output in a bucket needs a run folder: name one with --run; the cleaned file is "
            "kept beside it"
        )
    folder = run.with_name(f"{run.name}.out")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / Path(place_in(out).key).name)


def send(run: Path, url: str) -> None:
    """Send what a run wrote and read it back; what is there already isn't sent again.

    A single file gets the URL's key, those of a folder keys below it. The run folder stays here:
    it holds original texts. Endpoint and credentials are boto3's (AWS_ENDPOINT_URL, …).
    """
    from trustydetox.serving.bucket import open_bucket, place_in

    place = place_in(url)
    bucket = open_bucket(place.bucket)
    manifest = read_manifest(run)
    top = run.parent / manifest["output"]["path"]
    files = {path: str(said["sha256"]) for path, said in outputs_of(run, manifest)}
    if (top / CARD).is_file():
        files[top / CARD] = hashlib.sha256((top / CARD).read_bytes()).hexdigest()
    for path, digest in files.items():
        key = place.key if path == top else f"{place.key}/{path.relative_to(top).as_posix()}"

        def found(key: str = key) -> str:
            known = hashlib.sha256()
            for piece in bucket.read(key) if key in bucket.sizes(key) else ():
                known.update(piece)
            return known.hexdigest()

        if found() != digest:
            bucket.upload(path, key)
            if found() != digest:
                raise ModelError(f"{SCHEME}{place.bucket}/{key} is not what was sent: run again")
    print(visible(f"sent: {len(files):,} files to {place}"), file=sys.stderr)
