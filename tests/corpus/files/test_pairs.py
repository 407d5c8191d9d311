from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import Replacer, detoxifier
from trustydetox.corpus import PairCounts, clean_dataset, clean_file, make_pairs
from trustydetox.corpus.files.pairs import pairs_of
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.records import Record, Toxicity, Verdict
from trustydetox.report import Entry
from trustydetox.roles import Action
from trustydetox.spans import Edit, Span

PICKY = detoxifier(infiller=Replacer({"idiot": ["person"]}))


def pairs_in(
    place: Path, rows: Sequence[Mapping[str, Any]], **options: Any
) -> tuple[list[Any], PairCounts]:
    """The pairs of a run over some rows, which mends "idiot" and nothing else."""
    (place / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clean_file(place / "in.jsonl", place / "out.jsonl", **{"detoxifier": PICKY, **options})
    counts = make_pairs(place / "out.jsonl.detox", place / "pairs.jsonl")
    lines = (place / "pairs.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines], counts


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_a_plain_text_shares_its_beginning(tmp_path: Path) -> None:
    rows = [{"text": "you idiot, come in"}, {"text": "fine"}, {"text": "idiot é"}]
    pairs, counts = pairs_in(tmp_path, rows)
    assert pairs == [
        {"prompt": "you", "chosen": " person, come in", "rejected": " idiot, come in"},
        {"prompt": "", "chosen": "person é", "rejected": "idiot é"},
    ]
    assert counts == PairCounts(2, {})


def test_a_completion_answers_its_prompt(tmp_path: Path) -> None:
    pairs, _ = pairs_in(tmp_path, [{"prompt": "you idiot:", "completion": " an idiot"}])
    assert pairs == [{"prompt": "you idiot:", "chosen": " an person", "rejected": " an idiot"}]


def test_a_response_answers_its_prompt_as_a_completion_does(tmp_path: Path) -> None:
    pairs, _ = pairs_in(tmp_path, [{"prompt": "hi:", "response": " an idiot"}])
    assert pairs == [{"prompt": "hi:", "chosen": " an person", "rejected": " an idiot"}]


def test_what_was_preferred_is_rejected_for_its_mend(tmp_path: Path) -> None:
    row = {"prompt": [said("user", "hi")], "chosen": [said("assistant", "idiot")]}
    row["rejected"] = [said("assistant", "worse, idiot")]
    pairs, _ = pairs_in(tmp_path, [row])
    assert pairs == [
        {
            "prompt": [said("user", "hi")],
            "chosen": [said("assistant", "person")],
            "rejected": [said("assistant", "idiot")],
        }
    ]


def test_alpaca_rows_ask_with_instruction_and_input(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Say it.", "input": "x", "output": "idiot"},
        {"instruction": "Say it.", "input": "", "output": "idiot"},
    ]
    pairs, _ = pairs_in(tmp_path, rows)
    assert [pair["prompt"] for pair in pairs] == ["Say it.\n\nx\n\n", "Say it.\n\n"]


def test_each_mended_message_is_a_pair_after_what_was_said_before_it(tmp_path: Path) -> None:
    chat = [
        said("system", "Be kind."),
        said("user", "you idiot"),
        said("assistant", "an idiot, you"),
        said("user", "why"),
        said("assistant", "idiot"),
    ]
    pairs, counts = pairs_in(tmp_path, [{"messages": chat, "n": 1}])
    first = said("assistant", "an person, you")
    assert pairs == [
        {"prompt": chat[:2], "chosen": [first], "rejected": [chat[2]]},
        {
            "prompt": [*chat[:2], first, chat[3]],
            "chosen": [said("assistant", "person")],
            "rejected": [chat[4]],
        },
    ]
    assert counts.written == 2


def test_messages_of_parts_and_tools_stay_what_they_are(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "idiot"}, {"type": "text", "text": "an idiot"}]
    row = {"messages": [said("user", "hi"), said("assistant", parts)], "tools": [{"name": "f"}]}
    [pair], _ = pairs_in(tmp_path, [row])
    assert [part["text"] for part in pair["chosen"][0]["content"]] == ["person", "an person"]
    assert pair["rejected"] == [said("assistant", parts)]
    assert pair["tools"] == [{"name": "f"}]


@pytest.mark.parametrize(("who", "what"), [("from", "value"), ("role", "value"), ("role", "text")])
def test_sharegpt_and_its_like_become_role_and_content(tmp_path: Path, who: str, what: str) -> None:
    chat = [{who: "human", what: "hi"}, {who: "gpt", what: "idiot"}]
    [pair], _ = pairs_in(tmp_path, [{"conversations": chat}])
    assert pair == {
        "prompt": [said("user", "hi")],
        "chosen": [said("assistant", "person")],
        "rejected": [said("assistant", "idiot")],
    }


@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("from", "value")])
def test_thoughts_are_part_of_the_answer(tmp_path: Path, who: str, what: str) -> None:
    answer = {who: "assistant", "thinking": "idiot", what: "hello"}
    [pair], _ = pairs_in(tmp_path, [{"messages": [{who: "user", what: "hi"}, answer]}])
    assert pair["chosen"] == [{**said("assistant", "hello"), "thinking": "person"}]
    assert pair["rejected"] == [{**said("assistant", "hello"), "thinking": "idiot"}]


