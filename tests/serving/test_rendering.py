"""The overlays as kubectl builds them, and each fault that must not reach a cluster."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from trustydetox.errors import ConfigError
from trustydetox.serving.credentials import Credentials, credentials, filled
from trustydetox.serving.deploying import render_checked, to_yaml
from trustydetox.serving.linting import faults
from trustydetox.serving.rendering import Choices, Document, manifests, overlays, render
from trustydetox.serving.validating import mistakes

needs_kubectl = pytest.mark.needs("kubectl")
needs_kserve = pytest.mark.needs("kserve")

CHOICES = Choices(
    name="opt-350m-detox",
    namespace="models",
    model="s3://models/opt-350m-detox/0a1b2c3d4e5f",
    endpoint="http://development-s3.models.svc:9000",
)
KEYS = Credentials("the-key", "the-secret", "https://s3.example.com", "eu-central-1")


@pytest.fixture(scope="module", params=["caikit-legacy", "kubernetes-cpu", "openshift-ai-gpu"])
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cpu() -> list[Document]:
    return render("kubernetes-cpu", CHOICES)


def of(documents: list[Document], kind: str, name: str = "") -> Any:
    (found,) = (
        document
        for document in documents
        if document["kind"] == kind and name in ("", document["metadata"]["name"])
    )
    return found


def served(documents: list[Document]) -> Any:
    return of(documents, "InferenceService")["spec"]["predictor"]["model"]


def test_the_overlays_are_the_ones_that_are_tested() -> None:
    assert overlays() == ["caikit-legacy", "kubernetes-cpu", "openshift-ai-gpu"]


@needs_kubectl
@needs_kserve
def test_every_overlay_renders_without_fault_or_mistake(overlay: str) -> None:
    documents = render_checked(overlay, CHOICES)
    assert list(yaml.safe_load_all(to_yaml(documents))) == documents


@needs_kubectl
@needs_kserve
def test_every_component_renders_without_fault_or_mistake(tmp_path: Path) -> None:
    kustomization = {
        "resources": [os.path.relpath(manifests() / "overlays" / "kubernetes-cpu", tmp_path)],
        "components": [
            os.path.relpath(manifests() / "components" / name, tmp_path)
            for name in ("detector", "development-s3")
        ],
        "images": [{"name": "registry.example.com/trustydetox", "newName": "quay.io/me/detox"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    documents = render_checked(str(tmp_path), CHOICES)
    assert len(documents) == 5 + 3 + 4
    image = of(documents, "Deployment", "trustydetox-detector")["spec"]["template"]["spec"]
    assert image["containers"][0]["image"] == "quay.io/me/detox:0.1.0"
    # An image whose own user is root isn't started without a number.
    bucket = of(documents, "Deployment", "development-s3")["spec"]["template"]["spec"]
    assert bucket["securityContext"]["runAsUser"] == bucket["securityContext"]["fsGroup"] == 1000


def test_no_manifest_holds_a_value_of_a_secret() -> None:
    held = [
        path.name
        for path in manifests().rglob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "Secret" and {"data", "stringData"} & document.keys()
    ]
    assert held == []


@needs_kubectl
def test_everything_of_a_model_is_named_after_it(overlay: str) -> None:
    text = to_yaml(render(overlay, CHOICES))
    assert "detoxed-model" not in text
    policy = of(render(overlay, CHOICES), "NetworkPolicy")
    wanted = {"serving.kserve.io/inferenceservice": "opt-350m-detox"}
    assert policy["spec"]["podSelector"]["matchLabels"] == wanted


@needs_kubectl
def test_an_overlay_keeps_its_own_words_unless_told_otherwise() -> None:
    service = of(render("kubernetes-cpu", Choices()), "InferenceService")
    assert service["metadata"]["name"] == "detoxed-model"
    assert "namespace" not in service["metadata"]


@needs_kubectl
def test_a_model_is_named_in_the_form_of_its_storage(cpu: list[Document]) -> None:
    assert served(cpu)["storageUri"] == "s3://models/opt-350m-detox/0a1b2c3d4e5f"
    assert served(render("caikit-legacy", CHOICES))["storage"] == {
        "key": "opt-350m-detox",
        "path": "opt-350m-detox/0a1b2c3d4e5f",
        "parameters": {"bucket": "models"},
    }
    image = served(render("openshift-ai-gpu", Choices(model="oci://quay.io/me/opt:1")))
    assert (image["storageUri"], "storage" in image) == ("oci://quay.io/me/opt:1", False)


@needs_kubectl
def test_an_endpoint_loses_its_scheme_where_kserve_wants_none(cpu: list[Document]) -> None:
    notes = of(cpu, "Secret")["metadata"]["annotations"]
    assert notes["serving.kserve.io/s3-endpoint"] == "development-s3.models.svc:9000"
    assert notes["serving.kserve.io/s3-usehttps"] == "0"


@needs_kubectl
@needs_kserve
@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://minio.storage.svc:8333", 8333),
        ("http://minio.example", 80),
        ("https://minio.example", 443),
        ("http://minio.storage.svc:9000", 9000),
    ],
)
def test_the_network_policy_lets_the_model_be_fetched(endpoint: str, port: int) -> None:
    documents = render_checked(
        "kubernetes-cpu", Choices(model="s3://models/opt/1", endpoint=endpoint)
    )
    egress = of(documents, "NetworkPolicy")["spec"]["egress"]
    ports = [held for rule in egress for held in rule["ports"] if "to" not in rule]
    assert ports.count({"protocol": "TCP", "port": port}) == 1
    # Control: nothing else is let out.
    assert {held["port"] for held in ports} == {53, 5353, 443, 9000, port}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Opt"}, "name 'Opt' must be"),
        ({"name": "opt-"}, "name 'opt-' must be"),
        ({"name": "7b"}, "name '7b' must be"),
        ({"name": "a" * 54}, "53 at most"),
        ({"namespace": "my_models"}, "namespace 'my_models' must be"),
    ],
)
def test_a_name_that_dns_does_not_know_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Choices(**given)


def test_a_name_of_the_greatest_length_passes() -> None:
    assert Choices(name="a" * 53, namespace="n" * 63).name == "a" * 53


def test_an_unknown_overlay_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kubernetes-cpu'"):
        render("kubernetes-gpu-cpu", Choices())


@needs_kubectl
@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "http://", "http://minio/path"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="such as https://host:port"):
        render("kubernetes-cpu", Choices(endpoint=endpoint))


@needs_kubectl
def test_an_endpoint_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="no user or password") as caught:
        render("kubernetes-cpu", Choices(endpoint="https://me:hush@minio:9000"))
    assert "hush" not in str(caught.value)


@needs_kubectl
def test_a_kustomization_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [none.yaml]")
    with pytest.raises(ConfigError, match=r"kubectl can't build .*none\.yaml"):
        render(str(tmp_path), Choices())


def put(document: Any, place: str, value: Any) -> None:
    """Set what lies at the place, `/` between; None takes it away."""
    *above, last = [int(part) if part.isdigit() else part for part in place.split(" ")]
    for part in above:
        document = document[part]
    if value is None:
        del document[last]
    else:
        document[last] = value


POD = "spec containers 0"
MODEL = "spec predictor model"
NOTES = "metadata annotations"


@needs_kubectl
@pytest.mark.parametrize(
    ("kind", "place", "value", "said"),
    [
        ("Secret", "metadata name", "S3_creds", "Secret/S3_creds: name must be lower-case"),
        ("Secret", "metadata namespace", "other", "several namespaces"),
        ("InferenceService", "metadata name", "a" * 54, "longer than 53"),
        ("InferenceService", f"{NOTES} serving.kserve.io/deploymentMode", None, "must be one of"),
        ("InferenceService", f"{MODEL} runtime", "none", "'none' is not among the objects"),
        ("InferenceService", f"{MODEL} modelFormat name", "onnx", "doesn't serve 'onnx'"),
        ("InferenceService", f"{MODEL} storageUri", None, "got neither"),
        ("InferenceService", f"{MODEL} storageUri", "https://x/y", "s3:// or oci://"),
        ("InferenceService", f"{MODEL} storageUri", "s3://Models/x", "no name that a bucket"),
        ("InferenceService", f"{MODEL} storageUri", "s3://models/x/../y", "letters, digits"),
        ("InferenceService", f"{MODEL} storageUri", "s3://models/x/REVISION", "say --model"),
        ("InferenceService", f"{MODEL} storageUri", "oci://quay.io/a/b:latest", "a fixed tag"),
        ("InferenceService", f"{MODEL} storageUri", "oci://quay.io/a/b", "a fixed tag"),
        ("InferenceService", "spec predictor securityContext runAsNonRoot", None, "than root"),
        ("InferenceService", "spec predictor securityContext runAsUser", 0, "than root"),
        ("Secret", "stringData", {"a": "b"}, "keep secrets out of manifests"),
        ("Secret", f"{NOTES} serving.kserve.io/s3-endpoint", "http://x:9", "without a scheme"),
        ("Secret", f"{NOTES} serving.kserve.io/s3-usehttps", "true", 'must be "0" or "1"'),
        ("Secret", f"{NOTES} serving.kserve.io/s3-verifyssl", "0", "wouldn't be checked"),
        ("ServingRuntime", f"{POD} image", "vllm/vllm-openai", "needs a fixed tag"),
        ("ServingRuntime", f"{POD} image", "vllm/vllm-openai:latest", "needs a fixed tag"),
        ("ServingRuntime", f"{POD} image", "registry.example.com/x:1", "stands for yours"),
        ("ServingRuntime", f"{POD} securityContext readOnlyRootFilesystem", None, "readOnlyRoot"),
        ("ServingRuntime", f"{POD} securityContext capabilities", None, "drop ALL"),
        ("ServingRuntime", f"{POD} securityContext allowPrivilegeEscalation", True, "Escalation"),
        ("ServingRuntime", f"{POD} resources limits memory", None, "limits of cpu and memory"),
        ("ServingRuntime", f"{POD} startupProbe", None, "no container has a startupProbe"),
    ],
)
def test_a_planted_fault_is_found(
    cpu: list[Document], kind: str, place: str, value: Any, said: str
) -> None:
    documents = deepcopy(cpu)
    put(of(documents, kind), place, value)
    found = faults(documents)
    assert len(found) == 1
    assert said in found[0]


@needs_kubectl
def test_no_fault_is_found_where_none_was_planted(cpu: list[Document]) -> None:
    assert faults(cpu) == []


@needs_kubectl
@needs_kserve
@pytest.mark.parametrize(
    ("kind", "place", "value", "said"),
    [
        ("InferenceService", f"{MODEL} storageURI", "s3://a/b", "storageURI: there is no such"),
        ("InferenceService", "spec predictor minReplicas", "1", "expected int, got '1'"),
        ("InferenceService", "spec predictor minReplicas", True, "expected int, got True"),
        ("InferenceService", MODEL, [], "expected an object, got list"),
        ("ServingRuntime", "spec containers", {}, "expected a list, got dict"),
        ("ServingRuntime", f"{POD} startupProbe httpget", {}, "httpget: there is no such field"),
        ("ServingRuntime", f"{POD} startupProbe failureThreshold", "60", "expected int"),
        ("ServingRuntime", f"{POD} env 0 name", None, "env[0].name: is required"),
        ("ServingRuntime", "spec containers", None, "spec.containers: is required"),
        ("NetworkPolicy", "spec podSelecter", {}, "podSelecter"),
        ("NetworkPolicy", "kind", "NetPolicy", "no such kind in networking.k8s.io/v1"),
        ("ServiceAccount", "apiVersion", "v2", "no such kind in v2"),
        ("InferenceService", "apiVersion", "serving.kserve.io/v1", "no such kind"),
    ],
)
def test_a_planted_mistake_is_found(
    cpu: list[Document], kind: str, place: str, value: Any, said: str
) -> None:
    documents = deepcopy(cpu)
    put(of(documents, kind), place, value)
    found = list(mistakes(documents))
    assert len(found) == 1
    assert said in found[0]


@needs_kubectl
@needs_kserve
def test_no_mistake_is_found_where_none_was_planted(cpu: list[Document]) -> None:
    assert list(mistakes(cpu)) == []


@needs_kubectl
def test_keys_go_into_an_annotated_secret(cpu: list[Document]) -> None:
    before = deepcopy(cpu)
    secret = of(filled(cpu, KEYS), "Secret")
    assert secret["stringData"] == {
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
    }
    assert secret["metadata"]["annotations"]["serving.kserve.io/s3-region"] == "eu-central-1"
    assert cpu == before


@needs_kubectl
def test_keys_go_into_a_storage_config_as_strings_alone() -> None:
    secret = of(filled(render("caikit-legacy", CHOICES), KEYS), "Secret")
    ((key, held),) = secret["stringData"].items()
    assert (secret["metadata"]["name"], key) == ("storage-config", "opt-350m-detox")
    assert json.loads(held) == {
        "type": "s3",
        "access_key_id": "the-key",
        "secret_access_key": "the-secret",
        "endpoint_url": "https://s3.example.com",
        "bucket": "models",
        "region": "eu-central-1",
    }


@needs_kubectl
def test_keys_go_into_a_connection_of_openshift_ai() -> None:
    documents = filled(render("openshift-ai-gpu", CHOICES), KEYS)
    secret = of(documents, "Secret")
    assert served(documents)["storage"]["key"] == secret["metadata"]["name"]
    assert secret["stringData"] == {
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "AWS_S3_ENDPOINT": "https://s3.example.com",
        "AWS_S3_BUCKET": "models",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return monkeypatch.setenv


def test_keys_come_from_the_environment(no_keys: Callable[[str, str], None]) -> None:
    assert credentials(None) is None
    no_keys("AWS_ACCESS_KEY_ID", "the-key")
    with pytest.raises(ConfigError, match="set both"):
        credentials(None)
    no_keys("AWS_SECRET_ACCESS_KEY", "the-secret")
    found = credentials(None)
    assert found == Credentials(
        "the-key", "the-secret", "https://s3.us-east-1.amazonaws.com", "us-east-1"
    )
    assert not re.search("the-key|the-secret", repr(found))
    no_keys("AWS_ENDPOINT_URL", "http://minio:9000")
    assert credentials(None) == Credentials(
        "the-key", "the-secret", "http://minio:9000", "us-east-1"
    )
    no_keys("AWS_SESSION_TOKEN", "soon over")
    with pytest.raises(ConfigError, match="keys of its own"):
        credentials(None)
