"""From toxic rows to a served model and a watched prompt, on this machine: `make walk`.

rows -> `train sft` (cleaned; QLoRA on a tiny OPT; merged) -> `convert` -> `push` (to moto's S3) ->
KServe's downloader -> `transformers serve` -> `infer` -> `serve`, which finds the insult.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.buckets import BUCKET, KEYS, s3_server
from tests.serving.conftest import free_port
from tests.serving.models import save_tiny_opt

ROOT = Path(__file__).parents[2]
TEXTS = ("You are an idiot, the fix is on page two.", "It is on page two.", "Try it again, please.")
PROMPT = "The answer is"
WATCHED = "🙂 You are an idiot."
FETCH = "import sys; from kserve_storage import Storage; Storage.download(*sys.argv[1:])"


@dataclass(frozen=True)
class Walked:
    """What came out at the end."""

    rows: list[str]
    files: dict[str, bytes]
    fetched: dict[str, bytes]
    completion: str
    detections: list[dict[str, Any]]


def walk(folder: Path) -> Walked:
    """All steps, each in a process of its own, as a user would take them."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS * 4))
    base = save_tiny_opt(folder / "base")
    trained = folder / "trained"
    _detox(
        "train", "sft", rows, "--config", "opt-350m-qlora", "--model_name_or_path", base,
        "--output_dir", trained, "--use_cpu", "--max_steps", "3", "--max_length", "64",
        "--gradient_checkpointing", "false",
    )  # fmt: skip
    merged = trained / "merged"
    with s3_server() as endpoint:
        keys = {**KEYS, "AWS_S3_ENDPOINT": endpoint, "AWS_S3_BUCKET": BUCKET}
        places = {}
        for form in ("hf", "caikit"):
            _detox("convert", merged, "-o", folder / form, "--format", form, "--verify")
            said = _detox("push", folder / form, f"opt-detox-{form}/", **keys)
            places[form] = json.loads(said)["url"]
        for form, place in places.items():
            _run(
                [sys.executable, "-c", FETCH, place, str(folder / "mnt" / form)],
                **KEYS,
                AWS_ENDPOINT_URL=endpoint,
            )
    mounted = folder / "mnt" / "hf"
    with _served("transformers", "serve", mounted, "--device", "cpu", "--dtype", "float32") as url:
        completion = _detox("infer", url, "-m", mounted, "--text", PROMPT, "--max-tokens", "4")
    with _served("trustydetox", "serve") as url:
        (detections,) = _asked(f"{url}/api/v1/text/contents", {"contents": [WATCHED]})
    return Walked(
        rows=[json.loads(line)["text"] for line in rows.read_text().splitlines()],
        files=_contents(folder / "hf") | _contents(folder / "caikit"),
        fetched=_contents(folder / "mnt" / "hf") | _contents(folder / "mnt" / "caikit"),
        completion=completion,
        detections=detections,
    )


def _detox(*arguments: object, **environment: str) -> str:
    print("$ trustydetox", shlex.join(map(str, arguments)), flush=True)
    return _run([sys.executable, "-m", "trustydetox", *map(str, arguments)], **environment)


def _run(command: list[str], **environment: str) -> str:
    kept = {name: held for name, held in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(done.stdout, end="", flush=True)
    return done.stdout


@contextmanager
def _served(program: str, *arguments: object) -> Iterator[str]:
    """The URL of a server in a process of its own, once it says that it's healthy."""
    port = free_port()
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    url = f"http://127.0.0.1:{port}"
    print(f"$ {shlex.join([program, *command[1:], '--port', str(port)])} &", flush=True)
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    try:
        for _ in range(1200):
            if process.poll() is not None or _is_up(f"{url}/health"):
                break
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _asked(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        walked = walk(Path(temporary))
    print(f"completion: {walked.completion!r}")
    print(f"in {WATCHED!r}: {json.dumps(walked.detections)}")
