from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trustydetox.errors import InputError
from trustydetox.spans import Span
from trustydetox.training.gating import gate_limit
from trustydetox.training.labelled import Layout, read_labelled

LAYOUT = Layout()


def written(folder: Path, rows: list[dict[str, Any]], name: str = "mine.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def numbered(count: int = 400) -> list[dict[str, Any]]:
    return [{"text": f"sentence number {n}", "label": n % 2} for n in range(count)]


def test_every_row_is_in_one_of_three_parts(tmp_path: Path) -> None:
    found = read_labelled([written(tmp_path, numbered())], LAYOUT)
    parts = (found.train, found.calibration, found.held_out)
    texts = [example.text for part in parts for example in part]
    assert sorted(texts) == sorted(row["text"] for row in numbered())
    assert 20 <= len(found.held_out) <= 60
    assert {example.source for example in found.train} == {"mine"}


def test_equal_texts_never_stand_in_two_parts(tmp_path: Path) -> None:
    louder = [{**row, "text": row["text"].upper() + "!"} for row in numbered()]
    rows = [*numbered(), *louder]
    found = read_labelled([written(tmp_path, rows)], LAYOUT)
    assert found.left_out == {"the text was there before": 400}


def test_labels_may_be_shares_votes_or_words_for_numbers(tmp_path: Path) -> None:
    labels: list[Any] = [0.25, [1, 0, 1, 1], "1", True]
    rows = [{"text": f"odd {n}", "label": label} for n, label in enumerate(labels)]
    found = read_labelled([written(tmp_path, [*numbered(), *rows])], LAYOUT)
    odd = {
        e.text: e.toxic for part in (found.train, found.calibration, found.held_out) for e in part
    }
    assert [odd[row["text"]] for row in rows] == [0.25, 0.75, 1.0, 1.0]


def test_spans_and_sources_come_from_their_columns(tmp_path: Path) -> None:
    rows = [row | {"from": "forum", "spans": [[0, 8]]} for row in numbered()]
    layout = Layout(spans="spans", source="from")
    found = read_labelled([written(tmp_path, rows)], layout)
    assert {(e.source, e.spans) for e in found.train} == {("forum", (Span(0, 8),))}


def test_rows_that_teach_nothing_are_counted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": " ", "label": 1}, {"text": "no label", "label": None}]
    path = written(tmp_path, [*numbered(), *rows])
    with Path(path).open("a") as file:
        file.write("{broken\n")
    assert read_labelled([path], LAYOUT).left_out == {
        "there is no text": 1,
        "there is no label": 1,
        "the row can't be read": 1,
    }


@pytest.mark.parametrize(
    ("row", "layout", "message"),
    [
        ({"text": "x"}, LAYOUT, "row 0, has no column 'label'"),
        ({"text": "x", "label": 3}, LAYOUT, "row 0: expected under 'label' 0 or 1.*int 3"),
        ({"text": "x", "label": "rude"}, LAYOUT, "got str$"),
        ({"text": "x", "label": [1, 7]}, LAYOUT, "got list$"),
        ({"text": "x", "label": 1, "s": [[0, 9]]}, Layout(spans="s"), "ends beyond the text"),
        ({"text": "x", "label": 1, "s": [[3, 1]]}, Layout(spans="s"), "no spans under 's'"),
    ],
)
def test_what_is_no_label_is_refused(
    tmp_path: Path, row: dict[str, Any], layout: Layout, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled([written(tmp_path, [row])], layout)


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    rows = [{**row, "label": 1} for row in numbered()]
    with pytest.raises(InputError, match=r"got .* toxic and 0 clean rows in the training part"):
        read_labelled([written(tmp_path, rows)], LAYOUT)


def test_the_limit_of_a_gate_is_a_low_rank_of_the_flagged_scores() -> None:
    scores = [n / 1000 for n in range(399, 0, -1)]  # 0.001 to 0.399
    assert gate_limit(scores) == 0.002  # floor(0.005 * 400) = 2
    assert gate_limit(scores, missed=0.1) == 0.04
    with pytest.raises(InputError, match=r"at least 199 flagged texts.*got 150"):
        gate_limit(scores[:150])
