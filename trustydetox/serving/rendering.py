"""An overlay as the list of objects that a cluster is given."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.serving.bucket import place_in, said_endpoint
from trustydetox.steps.asking import split_url

Document = dict[str, Any]

SERVICE = "InferenceService"
NAMES_ARE = "lower-case letters, digits and -, with a letter first and no - last"
LONGEST_NAME = 63
LONGEST_SERVICE = 53
"""Of OpenShift AI; with what KServe appends to it, 63 in all."""
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
"""Of the pods of an InferenceService."""
S3_ENDPOINT = "serving.kserve.io/s3-endpoint"
S3_USE_HTTPS = "serving.kserve.io/s3-usehttps"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a deployment says otherwise than its overlay; None leaves the overlay's word.

    name: of the InferenceService, and of all that is named after it.
    model: `s3://bucket/path` or `oci://registry/name:tag`.
    endpoint: where the cluster finds the S3 service, with its scheme.
    """

    name: str | None = None
    namespace: str | None = None
    model: str | None = None
    endpoint: str | None = None

    def __post_init__(self) -> None:
        for what, name, longest in (
            ("name", self.name, LONGEST_SERVICE),
            ("namespace", self.namespace, LONGEST_NAME),
        ):
            if name is not None and not is_name(name, longest):
                raise ConfigError(f"{what} {name!r} must be {NAMES_ARE}, {longest} at most")


def is_name(name: str, longest: int) -> bool:
    """Whether Kubernetes takes it for a name that is also one in DNS (RFC 1123)."""
    return len(name) <= longest and bool(re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name))


def render(overlay: str, choices: Choices) -> list[Document]:
    """The objects of an overlay, built by `kubectl kustomize`, with the choices put in.

    overlay: a name in `overlays()` or a folder with a kustomization of one's own.
    No secret has a value yet.
    """
    documents = _built(_folder(overlay))
    if choices.name:
        (service,) = services(documents)
        old = service["metadata"]["name"]
        documents = [_renamed(document, old, choices.name) for document in documents]
    if choices.namespace:
        for document in documents:
            document["metadata"]["namespace"] = choices.namespace
            for subject in document.get("subjects", ()):
                subject["namespace"] = choices.namespace
    if choices.model:
        for service in services(documents):
            _set_model(service["spec"]["predictor"]["model"], choices.model)
    if choices.endpoint:
        _set_endpoint(documents, choices.endpoint)
    return documents


def services(documents: list[Document]) -> list[Document]:
    """The InferenceServices among the objects; ConfigError unless there is exactly one."""
    found = [document for document in documents if document.get("kind") == SERVICE]
    if len(found) != 1:
        raise ConfigError(f"expected one {SERVICE} in the overlay, got {len(found)}")
    return found


def manifests() -> Path:
    """The folder of manifests, of the checkout or as installed."""
    package = Path(__file__).parents[1]
    beside = package.parent / "manifests"
    return beside if beside.is_dir() else package / "manifests"


def overlays() -> list[str]:
    """The names of the overlays that come with this package."""
    return sorted(path.name for path in (manifests() / "overlays").iterdir())


def _folder(overlay: str) -> Path:
    if overlay in overlays():
        return manifests() / "overlays" / overlay
    if (Path(overlay) / "kustomization.yaml").is_file():
        return Path(overlay)
    near = did_you_mean(overlay, overlays())
    raise ConfigError(
        f"there is no overlay {overlay!r}, nor a folder with that kustomization{near}"
    )


def _built(folder: Path) -> list[Document]:
    done = run_kubectl("kustomize", str(folder))
    if done.returncode:
        raise ConfigError(f"kubectl can't build {folder}: {done.stderr.strip()}")
    documents = [document for document in yaml.safe_load_all(done.stdout) if document is not None]
    for document in documents:
        if not (isinstance(document, dict) and document.get("metadata", {}).get("name")):
            raise ConfigError(f"{folder} renders something without a kind and a name")
    return documents


def run_kubectl(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """What kubectl made of the arguments, with `given` on its standard input."""
    try:
        return subprocess.run(
            ["kubectl", *arguments], input=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ConfigError(
            "kubectl isn't there: install 1.27 or newer (kubernetes.io/docs/tasks/tools)"
        ) from error


def _renamed(value: Any, old: str, new: str) -> Any:
    """The same, with `old` and `old-…` named after `new`, wherever they are the whole string."""
    if isinstance(value, Mapping):
        return {key: _renamed(held, old, new) for key, held in value.items()}
    if isinstance(value, list):
        return [_renamed(held, old, new) for held in value]
    if isinstance(value, str) and re.fullmatch(f"{re.escape(old)}(-[a-z0-9-]+)?", value):
        return new + value.removeprefix(old)
    return value


def _set_model(model: Document, url: str) -> None:
    if url.startswith("oci://") or "storage" not in model:
        model.pop("storage", None)
        model["storageUri"] = url
        return
    place = place_in(url)
    model["storage"] |= {"path": place.key, "parameters": {"bucket": place.bucket}}


def _set_endpoint(documents: list[Document], endpoint: str) -> None:
    said_endpoint(endpoint)
    parts = split_url(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
        raise ConfigError(f"expected an endpoint such as https://host:port, got {endpoint!r}")
    for notes in annotations_of_secrets(documents):
        if S3_ENDPOINT in notes:
            notes[S3_ENDPOINT] = parts.netloc
            notes[S3_USE_HTTPS] = "1" if parts.scheme == "https" else "0"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for document in documents:
        if document["kind"] == "NetworkPolicy":
            pods = document["spec"].get("podSelector", {}).get("matchLabels", {})
            if SERVICE_LABEL in pods:
                _let_out(document["spec"].get("egress", []), port)


def _let_out(egress: list[Document], port: int) -> None:
    """Allow TCP to a port, unless a rule does already."""
    if not any(held.get("port") == port for rule in egress for held in rule.get("ports", ())):
        egress.append({"ports": [{"protocol": "TCP", "port": port}]})


def annotations_of_secrets(documents: list[Document]) -> Iterator[dict[str, str]]:
    """The annotations of each secret."""
    for document in documents:
        if document["kind"] == "Secret":
            yield document["metadata"].get("annotations", {})
