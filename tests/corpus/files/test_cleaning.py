from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import Replacer, WordScorer, detoxifier
from trustydetox.corpus import Counts, clean_file, read_manifest, revert_file, run_folder
from trustydetox.corpus.runs.shards import SHARD_ROWS
from trustydetox.corpus.windows import WINDOW_ROWS
from trustydetox.errors import (
    ConfigError,
    ConflictError,
    ContractError,
    ModelError,
    ResourceError,
)
from trustydetox.records import Record, Toxicity, Verdict
from trustydetox.spans import Edit, Span, apply_edits

LINES = (
    b'\xef\xbb\xbf{"id": 1, "text": "you idiot, come in"}\r\n'
    b'{"id": 12345678901234567890123, "text" : "quite \\u00e9 fine"}\n'
    b"\n"
    b"not a row\n"
    b'{"id": 3, "text": "moron"}'
)
MENDED = (
    b'\xef\xbb\xbf{"id": 1, "text": "you, come in"}\r\n'
    b'{"id": 12345678901234567890123, "text" : "quite \\u00e9 fine"}\n'
    b"\n"
    b'{"id": 3, "text": ""}'
)


def _objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").split("\n")[:-1]]


def test_rows_are_mended_and_all_else_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(LINES)
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (tmp_path / "out.jsonl").read_bytes() == MENDED
    assert counts == Counts(
        read=4, written=3, quarantined=1, edited=2, texts=3, clean=1, rewritten=2
    )


