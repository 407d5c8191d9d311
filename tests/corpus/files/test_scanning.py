from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.files.test_cleaning import Choosy
from tests.fakes import detoxifier
from trustydetox.corpus import scan_file
from trustydetox.corpus.runs.recordlines import found_object
from trustydetox.detoxifier import Found
from trustydetox.records import MaskedText, Toxicity
from trustydetox.spans import Span


def test_each_text_gives_its_toxicity_and_where_it_is_toxic_its_spans(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        '{"prompt": "\U0001f600 stupid idiot", "completion": "fine"}\nbad\n'.encode()
    )
    assert list(scan_file(tmp_path / "in.jsonl", detoxifier=detoxifier())) == [
        {
            "row": 0,
            "field": "prompt",
            "toxicity": 1.0,
            "toxic": True,
            "by_label": {"insult": 1.0},
            "spans": [
                {"start": 2, "end": 8, "weight": 0.6667},
                {"start": 9, "end": 14, "weight": 1.0},
            ],
        },
        {
            "row": 0,
            "field": "completion",
            "toxicity": 0.0,
            "toxic": False,
            "by_label": {"insult": 0.0},
            "spans": [],
        },
        {"row": 1, "error": "not JSON: Expecting value (character 0)"},
    ]


def test_a_text_on_the_threshold_is_toxic(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"stupid\n")
    (found,) = scan_file(tmp_path / "in.txt", detoxifier=detoxifier(threshold=0.6))
    assert found["toxic"] is True


def test_toxic_is_decided_before_numbers_are_shortened() -> None:
    found = Found("a", Toxicity(0.49999), None)
    line = found_object(0, "text", found)
    assert (line["toxicity"], line["toxic"]) == (0.5, False)


def test_spans_without_weights_are_all_the_strongest() -> None:
    found = Found("a b", Toxicity(0.9), MaskedText("a b", (Span(0, 1), Span(2, 3))))
    weights = [span["weight"] for span in found_object(0, "text", found)["spans"]]
    assert weights == [1.0, 1.0]


def test_a_text_that_the_models_cant_take_is_an_error_line(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"prompt,completion\nboom,x\nx,y\n")
    found = list(scan_file(tmp_path / "in.csv", detoxifier=detoxifier(scorer=Choosy("boom"))))
    assert found[0] == {"row": 0, "error": "the models can't take this text (ValueError)"}
    assert [one["field"] for one in found[1:]] == ["prompt", "completion"]


def test_a_scan_that_is_left_early_closes_its_file(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\nb\n")
    found = scan_file(tmp_path / "in.txt", detoxifier=detoxifier())
    assert next(found)["row"] == 0
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["in.txt", "in.csv"])
def test_an_empty_file_gives_no_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert list(scan_file(tmp_path / name, detoxifier=detoxifier())) == []
