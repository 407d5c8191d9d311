from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.buckets import (
    BUCKET,
    KEYS,
    Certificate,
    client_of,
    new_certificate,
    s3_server,
)
from trustydetox.errors import ConfigError, ConflictError, InputError, ModelError
from trustydetox.serving import convert, push
from trustydetox.serving.bucket import Place, place_in, said_endpoint
from trustydetox.serving.manifest import manifest_of

needs_a_server = pytest.mark.needs("moto")
needs_the_downloader = pytest.mark.needs("kserve_storage")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return new_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(certificate: Certificate) -> Iterator[str]:
    with s3_server(certificate) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed's variables, and none of the machine's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def model(saved_opt: Path, tmp_path: Path) -> Path:
    convert(saved_opt, tmp_path / "converted", "caikit")
    return tmp_path / "converted"


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place of the test's own."""
    return request.node.name.partition("[")[0].replace("_", "-")  # type: ignore[no-any-return]


def keys_in(endpoint: str, prefix: str) -> list[str]:
    listed = client_of(endpoint).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", ())]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://models/opt/1", Place("models", "opt/1")),
        ("s3://models/1", Place("models", "1")),
        ("opt/ab.c-d_e", Place("of-the-variable", "opt/ab.c-d_e")),
    ],
)
def test_a_url_names_a_place(monkeypatch: pytest.MonkeyPatch, url: str, place: Place) -> None:
    monkeypatch.setenv("AWS_S3_BUCKET", "of-the-variable")
    assert place_in(url) == place


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("opt/1", "names no bucket"),
        ("https://models/opt/1", "expected s3://"),
        ("s3://Models/opt/1", "no name that a bucket can have"),
        ("s3://models/../1", "got 's3://models/../1'"),
        ("s3://models/opt//1", "letters, digits"),
        ("s3://models/", "letters, digits"),
        ("s3://models", "letters, digits"),
        ("s3://models/opt/ä", "letters, digits"),
    ],
)
def test_a_url_that_names_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        place_in(url)


def test_an_endpoint_says_its_scheme(model: Path) -> None:
    with pytest.raises(ConfigError, match="such as https://host:port, got 'minio:9000'"):
        push(model, "s3://models/opt/1", endpoint="minio:9000")


def test_an_endpoint_with_a_password_is_refused_without_showing_it(model: Path) -> None:
    with pytest.raises(ConfigError, match="no user or password") as caught:
        push(model, "s3://models/opt/1", endpoint="https://me:hush@minio:9000")
    assert "hush" not in str(caught.value)


def test_the_environment_names_an_endpoint_in_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said_endpoint() is None
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT"):
        url = f"https://{name.lower().replace('_', '-')}.example"
        monkeypatch.setenv(name, url)
        assert said_endpoint() == url
    assert said_endpoint("http://minio:9000") == "http://minio:9000"


