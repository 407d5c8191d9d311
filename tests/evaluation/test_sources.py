from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trustydetox.errors import ConfigError, InputError
from trustydetox.spans import Span
from trustydetox.training.sources import (
    NAMES,
    Source,
    is_dev,
    lexicon,
    load,
    normalise,
    sentences,
)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_the_normal_form_keeps_letters_and_digits_only() -> None:
    assert normalise("  It&#39;s 5 o'clock,\n FINE! ") == "it s 5 o clock fine"
    assert normalise("ｆｕｌｌ widt½") == "full widt1 2"
    assert normalise("…") == ""


# The last decimal digit of `printf 'devrow 1' | b2sum -l 64` and so on, worked out by bc.
@pytest.mark.parametrize(
    ("text", "dev"),
    [("Row 1", True), ("row  14!", True), ("row 0", False), ("row 9", False), ("row 20", False)],
)
def test_a_tenth_of_rows_is_dev_by_a_hash_of_the_normal_form(text: str, dev: bool) -> None:
    assert is_dev(text) is dev


def test_the_hash_sees_the_normal_form_only() -> None:
    assert all(is_dev(f"Row, {k}!") == is_dev(f"row {k}") for k in range(200))


def test_about_a_tenth_is_dev() -> None:
    # 2,000 rows of chance 0.1: 200, and four standard deviations are 54.
    assert abs(sum(is_dev(f"row {k}") for k in range(2000)) - 200) < 54


def test_train_and_dev_of_a_split_file_are_disjoint_and_all(tmp_path: Path) -> None:
    texts = [f"row {k}" for k in range(60)]
    write(
        tmp_path / "davidson" / "train.parquet",
        [{"text": t, "label": i % 2} for i, t in enumerate(texts)],
    )
    train, dev = (load(tmp_path, "davidson", part) for part in ("train", "dev"))
    assert set(train.texts).isdisjoint(dev.texts)
    assert load(tmp_path, "davidson", "all").texts == tuple(texts)
    assert len(train) + len(dev) == 60
    assert all(is_dev(text) for text in dev.texts)
    assert len(dev) > 0
    assert dev.labels == tuple(texts.index(text) % 2 for text in dev.texts)


def test_a_file_that_may_train_is_never_measured(tmp_path: Path) -> None:
    write(
        tmp_path / "edos" / "train.parquet", [{"text": f"row {k}", "label": 0} for k in range(40)]
    )
    write(tmp_path / "edos" / "dev.parquet", [{"text": "other", "label": 1}])
    assert len(load(tmp_path, "edos", "train")) == 40
    assert load(tmp_path, "edos", "dev").texts == ("other",)
    assert load(tmp_path, "edos", "dev").labels == (1,)


def test_a_pair_gives_a_toxic_text_and_its_clean_rewrites(tmp_path: Path) -> None:
    row = {"id": 7, "toxic": "you idiot, go", "neutral": ["please go", "go now"]}
    write(tmp_path / "paradetox" / "dev.parquet", [row])
    source = load(tmp_path, "paradetox", "dev")
    assert source.texts == ("you idiot, go", "please go", "go now")
    assert source.labels == (1, 0, 0)
    assert source.columns["id"] == (7, 7, 7)


def test_a_rationale_of_tokens_becomes_characters(tmp_path: Path) -> None:
    row = {
        "text": "what a stupid old fool he is",
        "tokens": ["what", "a", "stupid", "old", "fool", "he", "is"],
        "rationale_majority": [0, 0, 1, 0, 1, 0, 0],
        "majority": "offensive",
    }
    calm = {**row, "majority": "normal", "rationale_majority": [0] * 7}
    write(tmp_path / "hatexplain" / "val.parquet", [row, calm])
    source = load(tmp_path, "hatexplain", "dev")
    assert source.spans == ((Span(7, 13), Span(18, 22)), ())
    assert [span.of(source.texts[0]) for span in source.spans[0]] == ["stupid", "fool"]
    assert source.labels == (1, 0)


def test_half_an_offence_is_one(tmp_path: Path) -> None:
    rows = [{"text": "row 1", "offensiveYN": 0.5}, {"text": "row 2", "offensiveYN": 0.49}]
    write(tmp_path / "sbic" / "dev.parquet", rows)
    assert load(tmp_path, "sbic", "all").labels == (1, 0)


def test_a_book_is_dealt_whole_and_then_cut_into_sentences(tmp_path: Path) -> None:
    rows = [{"text": f"Chapter {k}. It rained.", "book": "b", "part": f"{k}"} for k in range(30)]
    write(tmp_path / "lm_standard_ebooks" / "all.parquet", rows)
    dev = load(tmp_path, "lm_standard_ebooks", "dev")
    books = [row for row in rows if is_dev(row["text"])]
    assert dev.texts == tuple(
        piece for row in books for piece in (f"Chapter {row['part']}.", "It rained.")
    )
    assert len(books) > 0


def test_sentences_end_where_a_capital_follows() -> None:
    assert sentences('He left. "Why?" she asked. Nobody knew, e.g. me.\n\nNew line') == [
        "He left.",
        '"Why?" she asked.',
        "Nobody knew, e.g. me.",
        "New line",
    ]


def test_the_lexicon_is_lower_case_and_of_both_files(tmp_path: Path) -> None:
    write(tmp_path / "lexicons" / "ldnoobw_en.parquet", [{"term": "Damn"}])
    write(tmp_path / "lexicons" / "surge_profanity_en.parquet", [{"text": "crap"}])
    assert lexicon(tmp_path) == {"damn", "crap"}


def test_a_row_without_text_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "bold" / "all.parquet", [{"text": None}, {"text": ""}, {"text": "row"}])
    assert load(tmp_path, "bold", "all").texts == ("row",)


def test_seen_rows_are_left_out_by_their_normal_form() -> None:
    source = Source("own", ("One!", "Two."), (0, 1), ((), (Span(0, 1),)), {"n": (1, 2)})
    kept = source.without({"one"})
    assert kept == Source("own", ("Two.",), (1,), ((Span(0, 1),),), {"n": (2,)})


def test_a_sample_is_the_same_again_and_in_order() -> None:
    source = Source("own", tuple(f"{k:03}" for k in range(100)), (0,) * 100)
    sample = source.sample(10)
    assert len(sample) == 10
    assert sample == source.sample(10)
    assert list(sample.texts) == sorted(sample.texts)
    assert sample != source.sample(10, seed=1)
    assert source.sample(100) is source


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        Source("own", ("a", "b"), (1,))


def test_an_unknown_source_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'edos'"):
        load(tmp_path, "edo", "dev")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        load(tmp_path, name, "all")
