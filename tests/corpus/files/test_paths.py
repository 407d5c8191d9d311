from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import trustydetox
from tests.fakes import detoxifier


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("a.jsonl", "a.clean.jsonl"), ("a.b.jsonl.gz", "a.b.clean.jsonl.gz"), ("a", "a.clean")],
)
def test_a_path_in_is_a_path_out(tmp_path: Path, name: str, cleaned: str) -> None:
    path = tmp_path / name
    if name == "a":
        path.mkdir()
        (path / "x.jsonl").write_text('{"text": "you idiot"}\n')
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(b'{"text": "you idiot"}\n'))
    else:
        path.write_text('{"text": "you idiot"}\n')
    out = trustydetox.clean(path, recipe=detoxifier())
    assert out == tmp_path / cleaned
    inside = out / "x.jsonl" if name == "a" else out
    data = inside.read_bytes()
    assert (gzip.decompress(data) if name.endswith(".gz") else data) == b'{"text": "you"}\n'
    assert (tmp_path / f"{cleaned}.detox" / "report.html").is_file()
