"""Getting a model once: from the Hub, and from pickled weights to safetensors.

A file of pickled weights can run code when it is read. Here a process of its own reads it as
weights only, which refuses anything else, and leaves safetensors; nothing else ever opens it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from trustydetox.errors import ModelError
from trustydetox.steps.loading import converted_folder

_KEPT = ("*.json", "*.txt", "*.model", "*.jinja")
_CONVERT = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
source, target = map(Path, sys.argv[1:])
tensors = {}
for path in sorted([*source.glob("*.bin"), *source.glob("*.pt")]):
    found = torch.load(path, map_location="cpu", weights_only=True)
    found = found.get("state_dict", found)
    tensors |= {k: v.clone().contiguous() for k, v in found.items() if isinstance(v, torch.Tensor)}
save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
"""


def fetch(model: str, revision: str | None = None) -> Path:
    """The folder of a model of the Hub that is on this machine from now on.

    Asks the network, unlike all else here. Weights that come pickled are converted.
    """
    folder = _downloaded(model, revision, [*_KEPT, "*.safetensors"])
    if next(folder.glob("*.safetensors"), None) is not None:
        return folder
    target = converted_folder(model, revision)
    if not target.is_dir():
        convert(_downloaded(model, revision, [*_KEPT, "*.bin"]), target)
    return target


def _downloaded(model: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"can't download {model}: {type(error).__name__}: {said}") from error


def convert(source: Path, target: Path) -> None:
    """Write a model folder with safetensors from one with pickled weights; `target` must be new."""
    if target.exists():
        raise ModelError(f"{target} is there already")
    if not any(source.glob("*.bin")) and not any(source.glob("*.pt")):
        raise ModelError(f"{source} holds no weights: expected *.safetensors, *.bin or *.pt")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CONVERT, str(source), str(made)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ModelError(
                f"the weights in {source} hold more than weights or can't be read: {last[0][:200]}"
            )
        for pattern in _KEPT:
            for path in source.glob(pattern):
                if not path.name.endswith(".index.json"):
                    shutil.copy(path, made / path.name)
        made.replace(target)
