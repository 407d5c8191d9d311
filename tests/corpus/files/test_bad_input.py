from __future__ import annotations

import gzip
import io
import json
import os
import sys
from base64 import b64decode
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import detoxifier
from trustydetox.corpus import Counts, clean_file, revert_file, scan_file
from trustydetox.errors import ConfigError, DetoxError, InputError, ResourceError

GOOD = b'{"text": "fine"}\n'


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"text": "cut', "not JSON: Unterminated string starting at (character 9)"),
        (b"{text: 1}\n", "not JSON: Expecting property name enclosed in double quotes"),
        (b'{"text": "\xff"}\n', "invalid UTF-8 at byte 10"),
        (b'{"text": "a\0"}\n', "a raw NUL at character 11"),
        (b'{"text": "\\udc00"}\n', "a lone surrogate"),
        (b'{"text": "a", "text": "b"}\n', "key 'text' occurs twice"),
        (b'{"text": NaN}\n', "expected a string or a list of messages in 'text', got a number"),
        (
            b'{"text": -Infinity}\n',
            "expected a string or a list of messages in 'text', got a number",
        ),
        (b'{"text": null}\n', "expected a string or a list of messages in 'text', got null"),
        (b'{"text": 17}\n', "expected a string or a list of messages in 'text', got a number"),
        (
            b'{"text": {"a": "b"}}\n',
            "expected a string or a list of messages in 'text', got an object",
        ),
        (b'{"text": ["a"]}\n', "expected a message at /text/0, got a string"),
        (b'{"txt": "a"}\n', "no column 'text'"),
        (b'{"text": ' + b"[" * 2000 + b"]" * 2000 + b"}\n", "nested deeper than 500 levels"),
        (b'{"text": "' + b"x" * 5000 + b'"}\n', "longer than 4,096 bytes"),
        (b'{"text": "' + b"x" * 700_000 + b'"}\n', "longer than 4,096 bytes"),
    ],
)
def test_a_bad_row_is_set_aside_and_the_rest_is_cleaned(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    data = GOOD * 2 + bad + (GOOD * 2 if bad.endswith(b"\n") else b"")
    (tmp_path / "in.jsonl").write_bytes(data)
    counts = clean_file(
        tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier(), max_row_bytes=4096
    )
    good = data.count(GOOD)
    assert counts == Counts(read=good + 1, written=good, quarantined=1, texts=good, clean=good)
    assert (tmp_path / "out.jsonl").read_bytes() == GOOD * good
    (line,) = (tmp_path / "out.jsonl.detox" / "quarantine.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert list(entry) == ["row", "offset", "reason", "raw"]
    assert (entry["row"], entry["offset"]) == (2, 2 * len(GOOD))
    assert entry["reason"].startswith(reason)
    assert b64decode(entry["raw"]) == bad
    revert_file(tmp_path / "out.jsonl.detox", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == data


def test_a_ragged_record_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,text\r\n1,a\r\n2\r\n3,b,c\r\n4,d\r\n")
    counts = clean_file(tmp_path / "in.csv", tmp_path / "out.csv", detoxifier=detoxifier())
    assert (counts.written, counts.quarantined) == (2, 2)
    assert (tmp_path / "out.csv").read_bytes() == b"id,text\r\n1,a\r\n4,d\r\n"


def test_rows_before_a_cut_of_a_gzip_file_are_cleaned(tmp_path: Path) -> None:
    rows = b"".join(b'{"text": "number %d"}\n' % i for i in range(5000))
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(rows)[:-200])
    counts = clean_file(
        tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz", detoxifier=detoxifier()
    )
    assert counts.quarantined == 1
    assert counts.written > 4000
    written = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes())
    assert rows.startswith(written)
    revert_file(tmp_path / "out.jsonl.gz.detox", tmp_path / "again.gz")
    assert (tmp_path / "again.gz").read_bytes() == (tmp_path / "in.jsonl.gz").read_bytes()


@pytest.mark.parametrize(("target", "quarantined"), [("out.parquet", 1), ("out.jsonl", 2)])
def test_a_parquet_cell_that_python_cant_hold_never_ends_a_run(
    tmp_path: Path, target: str, quarantined: int
) -> None:
    # Of the three rows one has no text and one has a time beyond the year 9999.
    times = pa.array([None, 2**62, None], pa.timestamp("us"))
    table = pa.table({"text": ["you idiot", "fine", None], "when": times})
    pq.write_table(table, tmp_path / "in.parquet")
    counts = clean_file(tmp_path / "in.parquet", tmp_path / target, detoxifier=detoxifier())
    assert (counts.read, counts.quarantined) == (3, quarantined)
    if target == "out.parquet":
        # The time is copied: nobody needs it in Python.
        column = pq.read_table(tmp_path / target).column("when")
        assert column.cast("int64").to_pylist() == [None, 2**62]


def test_bad_parquet_cells_are_set_aside_with_their_values(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None, "b"], "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "in.parquet")
    counts = clean_file(tmp_path / "in.parquet", tmp_path / "out.parquet", detoxifier=detoxifier())
    assert (counts.written, counts.quarantined) == (2, 1)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        {"text": "a", "n": 1},
        {"text": "b", "n": 3},
    ]
    entry = json.loads((tmp_path / "out.parquet.detox/quarantine.jsonl").read_text())
    assert (entry["row"], entry["offset"]) == (1, None)
    assert json.loads(b64decode(entry["raw"])) == {"text": None, "n": 2}


