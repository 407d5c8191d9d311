"""`clean -o s3://…` against a real S3 API on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import FAKE, Run
from tests.serving.buckets import BUCKET, KEYS, client_of, s3_server


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield url


def content(endpoint: str, key: str) -> bytes:
    return bytes(client_of(endpoint).get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.mark.needs("moto")
def test_a_cleaned_file_goes_to_a_bucket_and_the_run_folder_doesnt(
    run: Run, rows: Path, endpoint: str
) -> None:
    folder = rows.with_name("run")
    command = ("clean", rows, "-o", f"s3://{BUCKET}/clean/in.jsonl", "--recipe", FAKE)
    ran = run(*command, "--run", folder)
    assert ran.code == 0, ran.err
    first = json.loads(content(endpoint, "clean/in.jsonl").splitlines()[0])
    assert first == {"text": "you, come here", "n": 1}
    listed = client_of(endpoint).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [one["Key"] for one in listed] == ["clean/in.jsonl"]
    assert run("revert", folder, "-o", rows.with_name("again.jsonl")).code == 0
    assert rows.with_name("again.jsonl").read_bytes() == rows.read_bytes()


@pytest.mark.needs("moto")
def test_what_was_lost_in_the_bucket_is_sent_again_without_cleaning_again(
    run: Run, rows: Path, endpoint: str
) -> None:
    raw = rows.with_name("raw")
    raw.mkdir()
    rows.rename(raw / "a.jsonl")
    folder = raw.with_name("run")
    command = ("clean", raw, "-o", f"s3://{BUCKET}/clean", "--recipe", FAKE, "--run", folder)
    assert run(*command).code == 0
    before = content(endpoint, "clean/a.jsonl")
    when = (folder / "manifest.json").stat().st_mtime_ns
    client_of(endpoint).put_object(Bucket=BUCKET, Key="clean/a.jsonl", Body=b"cut")
    assert run(*command).code == 0
    assert content(endpoint, "clean/a.jsonl") == before
    assert b"## Detoxification" in content(endpoint, "clean/README.md")
    assert (folder / "manifest.json").stat().st_mtime_ns == when


@pytest.mark.needs("moto")
def test_a_bucket_that_isnt_there_is_exit_6_and_keeps_what_was_cleaned(
    run: Run, rows: Path, endpoint: str
) -> None:
    folder = rows.with_name("run")
    command = ("clean", rows, "-o", "s3://another/in.jsonl", "--recipe", FAKE, "--run", folder)
    assert run(*command).code == 6
    assert (folder / "manifest.json").is_file()


def test_an_output_in_a_bucket_needs_a_run_folder(run: Run, rows: Path) -> None:
    ran = run("clean", rows, "-o", "s3://bucket/in.jsonl", "--recipe", FAKE)
    assert ran.code == 2
    assert "name one with --run" in ran.err
