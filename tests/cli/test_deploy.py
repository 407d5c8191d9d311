from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Run

MODEL = "s3://models/opt/0a1b2c3d4e5f"


@pytest.mark.parametrize("modes", [[], ["--render-only", "--apply"], ["--apply", "--wait"]])
def test_deploy_wants_one_thing_to_do(run: Run, modes: list[str]) -> None:
    ran = run("deploy", "--overlay", "kubernetes-cpu", "--model", MODEL, *modes)
    assert (ran.code, ran.out) == (2, "")
    assert "one of --render-only, --apply and --wait" in ran.err


def test_deploy_refuses_what_it_does_not_know_in_one_line(run: Run) -> None:
    ran = run("deploy", "--overlay", "kubernetes", "--render-only")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert run("deploy", "--overlay", "kubernetes-cpu", "--name", "Opt", "--apply").code == 2


@pytest.mark.needs("kubectl")
@pytest.mark.needs("kserve")
@pytest.mark.parametrize("variable", ["AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL"])
def test_what_deploy_prints_is_yaml_without_a_secret(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not-to-be-seen")
    monkeypatch.setenv(variable, "http://minio.example:9000")
    ran = run("deploy", "--overlay", "kubernetes-cpu", "--model", MODEL, "--render-only")
    assert "serving.kserve.io/s3-endpoint: minio.example:9000\n" in ran.out
    kinds = [document["kind"] for document in yaml.safe_load_all(ran.out)]
    assert sorted(kinds) == [
        "InferenceService",
        "NetworkPolicy",
        "Secret",
        "ServiceAccount",
        "ServingRuntime",
    ]
    assert "not-to-be-seen" not in ran.out + ran.err
    unnamed = run("deploy", "--overlay", "kubernetes-cpu", "--render-only")
    assert (unnamed.code, unnamed.out) == (2, "")


def test_push_refuses_in_one_line(run: Run, tmp_path: Path) -> None:
    ran = run("push", tmp_path, MODEL)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
