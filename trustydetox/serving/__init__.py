"""From an exported model to a served one, and detoxing as a service of its own."""

from trustydetox.serving.converting import convert
from trustydetox.serving.inferring import PROTOCOLS, Endpoint, Model, connect
from trustydetox.serving.manifest import Manifest, read_manifest
from trustydetox.serving.prompting import complete_file, completed
from trustydetox.serving.pushing import Pushed, push

__all__ = [
    "PROTOCOLS",
    "Endpoint",
    "Manifest",
    "Model",
    "Pushed",
    "complete_file",
    "completed",
    "connect",
    "convert",
    "push",
    "read_manifest",
]
