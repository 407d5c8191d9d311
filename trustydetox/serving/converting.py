"""An exported model in the form that a runtime serves, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml

from trustydetox.corpus.runs.outputs import plain_errors
from trustydetox.errors import ConfigError, ConflictError, ModelError
from trustydetox.serving.manifest import FORMATS, NAME, Manifest, manifest_of
from trustydetox.serving.modelfolder import ModelFolder, read_model_folder

Format = Literal["hf", "caikit", "modelcar"]

MODELS = {"hf": "", "caikit": "artifacts", "modelcar": "models"}
"""Where the model lies in a converted folder."""

CONTAINERFILE = """\
# Build and push under a tag that never moves, then serve as oci://REGISTRY/NAME:REVISION:
#   podman build -t REGISTRY/NAME:REVISION . && podman push REGISTRY/NAME:REVISION
FROM docker.io/library/busybox:1.37.0
COPY models/ /models/
"""


def convert(source: Path, out: Path, form: Format, *, verify: bool = False) -> Manifest:
    """What was written to the new folder `out`, with the hash of each file.

    hf: the model as it is, for vLLM and the Hugging Face runtime. caikit: config.yml and
    artifacts/, for Caikit-TGIS, without importing caikit. modelcar: the context of a container
    image that holds nothing but the model. Weights are copied byte for byte, with their dtype.

    verify: load what was written and have it weigh its next token, before `out` appears. Takes
    the memory of the model.

    With SOURCE_DATE_EPOCH set, times are that one, and the same model gives the same bytes.
    """
    if form not in FORMATS:
        raise ConfigError(f"expected a format of {', '.join(FORMATS)}, got {form!r}")
    model = read_model_folder(source)
    moment = _moment()
    with _new_folder(out) as part:
        _copy(model, part / MODELS[form])
        if form == "caikit":
            _add_caikit(model, part, moment or datetime.now(UTC))
        if form == "modelcar":
            (part / "Containerfile").write_text(CONTAINERFILE, "utf-8")
        manifest = manifest_of(part, form)
        (part / NAME).write_bytes(manifest.to_json())
        if verify:
            _reload(part / MODELS[form])
        for path in (*part.rglob("*"), part):
            path.chmod(0o755 if path.is_dir() else 0o644)  # servers run as another user
            if moment:
                os.utime(path, (moment.timestamp(),) * 2)
    return manifest


def _moment() -> datetime | None:
    """What SOURCE_DATE_EPOCH says, if it's set; see reproducible-builds.org."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said is None:
        return None
    if not said.isascii() or not said.isdigit():
        raise ConfigError(f"SOURCE_DATE_EPOCH must be seconds since 1970, got {said!r}")
    return datetime.fromtimestamp(int(said), UTC)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that gets its name at the end, and goes away where something failed."""
    if out.exists():
        raise ConflictError(f"{out} is there already: remove it, or choose another name")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"can't write {out}: its folder isn't there")
    with plain_errors(str(out)):
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.absolute().parent))
    try:
        yield part
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(model: ModelFolder, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in model.files:
        shutil.copyfile(model.path / name, folder / name)


def _add_caikit(model: ModelFolder, folder: Path, moment: datetime) -> None:
    """The layout that caikit-nlp's `TextGeneration.save` writes (0.5.15), key for key.

    TGIS reads with a transformers before 5: config.json also gets `torch_dtype`, the only name it
    knows for `dtype`, and a tokenizer of the class that was new in 5 gets that one's older name.
    """
    _change(folder / "artifacts" / "config.json", {"torch_dtype": model.dtype})
    tokenizer = folder / "artifacts" / "tokenizer_config.json"
    if tokenizer.is_file() and b'"TokenizersBackend"' in tokenizer.read_bytes():
        _change(tokenizer, {"tokenizer_class": "PreTrainedTokenizerFast"})
    at = moment.replace(tzinfo=None).isoformat(" ", "microseconds")
    settings = {
        "artifact_path": "artifacts",
        "caikit_nlp_version": "0.5.15",
        "created": at,
        "eos_token": model.eos_token,
        "module_class": "caikit_nlp.modules.text_generation.text_generation_local.TextGeneration",
        "module_id": "f9181353-4ccf-4572-bd1e-f12bcda26792",
        "name": "Text Generation",
        "saved": at,
        "torch_dtype": f"torch.{model.dtype}",
        # Of the content, so that the same model has the same id.
        "tracking_id": str(uuid.uuid5(uuid.NAMESPACE_OID, manifest_of(folder, "caikit").revision)),
        "training_logs": "training_logs.jsonl",
        "version": "0.1.0",
    }
    (folder / "config.yml").write_text(yaml.safe_dump(settings), "utf-8")


def _change(path: Path, settings: Mapping[str, str]) -> None:
    content = {**json.loads(path.read_bytes()), **settings}
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _reload(folder: Path) -> None:
    """ModelError where the folder can't be loaded, lacks a tensor, or gives no numbers."""
    import torch

    from trustydetox.steps.loading import open_model, open_tokenizer

    tokens = open_tokenizer(str(folder))("Hello", return_tensors="pt")
    model = open_model("causal LM", str(folder), dtype="auto").eval()
    with torch.inference_mode():
        logits = model(input_ids=tokens["input_ids"]).logits[0, -1]  # (vocab,)
    if not torch.isfinite(logits).all():
        raise ModelError("what was written gives logits that are no numbers")
