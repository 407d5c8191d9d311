"""A deployed model, asked for a token once the cluster runs what was applied and nothing else.

The Ready of an InferenceService says less: it stays from before an update until KServe has seen
that one, and in Standard mode while the old pod goes on serving; the generation in its status is
the Deployment's, so kubectl's own `wait` takes an old Ready for a new one, or a new one for an old.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from trustydetox.errors import ModelError
from trustydetox.serving.endpoint import Endpoint
from trustydetox.serving.inferring import connect
from trustydetox.serving.linting import MODE
from trustydetox.serving.rendering import SERVICE, Document, run_kubectl, services

MARK = "trustydetox/applied"
"""An annotation of the InferenceService, which KServe hands on to the Deployment and its pods.
Source: `buildPredictorResources` and `createRawDefaultDeployment` of its controller."""
STANDARD = {"Standard", "RawDeployment"}
"""The modes in which KServe makes a Deployment of its own."""
PAUSE_S = 1.0

_FORWARDED = re.compile(r"Forwarding from (127\.0\.0\.1:\d+) ->")


def marked(documents: list[Document]) -> list[Document]:
    """The objects, the InferenceService last and marked with what its pods are made from.

    The same objects have the same mark, so that applying them again starts no pod anew. Last,
    because not every KServe looks at it again when its runtime changes.
    """
    found = deepcopy(documents)
    (service,) = services(found)
    service["metadata"].setdefault("annotations", {})[MARK] = _mark(documents)
    return sorted(found, key=lambda document: document is service)


def _mark(documents: list[Document]) -> str:
    made_from = [one for one in documents if one["kind"] in {SERVICE, "ServingRuntime"}]
    return hashlib.sha256(yaml.safe_dump_all(made_from).encode()).hexdigest()[:12]


def wait(documents: list[Document], timeout_s: int, tell: Callable[[str], None]) -> str:
    """The name of the model, once all its pods are of what was applied and one has given a token.

    documents: as they were given to `apply`. A ready model may give no token: vLLM on a CPU, for
    one, reports itself healthy and dies at its first request where it has no kernel for the size of
    the model's heads. ModelError says what to look at.
    """
    (service,) = services(documents)
    metadata = service["metadata"]
    name, space = metadata["name"], metadata.get("namespace")
    applied = _Applied(name, ["--namespace", space] if space else [], _mark(documents))
    tell(f"waiting for {name} to be ready, {timeout_s} s at most")
    if metadata.get("annotations", {}).get(MODE) in STANDARD:
        target = f"pod/{applied.pod(timeout_s)}"
    else:
        applied.ready(timeout_s)
        target = f"deployment/{applied.deployment}"
    is_caikit = service["spec"]["predictor"]["model"]["modelFormat"]["name"] == "caikit"
    protocol = "caikit-http" if is_caikit else "openai"
    with _forwarded(target, applied) as url:
        tell(f"asking {name} for one token")
        endpoint = Endpoint(url=url, model=name, protocol=protocol, timeout_s=float(timeout_s))
        with connect(endpoint) as model:
            model.complete("Hello", max_tokens=1)
    return str(name)


@dataclass(frozen=True)
class _Applied:
    """An InferenceService that was applied; `space` are kubectl's options for its namespace."""

    name: str
    space: list[str]
    mark: str

    @property
    def deployment(self) -> str:
        """What KServe calls it."""
        return f"{self.name}-predictor"

    def pod(self, timeout_s: int) -> str:
        """A pod of what was applied, once there are no others."""
        ends = time.monotonic() + timeout_s
        while lacks := self._lacks():
            if time.monotonic() > ends:
                raise self._not_ready(f"timed out after {timeout_s} s, {lacks}")
            time.sleep(PAUSE_S)
        for pod in self._get("pods", f"--selector=app=isvc.{self.deployment}")["items"]:
            is_going = "deletionTimestamp" in pod["metadata"]
            if self._is_marked(pod) and _says(pod, "Ready") and not is_going:
                return str(pod["metadata"]["name"])
        raise self._not_ready("no pod of it runs")

    def ready(self, timeout_s: int) -> None:
        """Wait for its Ready alone, where KServe leaves the pods to Knative."""
        done = run_kubectl(
            "wait", *self.space, "--for=condition=Ready", f"--timeout={timeout_s}s",
            f"inferenceservice/{self.name}",
        )  # fmt: skip
        if done.returncode:
            # Before the last line stands what kubectl tells itself.
            raise self._not_ready(done.stderr.strip().rpartition("\n")[2])

    def _lacks(self) -> str:
        """What is still to come before all its pods are of what was applied; "" for nothing."""
        deployment = self._get(f"deployment/{self.deployment}")
        if deployment is None or not self._is_marked(deployment["spec"]["template"]):
            return f"KServe has not put what was applied into the Deployment {self.deployment}"
        if not _is_rolled_out(deployment):
            return f"the pods of the Deployment {self.deployment} are not all new and available"
        service = self._get(f"inferenceservice/{self.name}")
        return "" if service and _says(service, "Ready") else "its pods run, but it is not Ready"

    def _get(self, *what: str) -> Any:
        """As the cluster has it, None where it isn't there."""
        done = run_kubectl("get", *self.space, *what, "--ignore-not-found", "--output=json")
        if done.returncode:
            raise ModelError(f"the cluster doesn't show {what[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout else None

    def _is_marked(self, held: Document) -> bool:
        return bool(held["metadata"].get("annotations", {}).get(MARK) == self.mark)

    def _not_ready(self, why: str) -> ModelError:
        look = " ".join(["kubectl", *self.space, "describe inferenceservice", self.name])
        return ModelError(f"{self.name} isn't ready: {why}; see {look}")


def _is_rolled_out(deployment: Document) -> bool:
    """As `kubectl rollout status` has it, which itself gives up at the Deployment's own deadline:
    KServe's is ten minutes, and a large model may take longer."""
    status = deployment.get("status", {})
    updated = status.get("updatedReplicas", 0)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and updated >= deployment["spec"].get("replicas", 1)
        and status.get("replicas", 0) <= updated
        and status.get("availableReplicas", 0) >= updated
    )


def _says(held: Document, condition: str) -> bool:
    conditions = held.get("status", {}).get("conditions", ())
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


@contextmanager
def _forwarded(target: str, applied: _Applied) -> Iterator[str]:
    """A URL on this machine that leads to the model's pod, past gateways and network policies."""
    process = subprocess.Popen(
        ["kubectl", "port-forward", *applied.space, target, ":8080"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        match = _FORWARDED.match(process.stdout.readline())
        if match is None:
            said = process.communicate()[1].strip()
            raise ModelError(f"{applied.name} is ready, but no port of it can be forwarded: {said}")
        yield f"http://{match[1]}"
    finally:
        process.terminate()
        process.communicate()