@pytest.mark.parametrize(
    ("environment", "endpoint", "said"),
    [
        ({"AWS_PROFILE": "nope"}, "http://127.0.0.1:9", r"profile \(nope\) could not be found"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "http://127.0.0.1:9", "missing: AWS_SECRET_ACCESS_KEY"),
        ({}, "http://minio_1:9000", "Invalid endpoint: http://minio_1:9000"),
    ],
)
def test_what_boto3_cannot_use_is_one_clear_line(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    endpoint: str,
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        push(model, "s3://models/opt/1", endpoint=endpoint)


def test_a_file_of_certificates_must_be_there(model: Path) -> None:
    with pytest.raises(ConfigError, match="no file of certificates"):
        push(model, "s3://models/opt/1", ca_cert=model / "none.pem")


def test_a_folder_that_convert_did_not_write_is_refused(saved_opt: Path) -> None:
    with pytest.raises(InputError, match="trustydetox convert"):
        push(saved_opt, "s3://models/opt/1")


@needs_a_server
def test_every_file_arrives_and_the_manifest_is_last(
    endpoint: str, model: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint)
    told: list[str] = []
    pushed = push(model, f"s3://{BUCKET}/{prefix}/", tell=told.append)
    place = f"{prefix}/{pushed.manifest.revision}"
    assert str(pushed.place) == f"s3://{BUCKET}/{place}"
    assert keys_in(endpoint, prefix) == sorted([*told, f"{place}/MANIFEST.json"])
    for key in told:
        sent = client_of(endpoint).get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert sent == (model / key.removeprefix(f"{place}/")).read_bytes()


@needs_a_server
def test_a_push_that_ended_early_goes_on(endpoint: str, model: Path, prefix: str) -> None:
    client = client_of(endpoint)
    client.upload_file(str(model / "config.yml"), BUCKET, f"{prefix}/1/config.yml")
    wrong = b"x" * (model / "artifacts" / "config.json").stat().st_size
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/1/artifacts/config.json", Body=wrong)
    pushed = push(model, f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    assert (pushed.sent, pushed.found) == (5, 1)
    again = push(model, f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    assert (again.sent, again.found) == (0, 6)


@needs_a_server
def test_what_a_bucket_has_lost_is_sent_again(endpoint: str, model: Path, prefix: str) -> None:
    url, client = f"s3://{BUCKET}/{prefix}/1", client_of(endpoint)
    push(model, url, endpoint=endpoint)
    before = keys_in(endpoint, prefix)
    client.delete_object(Bucket=BUCKET, Key=f"{prefix}/1/config.yml")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/1/artifacts/config.json", Body=b"cut")
    told: list[str] = []
    pushed = push(model, url, endpoint=endpoint, tell=told.append)
    assert (pushed.sent, pushed.found) == (2, 4)
    assert sorted(told) == [f"{prefix}/1/artifacts/config.json", f"{prefix}/1/config.yml"]
    assert keys_in(endpoint, prefix) == before
    for key in told:
        sent = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert sent == (model / key.removeprefix(f"{prefix}/1/")).read_bytes()


@needs_a_server
def test_a_revision_that_is_whole_never_changes(
    endpoint: str, model: Path, saved_opt: Path, tmp_path: Path, prefix: str
) -> None:
    push(model, f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    before = keys_in(endpoint, prefix)
    convert(saved_opt, tmp_path / "other", "hf")
    with pytest.raises(ConflictError, match="holds another model"):
        push(tmp_path / "other", f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    assert keys_in(endpoint, prefix) == before


@needs_a_server
@pytest.mark.parametrize(
    ("there", "revision", "said"),
    [
        ("1/notes.txt", "1", r"1/notes\.txt is there and not of this model"),
        ("12/config.yml", "1", r"12/config\.yml is there"),
        ("1/config.yml", "12", "starts like '1' beside it"),
    ],
)
def test_what_kserve_would_fetch_along_is_refused(
    endpoint: str, model: Path, prefix: str, there: str, revision: str, said: str
) -> None:
    prefix += f"-{revision}-{there[:2].strip('/')}-{len(there)}"
    client_of(endpoint).put_object(Bucket=BUCKET, Key=f"{prefix}/{there}", Body=b"x")
    with pytest.raises(ConflictError, match=said):
        push(model, f"s3://{BUCKET}/{prefix}/{revision}", endpoint=endpoint)
    assert keys_in(endpoint, prefix) == [f"{prefix}/{there}"]


@needs_a_server
def test_a_large_file_goes_in_parts(endpoint: str, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(os.urandom(20 << 20))
    (tmp_path / "MANIFEST.json").write_bytes(manifest_of(tmp_path, "hf").to_json())
    push(tmp_path, f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    head = client_of(endpoint).head_object(Bucket=BUCKET, Key=f"{prefix}/1/model.safetensors")
    assert head["ContentLength"] == 20 << 20
    assert head["ETag"].endswith('-2"')  # as S3 marks what came in two parts


@needs_a_server
def test_a_bucket_that_is_not_there_is_named(endpoint: str, model: Path) -> None:
    with pytest.raises(ModelError, match=rf"s3://none at {endpoint} refused: .*NoSuchBucket"):
        push(model, "s3://none/opt/1", endpoint=endpoint)


@needs_a_server
def test_who_may_not_write_is_told_so(endpoint: str, model: Path, prefix: str) -> None:
    def ask_for_permission(after: int) -> None:
        switch = urllib.request.Request(
            f"{endpoint}/moto-api/reset-auth",
            data=str(after).encode(),
            headers={"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(switch).close()

    ask_for_permission(0)
    try:
        with pytest.raises(ModelError, match="InvalidAccessKeyId") as caught:
            push(model, f"s3://{BUCKET}/{prefix}/1", endpoint=endpoint)
    finally:
        ask_for_permission(1_000_000)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


@needs_a_server
def test_without_credentials_none_are_guessed(
    endpoint: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ModelError, match="asks for credentials"):
        push(model, f"s3://{BUCKET}/opt/1", endpoint=endpoint)


@needs_a_server
def test_certificates_are_checked(
    secure: str, certificate: Certificate, model: Path, prefix: str
) -> None:
    url = f"s3://{BUCKET}/{prefix}/1"
    with pytest.raises(ModelError, match="no certificate that can be trusted"):
        push(model, url, endpoint=secure)
    assert push(model, url, endpoint=secure, ca_cert=certificate.path).sent == 6


@needs_a_server
@pytest.mark.parametrize(("of", "to"), [("http", "https"), ("https", "http")])
def test_an_endpoint_of_the_wrong_scheme_is_an_error_with_advice(
    endpoint: str, secure: str, model: Path, of: str, to: str
) -> None:
    server = endpoint if of == "http" else secure
    wrong = to + server.removeprefix(of)
    with pytest.raises(ModelError, match="http://"):
        push(model, f"s3://{BUCKET}/opt/1", endpoint=wrong)


def fetched(url: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What KServe's own downloader makes of the URL, in a process like the init container's."""
    code = "import sys; from kserve_storage import Storage; Storage.download(*sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, url, str(folder)],
        env={**os.environ, **KEYS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@needs_a_server
@needs_the_downloader
def test_kserve_fetches_the_bytes_that_were_pushed(
    endpoint: str, model: Path, tmp_path: Path, prefix: str
) -> None:
    from transformers import AutoModelForCausalLM

    pushed = push(model, f"s3://{BUCKET}/{prefix}/", endpoint=endpoint)
    done = fetched(str(pushed.place), tmp_path / "mnt", AWS_ENDPOINT_URL=endpoint)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "mnt") == contents(model)
    AutoModelForCausalLM.from_pretrained(tmp_path / "mnt" / "artifacts")
    wrong = fetched(f"{pushed.place}x", tmp_path / "none", AWS_ENDPOINT_URL=endpoint)
    assert "No model found" in wrong.stderr


@needs_a_server
@needs_the_downloader
def test_kserve_fetches_over_tls_where_it_may_trust_the_server(
    secure: str, certificate: Certificate, model: Path, tmp_path: Path, prefix: str
) -> None:
    pushed = push(model, f"s3://{BUCKET}/{prefix}/", endpoint=secure, ca_cert=certificate.path)

    def fetch(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return fetched(str(pushed.place), tmp_path / name, AWS_ENDPOINT_URL=secure, **environment)

    assert "CERTIFICATE_VERIFY_FAILED" in fetch("default").stderr
    assert fetch("trusted", AWS_CA_BUNDLE=str(certificate.path)).returncode == 0
    assert contents(tmp_path / "trusted") == contents(model)
    missing = fetch("missing", AWS_CA_BUNDLE=str(tmp_path / "none.pem"))
    assert "Failed to find ca bundle file" in missing.stderr
    # What `deploy` refuses to render works, which is why it has to refuse it.
    assert fetch("unchecked", S3_VERIFY_SSL="0").returncode == 0
