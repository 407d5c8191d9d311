from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import detoxifier
from trustydetox.corpus import clean_file, revert_file

BOTH = "Human: an idiot asks.\n\nAssistant:"
MENDED = "Human: an asks.\n\nAssistant:"


def cleaned(place: Path, row: dict[str, Any], **options: Any) -> tuple[dict[str, Any], list[Any]]:
    """The row as it left, and the records of its texts."""
    source, out = place / "in.jsonl", place / "out.jsonl"
    source.write_text(json.dumps(row) + "\n", "utf-8")
    clean_file(source, out, detoxifier=detoxifier(), **options)
    revert_file(place / "out.jsonl.detox", place / "again.jsonl")
    assert (place / "again.jsonl").read_bytes() == source.read_bytes()
    records = (place / "out.jsonl.detox" / "records.jsonl").read_text("utf-8").splitlines()
    return json.loads(out.read_bytes()), [json.loads(line) for line in records]


def test_an_edit_of_what_both_begin_with_is_made_in_both(tmp_path: Path) -> None:
    row = {"chosen": f"{BOTH} yes, idiot", "rejected": f"{BOTH} no, idiot"}
    left, (_, rejected) = cleaned(tmp_path, row)
    assert left == {"chosen": f"{MENDED} yes,", "rejected": f"{MENDED} no, idiot"}
    assert (rejected["verdict"], rejected["reason"]) == ("unresolved", "score-only")
    assert rejected["edits"] == [{"start": 9, "end": 15, "replacement": ""}]


def test_an_edit_in_a_text_that_was_clean_makes_it_a_rewritten_one(tmp_path: Path) -> None:
    # 0.4 alone is clean, with another insult it goes too.
    row = {"chosen": "damn, go home, idiot", "rejected": "damn, go on"}
    left, (_, rejected) = cleaned(tmp_path, row)
    assert left == {"chosen": ", go home,", "rejected": ", go on"}
    assert rejected["verdict"] == "rewritten"


@pytest.mark.parametrize(
    ("row", "options", "rejected"),
    [
        ({"prompt": "a", "chosen": "idiot, yes", "rejected": "idiot, no"}, {}, "idiot, no"),
        # The word on which they part isn't of the prompt.
        ({"chosen": "my idiot", "rejected": "my idiots, idiot"}, {}, "my idiots, idiot"),
        ({"chosen": "my idiot", "rejected": "my idiom"}, {}, "my idiom"),
        (
            {"chosen": "damn moron", "rejected": "damn good"},
            {"fields": ["chosen", "rejected"]},
            "damn good",
        ),
    ],
)
def test_all_else_of_a_rejected_text_stays(
    tmp_path: Path, row: dict[str, Any], options: dict[str, Any], rejected: str
) -> None:
    left, _ = cleaned(tmp_path, row, **options)
    assert left["chosen"] != row["chosen"]
    assert left["rejected"] == rejected
