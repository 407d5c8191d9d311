"""What reaches a cluster, with the real kubectl before as much of an API server as runs here."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.buckets import BUCKET, KEYS, client_of, s3_server
from tests.serving.clusters import Cluster, Stage, api_server
from tests.serving.completions import completions_app
from tests.serving.conftest import Serve
from trustydetox.errors import ConfigError, ConflictError, InputError, ModelError
from trustydetox.serving import convert, push
from trustydetox.serving.deploying import apply, check_model
from trustydetox.serving.rendering import Choices, Document, render, services
from trustydetox.serving.waiting import MARK, marked, wait

pytestmark = pytest.mark.needs("kubectl")

CHOICES = Choices(name="opt", namespace="models", model="s3://models/opt/0a1b2c3d4e5f")


def silent(_: str) -> None: ...


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("HOME", str(tmp_path))  # kubectl keeps what it has discovered
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with api_server(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def keys(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint)


def documents(overlay: str, model: str = "opt/0a1b2c3d4e5f") -> list[Document]:
    choices = Choices(name="opt", namespace="models", model=f"s3://{BUCKET}/{model}")
    return render(overlay, choices)


def test_the_objects_reach_the_cluster_and_unknown_fields_would_not(cluster: Cluster) -> None:
    told: list[str] = []
    apply(documents("openshift-ai-gpu"), CHOICES, told.append)
    assert sorted(cluster.objects) == [
        ("InferenceService", "opt"),
        ("NetworkPolicy", "opt"),
        ("Role", "opt-client"),
        ("RoleBinding", "opt-client"),
        ("ServiceAccount", "opt"),
        ("ServiceAccount", "opt-client"),
        ("ServingRuntime", "trustydetox-vllm-gpu"),
    ]
    assert {held["metadata"]["namespace"] for held in cluster.objects.values()} == {"models"}
    assert {query["fieldValidation"][0] for query in cluster.queries} == {"Strict"}
    assert told[0].startswith("no AWS_ACCESS_KEY_ID")
    assert told[1].startswith("the model was not looked at: boto3")


@pytest.mark.needs("moto")
def test_nothing_reaches_the_cluster_where_the_model_is_not_whole(
    cluster: Cluster, keys: None
) -> None:
    with pytest.raises(InputError, match=r"holds no MANIFEST\.json"):
        apply(documents("kubernetes-cpu", "none/1"), CHOICES, silent)
    assert cluster.objects == {}


@pytest.mark.needs("moto")
def test_a_bucket_is_asked_with_the_credentials_of_a_profile_too(
    cluster: Cluster, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (f"{name.lower()} = {KEYS[name]}" for name in KEYS if "KEY" in name)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("\n".join(["[default]", *pair]))
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint)
    with pytest.raises(InputError, match=r"holds no MANIFEST\.json"):
        apply(documents("kubernetes-cpu", "none/1"), CHOICES, silent)
    assert cluster.objects == {}


@pytest.mark.needs("moto")
def test_a_pushed_model_is_deployed_with_its_keys(
    cluster: Cluster, keys: None, saved_opt: Path, tmp_path: Path
) -> None:
    convert(saved_opt, tmp_path / "model", "hf")
    push(tmp_path / "model", f"s3://{BUCKET}/deployed/1")
    told: list[str] = []
    given = documents("kubernetes-cpu", "deployed/1")
    apply(given, CHOICES, told.append)
    secret = cluster.objects["Secret", "opt-s3"]
    assert secret["stringData"] == {
        "AWS_ACCESS_KEY_ID": KEYS["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    # A copy of the secret in an annotation is what kubectl's own way of applying would leave.
    assert "last-applied" not in json.dumps(cluster.objects["Secret", "opt-s3"])
    said = "\n".join([*told, json.dumps(given)])
    assert not any(KEYS[name] in said for name in KEYS if "KEY" in name)


@pytest.mark.needs("moto")
@pytest.mark.parametrize(
    ("form", "overlay", "said"),
    [
        ("hf", "caikit-legacy", "lacks config.yml: it was converted as hf"),
        ("caikit", "kubernetes-cpu", r"lacks config\.json at its root: .* as caikit"),
    ],
)
def test_a_model_of_the_other_format_is_refused(
    cluster: Cluster,
    keys: None,
    saved_opt: Path,
    tmp_path: Path,
    form: Any,
    overlay: str,
    said: str,
) -> None:
    convert(saved_opt, tmp_path / "model", form)
    push(tmp_path / "model", f"s3://{BUCKET}/formats/{form}")
    with pytest.raises(InputError, match=said):
        check_model(documents(overlay, f"formats/{form}"), silent)


@pytest.mark.needs("moto")
def test_a_file_that_went_away_after_the_push_is_noticed(
    cluster: Cluster, keys: None, endpoint: str, saved_opt: Path, tmp_path: Path
) -> None:
    convert(saved_opt, tmp_path / "model", "caikit")
    push(tmp_path / "model", f"s3://{BUCKET}/gone/1")
    check_model(documents("caikit-legacy", "gone/1"), silent)
    client_of(endpoint).delete_object(Bucket=BUCKET, Key="gone/1/config.yml")
    with pytest.raises(InputError, match=r"config\.yml is not as it was pushed"):
        check_model(documents("caikit-legacy", "gone/1"), silent)


def test_a_refusal_is_said_once(cluster: Cluster) -> None:
    cluster.refusal = "may not patch"
    with pytest.raises(ModelError) as caught:
        apply(documents("openshift-ai-gpu"), CHOICES, silent)
    assert str(caught.value).count("may not patch") == 1


def test_fields_of_another_manager_are_a_conflict(cluster: Cluster) -> None:
    cluster.refusal = 'conflict with "argocd"'
    with pytest.raises(ConflictError, match="argocd"):
        apply(documents("kubernetes-cpu"), CHOICES, silent)


def test_a_machine_without_kubectl_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="kubectl isn't there"):
        render("kubernetes-cpu", CHOICES)


TUNNEL = """\
#!/bin/sh
case "$1" in
port-forward) echo "$@" > {log}; echo "{says}"; exec sleep 60 ;;
*) exec {kubectl} "$@" ;;
esac
"""

Forward = Callable[[str], Path]


@pytest.fixture
def forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forward:
    """The real kubectl, but for its tunnel, to which no server here could be the other end.

    Gives the file in which it will have written what it was asked to forward.
    """

    def _forward(says: str) -> Path:
        program, log = tmp_path / "bin" / "kubectl", tmp_path / "forwarded"
        program.parent.mkdir()
        program.write_text(TUNNEL.format(says=says, log=log, kubectl=shutil.which("kubectl")))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return log

    return _forward


def to(url: str) -> str:
    return f"Forwarding from {url.removeprefix('http://')} -> 8080"


def test_a_model_that_gives_a_token_is_there(
    cluster: Cluster, forward: Forward, serve: Serve, saved_opt: Path
) -> None:
    log = forward(to(serve(completions_app(saved_opt, "opt"))))
    given = documents("kubernetes-cpu")
    apply(given, CHOICES, silent)
    cluster.stages = ["none", "untouched", "rolling", "done"]
    assert wait(given, 30, silent) == "opt"
    # Not a pod of before the update, nor one that is going.
    assert log.read_text() == "port-forward --namespace models pod/opt-predictor-new :8080\n"
    assert cluster.stages == ["done"]


@pytest.mark.parametrize("stage", ["none", "untouched", "unobserved", "rolling", "starting"])
def test_the_ready_of_the_old_model_is_not_that_of_the_new_one(
    cluster: Cluster, forward: Forward, serve: Serve, saved_opt: Path, stage: Stage
) -> None:
    log = forward(to(serve(completions_app(saved_opt, "opt"))))
    given = documents("kubernetes-cpu")
    apply(given, CHOICES, silent)
    cluster.stages = [stage]
    with pytest.raises(ModelError, match=r"isn't ready: timed out after 1 s, .* opt-predictor"):
        wait(given, 1, silent)
    assert not log.exists()


def test_a_service_whose_generation_is_not_its_deployment_s_is_ready_all_the_same(
    cluster: Cluster, forward: Forward, serve: Serve, saved_opt: Path
) -> None:
    forward(to(serve(completions_app(saved_opt, "opt"))))
    given = documents("kubernetes-cpu")
    apply(given, CHOICES, silent)
    cluster.generation = 4
    assert wait(given, 2, silent) == "opt"


def test_where_knative_has_the_pods_the_service_s_word_counts(
    cluster: Cluster, forward: Forward, serve: Serve, saved_opt: Path
) -> None:
    log = forward(to(serve(completions_app(saved_opt, "opt"))))
    given = documents("kubernetes-cpu")
    (service,) = services(given)
    service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Knative"
    apply(given, CHOICES, silent)
    cluster.stages = ["none"]
    assert wait(given, 30, silent) == "opt"
    assert log.read_text() == "port-forward --namespace models deployment/opt-predictor :8080\n"
    cluster.generation = 4
    with pytest.raises(ModelError, match="timed out"):
        wait(given, 1, silent)


def test_the_mark_is_another_where_the_pods_are() -> None:
    def mark(given: list[Document]) -> str:
        return str(marked(given)[-1]["metadata"]["annotations"][MARK])

    first = mark(documents("kubernetes-cpu"))
    assert mark(documents("kubernetes-cpu")) == first
    assert mark(documents("kubernetes-cpu", "opt/5d4c3b2a1f0e")) != first
    for kind, is_same in (("ServingRuntime", False), ("NetworkPolicy", True)):
        given = documents("kubernetes-cpu")
        (changed,) = (document for document in given if document["kind"] == kind)
        changed["spec"]["more"] = "of it"
        assert (mark(given) == first) is is_same


def test_a_model_that_is_ready_but_says_nothing_is_not_there(
    cluster: Cluster, forward: Forward
) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        forward(to(f"http://127.0.0.1:{unheard.getsockname()[1]}"))
        given = documents("kubernetes-cpu")
        apply(given, CHOICES, silent)
        with pytest.raises(ModelError, match=r"can't be reached|can't reach"):
            wait(given, 30, silent)


def test_a_model_that_is_not_ready_in_time_says_where_to_look(cluster: Cluster) -> None:
    cluster.ready = "False"
    given = documents("kubernetes-cpu")
    apply(given, CHOICES, silent)
    with pytest.raises(ModelError, match=r"timed out .* --namespace models describe"):
        wait(given, 1, silent)


def test_a_port_that_cannot_be_forwarded_is_said(cluster: Cluster) -> None:
    given = documents("kubernetes-cpu")
    apply(given, CHOICES, silent)
    with pytest.raises(ModelError, match="no port of it can be forwarded"):
        wait(given, 30, silent)
