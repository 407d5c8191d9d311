"""From an exported model to a served one, and detoxing as a service of its own."""

from trustydetox.serving.converting import convert
from trustydetox.serving.deploying import render_checked, to_yaml
from trustydetox.serving.endpoint import PROTOCOLS, Endpoint
from trustydetox.serving.inferring import Model, connect
from trustydetox.serving.manifest import Manifest, read_manifest
from trustydetox.serving.prompting import complete_file, completed
from trustydetox.serving.pushing import Pushed, push
from trustydetox.serving.rendering import Choices

__all__ = [
    "PROTOCOLS",
    "Choices",
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
    "render_checked",
    "to_yaml",
]