@pytest.mark.parametrize(
    ("row", "options", "reason"),
    [
        ({"messages": [said("assistant", "idiot")]}, {}, "nothing is said before it"),
        (
            {"messages": [said("user", "idiot"), said("assistant", "fine")]},
            {"roles": {"user": Action.REWRITE}},
            "the assistant doesn't say it",
        ),
        (
            {
                "messages": [
                    said("user", "a"),
                    said("assistant", "idiot"),
                    said("assistant", "moron"),
                ]
            },
            {},
            "its row was dropped",
        ),
        ({"text": "idiot"}, {"detoxifier": detoxifier()}, "nothing is left of it"),
        ({"prompt": "idiot", "completion": "x"}, {"fields": ["prompt"]}, "it is a prompt"),
        (
            {"prompt": [said("user", "a")], "completion": "idiot"},
            {},
            "its prompt is a conversation",
        ),
        (
            {"prompt": "a", "completion": [said("assistant", "idiot")]},
            {},
            "its prompt is no conversation",
        ),
    ],
)
def test_a_text_that_makes_no_pair_is_counted_with_its_reason(
    tmp_path: Path, row: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    assert pairs_in(tmp_path, [row], **options) == ([], PairCounts(0, {reason: 1}))


def test_what_was_redacted_or_only_scored_is_nobodys_choice(tmp_path: Path) -> None:
    stuck = detoxifier(infiller=Replacer({}), fallback="redact")
    rows = [{"prompt": "you idiot", "completion": "moron"}]
    assert pairs_in(tmp_path, rows, detoxifier=stuck) == ([], PairCounts(0, {}))
    assert json.loads((tmp_path / "out.jsonl").read_text())["completion"] == "[removed]"


def test_pairs_are_all_of_the_first_ones_kind(tmp_path: Path) -> None:
    chat = [said("user", "a"), said("assistant", "idiot")]
    rows: list[dict[str, Any]] = [{"text": "idiot"}, {"text": chat}]
    pairs, counts = pairs_in(tmp_path, rows)
    assert len(pairs) == 1
    assert counts.left_out == {"not of the kind of the first pair": 1}


def test_rows_that_were_bad_or_dropped_do_not_shift_the_others(tmp_path: Path) -> None:
    texts = [None, "moron", "an idiot", "x"]
    pairs, _ = pairs_in(tmp_path, [{"text": text} for text in texts])
    assert [pair["rejected"] for pair in pairs] == [" idiot"]


@pytest.mark.parametrize("name", ["in.csv", "in.json", "in.parquet", "in.jsonl.gz"])
def test_any_format_of_a_run_gives_the_same_pairs(tmp_path: Path, name: str) -> None:
    rows = [{"text": "you idiot"}, {"text": "fine"}]
    given_ = Dataset.from_list(rows)
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
    elif name.endswith("json"):
        path.write_text(json.dumps(rows))
    elif name.endswith("csv"):
        path.write_text("text\nyou idiot\nfine\n")
    else:
        given_.to_parquet(path)
    clean_file(path, tmp_path / f"out.{name}", detoxifier=PICKY)
    make_pairs(tmp_path / f"out.{name}.detox", tmp_path / "pairs.jsonl")
    assert (tmp_path / "pairs.jsonl").read_text() == (
        '{"prompt": "you", "chosen": " person", "rejected": " idiot"}\n'
    )


def test_pairs_come_out_of_the_run_of_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    chat = [said("user", "hi"), said("assistant", "idiot") | {"tool_calls": [{"id": 1}]}]
    mixed = Dataset.from_list([{"messages": chat}], on_mixed_types="use_json")
    clean_dataset(mixed, recipe=PICKY, run=tmp_path / "run")
    make_pairs(tmp_path / "run", tmp_path / "pairs.jsonl.gz")
    [line] = gzip.decompress((tmp_path / "pairs.jsonl.gz").read_bytes()).splitlines()
    assert json.loads(line)["rejected"] == chat[1:]


@pytest.mark.parametrize("name", ["pairs.csv", "out.jsonl", "out.jsonl.detox/pairs.jsonl"])
def test_a_place_that_pairs_do_not_belong_in_is_refused(tmp_path: Path, name: str) -> None:
    pairs_in(tmp_path, [{"text": "idiot x"}])
    before = (tmp_path / "out.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=r"ends in \.jsonl|belongs to the run"):
        make_pairs(tmp_path / "out.jsonl.detox", tmp_path / name)
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_an_output_that_was_changed_gives_no_pairs(tmp_path: Path) -> None:
    pairs_in(tmp_path, [{"text": "idiot x"}])
    (tmp_path / "pairs.jsonl").unlink()
    (tmp_path / "out.jsonl").write_text('{"text": "idiot y"}\n')
    with pytest.raises(ConflictError, match="was changed since the run"):
        make_pairs(tmp_path / "out.jsonl.detox", tmp_path / "pairs.jsonl")
    assert not (tmp_path / "pairs.jsonl").exists()


def test_records_of_other_rows_give_no_pairs(tmp_path: Path) -> None:
    pairs_in(tmp_path, [{"text": "idiot x"}])
    records = tmp_path / "out.jsonl.detox" / "records.jsonl"
    records.write_text(records.read_text().replace('"row": 0', '"row": 7'))
    with pytest.raises(ConflictError, match="of other rows than its input"):
        make_pairs(tmp_path / "out.jsonl.detox", tmp_path / "more.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.detox",
        "pairs.jsonl",
    ]


def test_a_folder_that_is_no_run_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run folder"):
        make_pairs(tmp_path, tmp_path / "pairs.jsonl")


WORDS = st.lists(st.sampled_from("a ab b é . , you you're".split()), max_size=5).map(" ".join)


@given(before=WORDS, middle=WORDS, instead=WORDS, after=WORDS)
def test_prompt_and_answer_together_are_the_text(
    before: str, middle: str, instead: str, after: str
) -> None:
    original, text = f"{before}{middle}{after}", f"{before}{instead}{after}"
    if not middle or original == text:
        return
    edit = Edit(Span(len(before), len(before) + len(middle)), instead)
    record = Record(original, Verdict.REWRITTEN, text, Toxicity(0.9), edits=(edit,))
    [pair] = pairs_of({"text": original}, [Entry(0, "text", record)])
    if isinstance(pair, str):
        assert not text.strip()
        return
    assert pair["prompt"] + pair["chosen"] == text
    assert pair["prompt"] + pair["rejected"] == original
    assert pair["chosen"].strip()
    assert pair["rejected"].strip()
    assert not pair["prompt"].endswith(" ")