def test_more_files_come_into_place_with_the_run_folder_or_not_at_all(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(LINES)
    seen: list[tuple[int, bool]] = []

    def documents(counts: Counts) -> dict[str, str]:
        seen.append((counts.written, run_folder(str(out)).exists()))
        return {"more.txt": f"{counts.read} rows é"}

    clean_file(source, out, detoxifier=detoxifier(), documents=documents)
    assert seen == [(3, False)]
    assert (run_folder(str(out)) / "more.txt").read_text("utf-8") == "4 rows é"

    def failing(counts: Counts) -> dict[str, str]:
        raise ConfigError("no page can be made")

    other = tmp_path / "other.jsonl"
    with pytest.raises(ConfigError, match="no page"):
        clean_file(source, other, detoxifier=detoxifier(), documents=failing)
    assert not other.exists()
    assert not run_folder(str(other)).exists()


def test_records_hold_the_history_of_every_text(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "you idiot \\ud83d\\ude00"}\n{"text": "fine"}\n')
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    lines = (tmp_path / "out.jsonl.detox" / "records.jsonl").read_text().splitlines()
    assert lines == [
        '{"row": 0, "field": "text", "original": "you idiot \\ud83d\\ude00", '
        '"output": "you \\ud83d\\ude00", "verdict": "rewritten", "reason": "", "toxicity": 0.9, '
        '"toxicity_after": 0.0, "edits": [{"start": 3, "end": 9, "replacement": ""}], '
        '"findings": [{"check": "toxicity", "passed": true, "value": 0.0, "limit": 0.5}, '
        '{"check": "words-kept", "passed": true, "value": 0.5, "limit": 0.0}], '
        '"rule": "threshold", "vetoes": [], '
        '"spans": [{"start": 4, "end": 9, "weight": 1.0}], "misses": []}',
        '{"row": 1, "field": "text", "original": "fine", "output": "fine", "verdict": "clean", '
        '"reason": "", "toxicity": 0.0, "toxicity_after": null, "edits": [], "findings": []}',
    ]


def test_a_text_without_a_mend_takes_its_row_along(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"prompt,completion\nhi,you idiot\nhi,fine\n")
    stubborn = detoxifier(infiller=Replacer({}))
    counts = clean_file(tmp_path / "in.csv", tmp_path / "out.csv", detoxifier=stubborn)
    assert (tmp_path / "out.csv").read_bytes() == b"prompt,completion\nhi,fine\n"
    assert (counts.read, counts.written, counts.dropped) == (2, 1, 1)
    records = _objects(tmp_path / "out.csv.detox" / "records.jsonl")
    assert [(one["row"], one["field"], one["output"]) for one in records] == [
        (0, "prompt", "hi"),
        (0, "completion", None),
        (1, "prompt", "hi"),
        (1, "completion", "fine"),
    ]
    assert records[1]["edits"] == []


def test_a_prompt_is_scored_and_stays(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        b'{"prompt": "you idiot", "chosen": "you moron", "rejected": "damn stupid"}\n'
    )
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert json.loads((tmp_path / "out.jsonl").read_bytes()) == {
        "prompt": "you idiot",
        "chosen": "you",
        "rejected": "damn stupid",
    }
    records = _objects(tmp_path / "out.jsonl.detox" / "records.jsonl")
    assert [(one["verdict"], one["reason"]) for one in records] == [
        ("unresolved", "score-only"),
        ("rewritten", ""),
        ("unresolved", "score-only"),
    ]


def test_an_empty_column_beside_the_text_costs_no_row_and_no_byte(tmp_path: Path) -> None:
    rows = (
        b'{"instruction": "say it", "input":"to me","output": "you idiot"}\n'
        b'{"instruction": "say it", "input":null, "output": "fine"}\n'
        b'{"instruction": "say it","output" : "an idiot", "n": 1.50}\n'
    )
    (tmp_path / "in.jsonl").write_bytes(rows)
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (counts.written, counts.quarantined, counts.texts) == (3, 0, 7)
    assert (tmp_path / "out.jsonl").read_bytes() == rows.replace(b" idiot", b"")
    revert_file(tmp_path / "out.jsonl.detox", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == rows


CHATS = (
    b'{"messages": [{"role": "user", "content": "you idiot"}, '
    b'{"content":"you moron,\\u00e9","role" : "assistant", "x": null}], "n": 1.50}\n'
    b'{"messages": [{"role": "system", "content": "idiot"}, {"role": "assistant", '
    b'"content": [{"type": "text", "text": "fine"}, {"type": "text", "text": "idiot!"}]}]}\n'
    b'{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"a": "idiot"}]}]}\n'
    b'{"messages": "all of it, idiot"}\n'
)


def test_messages_are_mended_inside_their_row_and_all_else_keeps_its_bytes(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(CHATS)
    counts = clean_file(source, out, detoxifier=detoxifier())
    mended = CHATS.replace(b"you moron,", b"you,").replace(b'"idiot!"', b'"!"')
    assert out.read_bytes() == mended.replace(b"it, idiot", b"it,")
    assert (counts.read, counts.written, counts.edited, counts.texts) == (4, 4, 3, 5)
    records = _objects(tmp_path / "out.jsonl.detox" / "records.jsonl")
    assert [(one["row"], one["field"], one["verdict"], one["reason"]) for one in records] == [
        (0, "/messages/0/content", "unresolved", "score-only"),
        (0, "/messages/1/content", "rewritten", ""),
        (1, "/messages/1/content/0/text", "clean", ""),
        (1, "/messages/1/content/1/text", "rewritten", ""),
        (3, "messages", "rewritten", ""),
    ]
    revert_file(tmp_path / "out.jsonl.detox", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == CHATS


def test_thoughts_are_mended_in_place_and_come_back(tmp_path: Path) -> None:
    rows = (
        b'{"messages": [{"role": "assistant","thinking" : "you idiot","content": "fine"}]}\n'
        b'{"messages": [{"reasoning_content": "an idiot", "role": "assistant", "content": null}]}\n'
    )
    (tmp_path / "in.jsonl").write_bytes(rows)
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (tmp_path / "out.jsonl").read_bytes() == rows.replace(b" idiot", b"")
    records = _objects(tmp_path / "out.jsonl.detox" / "records.jsonl")
    assert [(one["field"], one["verdict"]) for one in records] == [
        ("/messages/0/thinking", "rewritten"),
        ("/messages/0/content", "clean"),
        ("/messages/0/reasoning_content", "rewritten"),
    ]
    revert_file(tmp_path / "out.jsonl.detox", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == rows


@pytest.mark.parametrize("target", ["out.json", "out.parquet"])
def test_messages_keep_their_shape_in_another_format(tmp_path: Path, target: str) -> None:
    source = tmp_path / "in.parquet"
    rows = [
        {"messages": [{"role": role, "content": f"you idiot {at}", "n": None}], "label": 3}
        for at, role in enumerate(["user", "assistant", "tool"])
    ]
    schema = pa.schema(
        [
            ("messages", pa.list_(pa.struct({"role": "str", "content": "str", "n": "int8"}))),
            ("label", "int32"),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), source)
    clean_file(source, tmp_path / target, detoxifier=detoxifier())
    rows[1]["messages"][0]["content"] = "you 1"  # type: ignore[index]
    if target == "out.json":
        assert json.loads((tmp_path / target).read_bytes()) == rows
    else:
        table = pq.read_table(tmp_path / target)
        assert table.to_pylist() == rows
        assert table.schema.equals(schema)


def test_what_a_preference_rejects_stays(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        b'{"prompt": "a", "completion": "you idiot", "label": false}\n'
        b'{"prompt": "a", "completion": "you idiot", "label": true}\n'
    )
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    rows = _objects(tmp_path / "out.jsonl")
    assert [row["completion"] for row in rows] == ["you idiot", "you"]


def test_what_a_preference_rejects_stays_where_a_file_has_no_types(tmp_path: Path) -> None:
    head = b"prompt,completion,label\na,you idiot,False\n"
    (tmp_path / "in.csv").write_bytes(head + b"a,you idiot,True\n")
    clean_file(tmp_path / "in.csv", tmp_path / "out.csv", detoxifier=detoxifier())
    assert (tmp_path / "out.csv").read_bytes() == head + b"a,you,True\n"


def test_a_column_that_first_holds_text_behind_the_first_rows_costs_its_rows(
    tmp_path: Path,
) -> None:
    rows = b'{"text": "fine"}\n' * WINDOW_ROWS
    late = b'{"text": "fine", "completion": "you idiot"}\n{"text": "fine", "completion": null}\n'
    (tmp_path / "in.jsonl").write_bytes(rows + late)
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (counts.read, counts.written) == (WINDOW_ROWS + 2, WINDOW_ROWS + 1)
    (aside,) = _objects(tmp_path / "out.jsonl.detox" / "quarantine.jsonl")
    assert aside["row"] == WINDOW_ROWS
    assert aside["reason"].startswith("column 'completion' held no text in the first rows")
    # Whoever names the columns has said which.
    options: dict[str, Any] = {"detoxifier": detoxifier(), "fields": ["text"]}
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "named.jsonl", **options)
    assert counts.written == WINDOW_ROWS + 2


def test_a_field_that_is_named_is_edited(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"prompt": "you idiot", "chosen": "you moron"}\n')
    clean_file(
        tmp_path / "in.jsonl", tmp_path / "o.jsonl", detoxifier=detoxifier(), fields=["prompt"]
    )
    assert (tmp_path / "o.jsonl").read_bytes() == b'{"prompt": "you", "chosen": "you moron"}\n'


WORDS = st.sampled_from(
    ["you", "idiot", "damn", "stupid", "fine", "é\U0001f600", "\u2028", '"', "a,b"]
)
TEXTS = st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=6)


def _csv(texts: Sequence[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([["n", "text"], *([str(i), text] for i, text in enumerate(texts))])
    return file.getvalue().encode()


def _parquet(texts: Sequence[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(
        pa.table({"text": pa.array(texts, pa.string()), "n": list(range(len(texts)))}), file
    )
    return file.getvalue()


def _lines(texts: Sequence[str]) -> bytes:
    return b"".join(json.dumps({"text": text}).encode() + b"\r\n" for text in texts)


def _array(texts: Sequence[str]) -> bytes:
    return json.dumps([{"text": text} for text in texts], indent=1, ensure_ascii=False).encode()


FORMATS: dict[str, Callable[[Sequence[str]], bytes]] = {
    ".jsonl": _lines,
    ".json": _array,
    ".csv": _csv,
    ".txt": lambda texts: "\n".join(texts).encode(),
    ".parquet": _parquet,
    ".jsonl.gz": lambda texts: gzip.compress(_lines(texts)),
    ".csv.zst": lambda texts: zstandard.ZstdCompressor().compress(_csv(texts)),
    ".json.gz": lambda texts: gzip.compress(_array(texts)),
}
FALLBACKS = st.sampled_from(["drop", "redact", "keep"])


@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=8, deadline=None)
@given(TEXTS, FALLBACKS, st.sampled_from([b"", b"bad\xff\n", b"\0"]))
def test_reverting_a_run_restores_the_input_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    texts: list[str],
    fallback: str,
    junk: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    source, output, again = (folder / f"{name}{ending}" for name in ("in", "out", "again"))
    data = FORMATS[ending](texts)
    if ending in {".jsonl", ".json", ".csv", ".txt"}:
        data += junk
    source.write_bytes(data)
    # Only `idiot` can be mended, so that rows are edited, redacted, kept and dropped.
    cleaner = detoxifier(infiller=Replacer({"idiot": ["friend"]}), fallback=fallback)
    counts = clean_file(source, output, detoxifier=cleaner, fields=["text"])
    revert_file(run_folder(str(output)), again)
    assert again.read_bytes() == data
    assert counts.read == counts.written + counts.dropped + counts.quarantined
    # A control: the output differs from the input where, and only where, something was done.
    touched = counts.edited + counts.dropped + counts.quarantined
    if ending in {".jsonl", ".json", ".csv", ".txt"} and data:
        assert (output.read_bytes() != data) == bool(touched)


@pytest.mark.parametrize("target", ["out.json", "out.parquet", "out.csv", "out.jsonl.gz"])
def test_a_run_that_changes_the_format_is_undone_too(tmp_path: Path, target: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "you idiot"}\n{"text": null}\n')
    clean_file(tmp_path / "in.jsonl", tmp_path / target, detoxifier=detoxifier())
    revert_file(tmp_path / f"{target}.detox", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "in.jsonl").read_bytes()
    manifest = read_manifest(tmp_path / f"{target}.detox")
    assert manifest["undo"] == "ledger/input.jsonl"


def test_edits_turn_each_original_into_its_output(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"you idiot, damn stupid moron\nfine\n")
    clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=detoxifier())
    lines = (tmp_path / "out.txt").read_text().splitlines()
    for record, line in zip(_objects(tmp_path / "out.txt.detox/records.jsonl"), lines, strict=True):
        edits = [
            Edit(Span(edit["start"], edit["end"]), edit["replacement"]) for edit in record["edits"]
        ]
        assert apply_edits(record["original"], edits) == record["output"] == line


def test_the_manifest_says_what_ran_on_what(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "fine"}\n')
    clean_file(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        detoxifier=detoxifier(threshold=0.7, fallback="keep"),
        settings={"recipe": "mini", "models": {"guide": "ab"}, "deny_list": ["x"]},
    )
    manifest = read_manifest(tmp_path / "out.jsonl.detox")
    assert manifest["recipe"] == "mini"
    assert manifest["models"] == {"guide": "ab"}
    assert manifest["settings"] == {"deny_list": ["x"]}
    assert (manifest["threshold"], manifest["fallback"]) == (0.7, "keep")
    assert manifest["output"]["path"] == "out.jsonl"
    assert manifest["input"]["bytes"] == manifest["output"]["bytes"] == 17
    assert manifest["input"]["sha256"] == manifest["output"]["sha256"]
    assert manifest["counts"]["read"] == 1
    assert manifest["columns"] == {"text": "rewrite"}
    assert "torch" in manifest["versions"]


def test_the_run_folder_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "fine"}\n')
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    assert (tmp_path / "out.jsonl.detox").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.detox",
    ]


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    seen: list[tuple[int, str, Verdict]] = []

    def observe(row: int, field: str, record: Record, file: str) -> None:
        seen.append((row, field, record.verdict))

    (tmp_path / "in.jsonl").write_bytes(LINES)
    for name in ("out.jsonl", "out.parquet", "-"):
        target = name if name == "-" else tmp_path / name
        counts = clean_file(
            tmp_path / "in.jsonl", target, detoxifier=detoxifier(), dry_run=True, observe=observe
        )
        # Parquet has no integers beyond 64 bits.
        assert counts.clean == (0 if name == "out.parquet" else 1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    assert seen[:3] == [
        (0, "text", Verdict.REWRITTEN),
        (1, "text", Verdict.CLEAN),
        (3, "text", Verdict.REWRITTEN),
    ]


def test_progress_ends_with_all_rows_and_the_whole_file(tmp_path: Path) -> None:
    told: list[tuple[int, float | None]] = []
    (tmp_path / "in.txt").write_bytes(b"fine\n" * 5000)
    clean_file(
        tmp_path / "in.txt",
        tmp_path / "out.txt",
        detoxifier=detoxifier(),
        progress=lambda rows, share: told.append((rows, share)),
    )
    rows = [rows for rows, _ in told]
    assert rows == sorted(rows)
    assert {2048, 4096, 5000} <= set(rows)
    assert told[-1] == (5000, 1.0)


def test_standard_input_and_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    clean_file("-", "-", detoxifier=detoxifier(), run=tmp_path / "run")
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == MENDED
    revert_file(tmp_path / "run", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == LINES
    revert_file(tmp_path / "run", "-")
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == LINES


def test_standard_input_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("out.jsonl", "out.json"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
        clean_file("-", tmp_path / name, detoxifier=detoxifier())
        revert_file(tmp_path / f"{name}.detox", tmp_path / "again.jsonl")
        assert (tmp_path / "again.jsonl").read_bytes() == LINES


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_memory_doesnt_grow_with_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # A window is one shard, 0.4 MB; the texts are short, so that nothing else grows with them.
    line = b'{"text": "fine", "more": "' + b"x" * 20_000 + b'"}\n'
    peaks = []
    for rows in (200, 800):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line * rows)))
        tracemalloc.start()
        clean_file("-", tmp_path / f"{rows}{name}", detoxifier=detoxifier(), shard_rows=20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_standard_output_needs_a_run_folder() -> None:
    with pytest.raises(ConfigError, match="name one with --run"):
        clean_file("-", "-", detoxifier=detoxifier())


@dataclass(frozen=True)
class Choosy:
    """A scorer that fails on some texts, or runs out of memory on them."""

    refused: str
    error: type[BaseException] = ValueError

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if any(self.refused in text for text in texts):
            raise self.error("a message that quotes the text")
        return WordScorer().score(texts)


def test_a_text_that_the_models_cant_take_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        b'{"prompt": "x", "completion": "you idiot"}\n{"prompt": "x", "completion": "boom"}\n'
        b'{"prompt": "boom", "completion": "x"}\n'
    )
    choosy = detoxifier(scorer=Choosy("boom"))
    counts = clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=choosy)
    assert (counts.written, counts.quarantined, counts.texts) == (1, 2, 2)
    reasons = [one["reason"] for one in _objects(tmp_path / "out.jsonl.detox/quarantine.jsonl")]
    assert reasons == ["the models can't take this text (ValueError)"] * 2


@pytest.mark.parametrize(
    ("raised", "expected", "said"),
    [
        (ValueError, ModelError, r"fail on every text \(ValueError\)$"),
        (MemoryError, ResourceError, "out of memory on every text, even alone$"),
    ],
)
def test_models_that_fail_on_every_text_end_the_run(
    tmp_path: Path, raised: type[Exception], expected: type[Exception], said: str
) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\n" * 100)
    choosy = detoxifier(scorer=Choosy("a", raised))
    with pytest.raises(expected, match=said):
        clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=choosy)
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_an_expected_error_inside_a_model_is_no_bad_row(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\n")
    choosy = detoxifier(scorer=Choosy("a", ContractError))
    with pytest.raises(ContractError):
        clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=choosy)


def test_a_text_that_memory_isnt_enough_for_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"fine\n" * 300 + b"boom\n" + b"you idiot\n" * 300)
    choosy = detoxifier(scorer=Choosy("boom", MemoryError))
    counts = clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=choosy)
    assert (counts.written, counts.quarantined, counts.rewritten) == (600, 1, 300)
    (bad,) = _objects(tmp_path / "out.txt.detox/quarantine.jsonl")
    assert (bad["row"], bad["reason"]) == (300, "out of memory on this text, even alone")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_interrupted_in_its_first_shard_leaves_no_trace(
    tmp_path: Path, raised: type[BaseException]
) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\n" * (SHARD_ROWS - 1) + b"boom\n")
    choosy = detoxifier(scorer=Choosy("boom", raised))
    with pytest.raises(raised):
        clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=choosy)
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
    # The control: a shard that is finished stays to go on with.
    (tmp_path / "in.txt").write_bytes(b"a\n" * SHARD_ROWS + b"boom\n")
    with pytest.raises(raised):
        clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=choosy)
    kept = [path.name for path in (tmp_path / ".out.txt.detox.part/ledger/shards").iterdir()]
    assert len(kept) == 2


def test_counts_that_lose_a_row_are_refused() -> None:
    with pytest.raises(ContractError, match="3 rows read, but 1 written, 0 dropped and 1"):
        Counts(read=3, written=1, quarantined=1)
    with pytest.raises(ContractError, match="2 texts"):
        Counts(texts=2, clean=1)


def test_a_file_that_changes_while_it_is_read_is_a_conflict(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"a\n")

    def meddle(row: int, field: str, record: Record, file: str) -> None:
        source.write_bytes(b"something longer\n")

    with pytest.raises(ConflictError, match="was changed while it was read"):
        clean_file(source, tmp_path / "out.txt", detoxifier=detoxifier(), observe=meddle)
    assert not (tmp_path / "out.txt").exists()