def test_a_file_of_nothing_but_bad_rows_is_cleaned_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"bad\n" * 3000)
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert counts == Counts(read=3000, quarantined=3000)
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_columns_are_chosen_when_the_first_readable_row_comes(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"bad\n" * 3000 + b'{"text": "idiot"}\n')
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (counts.quarantined, counts.rewritten) == (3000, 1)


@pytest.mark.parametrize(
    ("name", "data", "left"),
    [
        ("in.jsonl", b"", b""),
        ("in.json", b"", b"[]\n"),
        ("in.json", b"[]", b"[]"),
        ("in.csv", b"", b""),
        ("in.csv", b"id,text\n", b"id,text\n"),
        ("in.txt", b"", b""),
    ],
)
def test_an_empty_file_gives_a_valid_empty_file(
    tmp_path: Path, name: str, data: bytes, left: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    target = tmp_path / name.replace("in", "out")
    assert clean_file(tmp_path / name, target, detoxifier=detoxifier()) == Counts()
    assert target.read_bytes() == left
    revert_file(f"{target}.detox", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == data


def test_an_empty_file_becomes_an_empty_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"")
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.parquet", detoxifier=detoxifier())
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("name", "data", "fields", "message"),
    [
        ("in.jsonl", GOOD, ["txt"], "no column is called 'txt'; did you mean 'text'?"),
        ("in.csv", b"id,text\n", ["txt"], "no column is called 'txt'; did you mean 'text'?"),
        ("in.jsonl", b'{"a": "x", "b": "y"}\n', [], "columns: 'a', 'b'; name it with --field"),
        ("in.jsonl", b'{"text": null}\n', ["text"], "column 'text' holds no text"),
        ("in.jsonl", gzip.compress(GOOD, mtime=0), [], "holds gzip data, expected text"),
        ("in.json", GOOD, [], "expected a JSON array"),
        ("in.jsonl", b"[" + GOOD + b"]", [], "expected one JSON object per line"),
        ("in.parquet", GOOD, [], "expected a Parquet file"),
        ("in.csv", b"a,a\n1,2\n", [], "the header names 'a' twice"),
    ],
)
def test_a_hopeless_file_is_one_line_and_leaves_no_trace(
    tmp_path: Path, name: str, data: bytes, fields: list[str], message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    target = tmp_path / name.replace("in", "out")
    with pytest.raises(InputError) as caught:
        clean_file(tmp_path / name, target, detoxifier=detoxifier(), fields=fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        scan_file(tmp_path / name, detoxifier=detoxifier(), fields=fields)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_that_isnt_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*nowhere\.jsonl: No such file"):
        clean_file(tmp_path / "nowhere.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())


def test_a_folder_without_rows_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "README.md").write_text("# nothing")
    with pytest.raises(InputError, match=r"holds no file of rows: expected \.jsonl"):
        clean_file(tmp_path / "in", tmp_path / "out", detoxifier=detoxifier())


def test_a_pipe_by_name_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.jsonl")
    # A writer, so that opening the pipe doesn't wait for one.
    writer = os.open(tmp_path / "in.jsonl", os.O_RDWR)
    with pytest.raises(InputError, match="is no regular file"):
        clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    os.close(writer)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("in.jsonl", "output and input are the same file"),
        ("x/../in.jsonl", "output and input are the same file"),
        ("link.jsonl", "output and input are the same file"),
        ("out.doc", "can't tell the format"),
        ("nowhere/out.jsonl", "isn't there"),
        ("folder.jsonl", "it is a folder"),
        ("in.jsonl/out.jsonl", "isn't there"),
    ],
)
def test_an_output_that_cant_be_is_one_line(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "in.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "x").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=message):
        clean_file(tmp_path / "in.jsonl", tmp_path / target, detoxifier=detoxifier())
    assert (tmp_path / "in.jsonl").read_bytes() == GOOD
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_whose_folder_vanishes_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    with pytest.raises(ConfigError, match=r"its folder: it isn't there"):
        clean_file(
            tmp_path / "in.jsonl",
            tmp_path / "nowhere" / "out.jsonl",
            detoxifier=detoxifier(),
            run=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_a_lack_of_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.txt").write_bytes(b"fine\n" * 100_000)
    full = io.TextIOWrapper(io.BufferedWriter(io.FileIO("/dev/full", "w")))
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(ResourceError, match="standard output: No space left on device"):
        clean_file(tmp_path / "in.txt", "-", detoxifier=detoxifier(), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    full.buffer.raw.close()
    full.close()


@pytest.mark.parametrize("run", ["in.jsonl", "out.jsonl", ".", ".."])
def test_a_run_folder_that_would_swallow_a_file_is_refused(tmp_path: Path, run: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    with pytest.raises(ConfigError, match="can't be or hold"):
        clean_file(
            tmp_path / "in.jsonl",
            tmp_path / "out.jsonl",
            detoxifier=detoxifier(),
            run=tmp_path / run,
        )
    assert (tmp_path / "in.jsonl").read_bytes() == GOOD


def test_no_message_quotes_a_text(tmp_path: Path) -> None:
    secret = "confidential"
    rows = [
        f'{{"text": "{secret}',
        f'{{"text": "{secret}\\x"}}',
        f'{{"text": ["{secret}"]}}',
        f'{secret}: "a"',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join([*rows, '{"text": "a"}']))
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    entries = (tmp_path / "out.jsonl.detox" / "quarantine.jsonl").read_text()
    assert entries.count("\n") == 4
    assert secret not in entries


def test_special_tokens_and_markup_are_plain_text(tmp_path: Path) -> None:
    texts = ["[MASK] <mask> </s>", "<|im_end|>", "<script>x</script>", "\x1b[31m", "a\u202eb"]
    data = "".join(json.dumps({"text": f"{text} you idiot"}) + "\n" for text in texts)
    (tmp_path / "in.jsonl").write_text(data)
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    left = [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert left == [f"{text} you" for text in texts]


def test_every_error_is_an_expected_one(tmp_path: Path) -> None:
    with pytest.raises(DetoxError):
        clean_file(tmp_path / "in", tmp_path / "out", detoxifier=detoxifier())
