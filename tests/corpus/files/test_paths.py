from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import trustydetox
from tests.fakes import detoxifier


def test_rows_that_are_left_out_are_a_warning_that_says_where_they_are(tmp_path: Path) -> None:
    path, run = tmp_path / "a.jsonl", tmp_path / "a.clean.jsonl.detox"
    path.write_text('{"text": "fine"}\nno row\n{"text": null}\n')
    for _ in ("at first", "and where all was done before"):
        with pytest.warns(UserWarning, match="left out, 2 of 3") as caught:
            trustydetox.clean(path, recipe=detoxifier())
        (one,) = caught
        assert str(one.message).endswith(f"they lie in {run / 'quarantine.jsonl'}")
        assert one.filename == __file__


def test_what_people_decided_stays_when_the_file_is_cleaned_again(tmp_path: Path) -> None:
    path, run = tmp_path / "a.jsonl", tmp_path / "a.clean.jsonl.detox"
    path.write_text('{"text": "you idiot"}\n')
    out = trustydetox.clean(path, recipe=detoxifier())
    (run / "review.jsonl").write_text('{"decision": "keep"}\n')
    out.unlink()
    trustydetox.clean(path, recipe=detoxifier())
    assert (run / "review.jsonl").read_text() == '{"decision": "keep"}\n'


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
