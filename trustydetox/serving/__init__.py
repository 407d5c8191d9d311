"""From an exported model to a served one, and detoxing as a service of its own."""

from trustydetox.serving.converting import convert
from trustydetox.serving.manifest import Manifest, read_manifest
from trustydetox.serving.pushing import Pushed, push

__all__ = ["Manifest", "Pushed", "convert", "push", "read_manifest"]
