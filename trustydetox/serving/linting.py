"""What no schema says of a deployment, and what would fail late, silently or unsafely."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from trustydetox.errors import ConfigError
from trustydetox.serving.bucket import place_in
from trustydetox.serving.rendering import (
    LONGEST_NAME,
    LONGEST_SERVICE,
    NAMES_ARE,
    S3_ENDPOINT,
    S3_USE_HTTPS,
    Document,
    annotations_of_secrets,
    is_name,
    services,
)

S3_VERIFY = "serving.kserve.io/s3-verifyssl"
MODE = "serving.kserve.io/deploymentMode"
MODES = {"Standard", "Knative", "RawDeployment", "Serverless"}
_IMAGE = re.compile(r".+(:(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64})", re.ASCII)


def faults(documents: list[Document]) -> list[str]:
    """Each as `Kind/name: what is wrong`, of all rules."""
    return [fault for rule in RULES for fault in rule(documents)]


def _names(documents: list[Document]) -> Iterator[str]:
    for document in documents:
        for what in ("name", "namespace"):
            name = document["metadata"].get(what)
            if name is not None and not is_name(name, LONGEST_NAME):
                yield f"{_called(document)}: {what} must be {NAMES_ARE}, {LONGEST_NAME} at most"
    if len({document["metadata"].get("namespace") for document in documents}) > 1:
        yield "the objects are of several namespaces"
    for service in services(documents):
        if len(service["metadata"]["name"]) > LONGEST_SERVICE:
            yield f"{_called(service)}: its name is longer than {LONGEST_SERVICE} characters"


def _mode(documents: list[Document]) -> Iterator[str]:
    for service in services(documents):
        mode = service["metadata"].get("annotations", {}).get(MODE)
        if mode not in MODES:
            known = ", ".join(sorted(MODES))
            yield f"{_called(service)}: {MODE} must be one of {known}, got {mode}"


def _runtime(documents: list[Document]) -> Iterator[str]:
    formats = {
        document["metadata"]["name"]: {
            known.get("name") for known in document["spec"].get("supportedModelFormats", ())
        }
        for document in documents
        if document["kind"] == "ServingRuntime"
    }
    for service in services(documents):
        model = _model(service)
        runtime, wanted = model.get("runtime"), model.get("modelFormat", {}).get("name")
        if runtime not in formats:
            yield f"{_called(service)}: its runtime {runtime!r} is not among the objects"
        elif wanted not in formats[runtime]:
            yield f"{_called(service)}: the runtime {runtime!r} doesn't serve {wanted!r}"


def _storage(documents: list[Document]) -> Iterator[str]:
    for service in services(documents):
        model = _model(service)
        said = [key for key in ("storageUri", "storage", "storageUris") if model.get(key)]
        if said == ["storageUri"]:
            yield from (f"{_called(service)}: {each}" for each in _url(str(model["storageUri"])))
        elif said == ["storage"]:
            storage = model["storage"]
            bucket = storage.get("parameters", {}).get("bucket")
            if not storage.get("key"):
                yield f"{_called(service)}: its storage names no key of a secret"
            url = f"s3://{bucket}/{str(storage.get('path')).strip('/')}"
            yield from (f"{_called(service)}: {each}" for each in _url(url))
        else:
            yield f"{_called(service)}: expected storageUri or storage, got {said or 'neither'}"


def _url(url: str) -> Iterator[str]:
    if url.startswith("oci://"):
        if not _IMAGE.fullmatch(url):
            yield f"{url} needs a fixed tag or a digest, or nodes will run different models"
    elif url.startswith("s3://"):
        try:
            place = place_in(url)
        except ConfigError as error:
            yield str(error)
        else:
            if place.key.endswith("/REVISION"):
                yield "no model is named yet: say --model s3://bucket/prefix/revision"
    else:
        yield f"expected a model at s3:// or oci://, got {url!r}"


def _secrets(documents: list[Document]) -> Iterator[str]:
    for document in documents:
        if document["kind"] == "Secret" and (document.get("data") or document.get("stringData")):
            yield f"{_called(document)}: holds values: keep secrets out of manifests"
    for notes in annotations_of_secrets(documents):
        if S3_ENDPOINT not in notes:
            continue
        endpoint = notes[S3_ENDPOINT]
        if "://" in endpoint or "/" in endpoint:
            yield f"{S3_ENDPOINT} is host:port without a scheme in this form, got {endpoint!r}"
        for key in (S3_USE_HTTPS, S3_VERIFY):
            if notes.get(key) not in {"0", "1"}:
                yield f'{key} must be "0" or "1", got {notes.get(key)!r}'
        if notes.get(S3_VERIFY) == "0":
            yield (
                f"{S3_VERIFY} is 0: certificates wouldn't be checked; name your authority's "
                "ConfigMap in serving.kserve.io/s3-cabundle-configmap instead"
            )


def _containers(documents: list[Document]) -> Iterator[str]:
    for document, pod in _pods(documents):
        for container in pod.get("containers", ()):
            who = f"{_called(document)}: container {container.get('name')!r}"
            image = str(container.get("image"))
            if not _IMAGE.fullmatch(image):
                yield f"{who}: image {image} needs a fixed tag or a digest"
            if image.startswith("registry.example.com/"):
                yield f"{who}: image {image} stands for yours: name it under images: of an overlay"
            yield from (f"{who}: {each}" for each in _privileges(container))
            for kind in ("requests", "limits"):
                if {"cpu", "memory"} - set(container.get("resources", {}).get(kind, {})):
                    yield f"{who}: needs {kind} of cpu and memory"
        if not any("startupProbe" in container for container in pod.get("containers", ())):
            yield f"{_called(document)}: no container has a startupProbe"


def _privileges(container: Document) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield "must set allowPrivilegeEscalation: false"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "must set readOnlyRootFilesystem: true"
    if security.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "must drop ALL capabilities"


def _users(documents: list[Document]) -> Iterator[str]:
    pods = [(service, service["spec"]["predictor"]) for service in services(documents)]
    pods += [found for found in _pods(documents) if "template" in found[0]["spec"]]
    for document, pod in pods:
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
            yield f"{_called(document)}: its pods must run as another user than root"


def _pods(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Each object that says what containers run, and the specification of its pods."""
    for document in documents:
        if document["kind"] == "ServingRuntime":
            yield document, document["spec"]
        elif "template" in document.get("spec", {}):
            yield document, document["spec"]["template"]["spec"]


def _model(service: Document) -> dict[str, Any]:
    model: dict[str, Any] = service["spec"]["predictor"].get("model", {})
    return model


def _called(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


RULES: tuple[Callable[[list[Document]], Iterator[str]], ...] = (
    _names, _mode, _runtime, _storage, _secrets, _containers, _users,
)  # fmt: skip
