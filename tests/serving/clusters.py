"""As much of a Kubernetes API server as the real kubectl asks for, on this machine.

No API server can be had from a package, so this one keeps what is applied, and says of the
controllers' work what it is told: how far a Deployment is, and whether a service is Ready.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import yaml

GROUPS = {
    "apps/v1": {"deployments": "Deployment"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role", "rolebindings": "RoleBinding"},
    "serving.kserve.io/v1alpha1": {"servingruntimes": "ServingRuntime"},
    "serving.kserve.io/v1beta1": {"inferenceservices": "InferenceService"},
}
CORE = {
    "pods": "Pod",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
}
Stage = Literal["none", "untouched", "unobserved", "rolling", "starting", "done"]


@dataclass
class Cluster:
    """What was applied, by kind and name, and what has become of it.

    ready: the status of every InferenceService; in Standard mode KServe leaves it at True while the
        pods of an update start.
    generation: of every InferenceService; that in its status is the Deployment's, as with KServe.
    stages: where the Deployment is at the first look at it, at the second, …, at all later ones:
        not there; the one from before the update; with the template of the update, but the status
        from before; with the old pod beside the new one; with a new one that isn't available; done.
    """

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    ready: str = "True"
    generation: int = 2
    stages: list[Stage] = field(default_factory=lambda: ["done"])
    refusal: str = ""

    def answer(self, path: str, selector: str = "") -> Any:
        """What a GET gives, None where there is nothing."""
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
        if path == "/openapi/v3":
            paths = {**{f"apis/{version}": version for version in GROUPS}, "api/v1": "v1"}
            return {"paths": {key: {"serverRelativeURL": f"/openapi/v3/{key}"} for key in paths}}
        version = path.removeprefix("/openapi/v3").removeprefix("/apis/").removeprefix("/api/")
        kinds = CORE if version == "v1" else GROUPS.get(version)
        if kinds:
            return (_strict if path.startswith("/openapi") else _resources)(version, kinds)
        services = {
            name: self._status(held)
            for (kind, name), held in self.objects.items()
            if kind == "InferenceService"
        }
        name = path.rpartition("/")[2].removesuffix("-predictor")
        if path.endswith("/inferenceservices"):
            return _list("serving.kserve.io/v1beta1", "InferenceService", list(services.values()))
        if path.endswith("/pods"):
            return _list("v1", "Pod", _pods(services[_selected(selector)]))
        if "/deployments/" in path and name in services:
            stage = self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]
            return _deployment(services[name], stage)
        return services.get(path.rpartition("/inferenceservices/")[2])

    def _status(self, service: dict[str, Any]) -> dict[str, Any]:
        metadata = service["metadata"] | {"generation": self.generation}
        conditions = [{"type": "Ready", "status": self.ready}]
        status = {"observedGeneration": 2, "conditions": conditions}
        return service | {"metadata": metadata, "status": status}


def _selected(selector: str) -> str:
    """The service whose pods a selector asks for, by the label that KServe gives them."""
    return selector.removeprefix("app=isvc.").removesuffix("-predictor")


def _list(version: str, kind: str, items: list[Any]) -> dict[str, Any]:
    metadata = {"resourceVersion": "1"}
    return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}


def _deployment(service: dict[str, Any], stage: Stage) -> dict[str, Any] | None:
    if stage == "none":
        return None
    name, notes = service["metadata"]["name"], service["metadata"]["annotations"]
    is_old = stage == "untouched"
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    of_stage: dict[Stage, dict[str, int]] = {
        "untouched": {"observedGeneration": 1},
        "unobserved": {"observedGeneration": 1},
        "rolling": {"replicas": 2},
        "starting": {"availableReplicas": 0},
    }
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": f"{name}-predictor", "generation": 1 if is_old else 2},
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"annotations": {} if is_old else notes}},
        },
        "status": status | of_stage.get(stage, {}),
    }


def _pods(service: dict[str, Any]) -> list[dict[str, Any]]:
    """One of before the update, one of the update that is going, and the one that serves."""
    name, notes = service["metadata"]["name"], service["metadata"]["annotations"]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    of_each = {
        "old": {"annotations": {}},
        "going": {"annotations": notes, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "new": {"annotations": notes},
    }
    return [
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": f"{name}-predictor-{age}", **metadata},
            "status": status,
        }
        for age, metadata in of_each.items()
    ]


def _groups() -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, str]]] = {}
    for version in GROUPS:
        group, _, short = version.partition("/")
        found.setdefault(group, []).append({"groupVersion": version, "version": short})
    return [
        {"name": group, "versions": versions, "preferredVersion": versions[-1]}
        for group, versions in found.items()
    ]


def _strict(version: str, kinds: dict[str, str]) -> dict[str, Any]:
    """That the server refuses unknown fields by itself; kubectl then leaves it to the server."""
    group, _, short = version.rpartition("/")
    return {
        "openapi": "3.0.0",
        "info": {"title": version, "version": short},
        "paths": {
            f"/{kind}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {
                        "group": group,
                        "kind": kind,
                        "version": short,
                    },
                    "responses": {},
                }
            }
            for kind in kinds.values()
        },
    }


def _resources(version: str, kinds: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": True,
                "kind": kind,
                "verbs": ["get", "list", "patch", "watch"],
            }
            for plural, kind in kinds.items()
        ],
    }


@contextmanager
def api_server(folder: Path) -> Iterator[Cluster]:
    """A cluster, and in the folder the `kubeconfig` that leads to it."""
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            answer = cluster.answer(parts.path, *query.get("labelSelector", ()))
            if "watch" in query:
                self._say(200, None)  # nothing changes here
            elif answer is None:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}
                self._say(404, status | {"reason": "NotFound", "message": "not found"})
            else:
                self._say(200, answer)

        def do_PATCH(self) -> None:
            given = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
            cluster.queries.append(parse_qs(urlsplit(self.path).query))
            if cluster.refusal:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403}
                self._say(403, status | {"reason": "Forbidden", "message": cluster.refusal})
                return
            cluster.objects[given["kind"], given["metadata"]["name"]] = given
            self._say(200, given)

        def _say(self, code: int, answer: Any) -> None:
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
