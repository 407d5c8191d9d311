"""As much of a Kubernetes API server as the real kubectl asks for, on this machine.

No API server can be had from a package, so this one keeps what is applied and knows no controller:
what it is told an InferenceService's status is, it says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

GROUPS = {
    "apps/v1": {"deployments": "Deployment"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role", "rolebindings": "RoleBinding"},
    "serving.kserve.io/v1alpha1": {"servingruntimes": "ServingRuntime"},
    "serving.kserve.io/v1beta1": {"inferenceservices": "InferenceService"},
}
CORE = {"secrets": "Secret", "serviceaccounts": "ServiceAccount", "services": "Service"}


@dataclass
class Cluster:
    """What was applied, by kind and name; `ready` is the status of every InferenceService."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    ready: str = "True"
    refusal: str = ""

    def answer(self, path: str) -> Any:
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
        status = {"status": {"conditions": [{"type": "Ready", "status": self.ready}]}}
        services = {
            name: held | status
            for (kind, name), held in self.objects.items()
            if kind == "InferenceService"
        }
        if path.endswith("/inferenceservices"):
            return {
                "kind": "InferenceServiceList",
                "apiVersion": "serving.kserve.io/v1beta1",
                "metadata": {"resourceVersion": "1"},
                "items": list(services.values()),
            }
        return services.get(path.rpartition("/inferenceservices/")[2])


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
            answer = cluster.answer(parts.path)
            if "watch" in parse_qs(parts.query):
                self._say(200, None)  # nothing changes here
            elif answer is None:
                self._say(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure"})
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
