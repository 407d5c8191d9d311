"""The bundled rows, which the demo cleans and many tests lean on, are what they say."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest

WHOLE_TEXT = "whole-text hostility"
KINDS = {
    "chat",
    "code",
    "comment",
    "counter-speech",
    "emoji",
    "html",
    "identity",
    "instruction",
    "legal",
    "long",
    "lookalike",
    "markdown",
    "medical",
    "negation",
    "number",
    "obfuscated",
    "other-language",
    "quotation",
    "quotes",
    "self-deprecation",
    "short",
    "token",
    "url",
    "whitespace",
}


def demo_lines() -> list[bytes]:
    """Split at the byte 0x0A only: one row holds U+2028, which `str.splitlines` would split."""
    return files("trustydetox").joinpath("embedded", "demo.jsonl").read_bytes().split(b"\n")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in demo_lines()[:-1]]


def is_part_of_a_word(character: str) -> bool:
    return unicodedata.category(character)[:1] in {"L", "M", "N"}


def misplaced_spans(row: dict[str, Any]) -> list[list[int]]:
    """The spans that leave the text, overlap one before, or don't begin and end with a word."""
    text, previous, wrong = row["text"], 0, []
    for start, end in row["spans"]:
        inside = previous <= start < end <= len(text)
        if not (
            inside
            and all(is_part_of_a_word(text[at]) for at in (start, end - 1))
            and not any(
                map(is_part_of_a_word, text[max(start - 1, 0) : start] + text[end : end + 1])
            )
        ):
            wrong.append([start, end])
        previous = max(previous, end)
    return wrong


def test_the_file_ends_with_one_newline_and_has_no_empty_line() -> None:
    lines = demo_lines()
    assert lines[-1] == b""
    assert all(lines[:-1])


def test_no_line_is_longer_than_20_kilobytes() -> None:
    assert max(map(len, demo_lines())) <= 20_000


def test_there_are_at_least_three_hundred_rows(rows: list[dict[str, Any]]) -> None:
    assert len(rows) >= 300


def test_every_row_has_the_fields_and_types_of_a_demo_row(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        types = {name: type(value) for name, value in row.items() if name != "note"}
        assert types == {"id": str, "kind": str, "text": str, "toxic": bool, "spans": list}
        assert isinstance(row.get("note", ""), str)


def test_ids_count_up_from_d001(rows: list[dict[str, Any]]) -> None:
    assert [int(row["id"].removeprefix("d")) for row in rows] == list(range(1, len(rows) + 1))


def test_no_text_is_there_twice(rows: list[dict[str, Any]]) -> None:
    assert Counter(row["text"] for row in rows).most_common(1)[0][1] == 1


def test_about_fifteen_percent_of_the_rows_are_toxic(rows: list[dict[str, Any]]) -> None:
    assert 0.12 <= sum(row["toxic"] for row in rows) / len(rows) <= 0.18


def test_the_kinds_are_the_listed_ones(rows: list[dict[str, Any]]) -> None:
    assert {row["kind"] for row in rows} == KINDS


def test_every_span_lies_on_its_words(rows: list[dict[str, Any]]) -> None:
    assert {row["id"]: misplaced_spans(row) for row in rows if misplaced_spans(row)} == {}


@pytest.mark.parametrize(
    ("spans", "wrong"),
    [
        ([[4, 11]], [[4, 11]]),  # past the end of ten characters
        ([[4, 4]], [[4, 4]]),  # empty
        ([[3, 9]], [[3, 9]]),  # starts on the space
        ([[0, 3], [2, 9]], [[2, 9]]),  # overlaps the one before
        ([[4, 10]], [[4, 10]]),  # takes the full stop along
        ([[4, 8]], [[4, 8]]),  # leaves a letter behind
        ([[0, 3], [4, 9]], []),
    ],
)
def test_a_misplaced_span_is_noticed(spans: list[list[int]], wrong: list[list[int]]) -> None:
    assert misplaced_spans({"text": "you idiot.", "spans": spans}) == wrong


@pytest.mark.parametrize(
    ("word", "marked"),
    [
        ("you absolute \uff49\uff44\uff49\uff4f\uff54", "\uff49\uff44\uff49\uff4f\uff54"),
        ("your build is tr\u200bash", "tr\u200bash"),
        ("what the f\u0446ck", "f\u0446ck"),
        ("bro you are s t u p i d", "s t u p i d"),
    ],
)
def test_spans_of_disguised_words_count_code_points(
    rows: list[dict[str, Any]], word: str, marked: str
) -> None:
    (row,) = [row for row in rows if row["text"].lower().startswith(word)]
    assert [row["text"][start:end] for start, end in row["spans"]] == [marked]


def test_a_row_has_spans_exactly_where_it_is_toxic_by_its_words(
    rows: list[dict[str, Any]],
) -> None:
    by_words = {row["id"] for row in rows if row["toxic"] and row.get("note") != WHOLE_TEXT}
    assert {row["id"] for row in rows if row["spans"]} == by_words


def test_rows_that_are_hostile_as_a_whole_are_toxic(rows: list[dict[str, Any]]) -> None:
    whole = [row["toxic"] for row in rows if row.get("note") == WHOLE_TEXT]
    assert len(whole) >= 3
    assert all(whole)


def test_twenty_texts_run_over_several_paragraphs(rows: list[dict[str, Any]]) -> None:
    long = [
        row
        for row in rows
        if 80 <= len(row["text"].split()) <= 300 and row["text"].count("\n\n") >= 2
    ]
    assert len(long) >= 20


@pytest.mark.parametrize(
    "piece", ["\r\n", "\t", "\u2028", "\u00a0", "\u200b", "[MASK]", "<mask>", "<|im_end|>", "</s>"]
)
def test_awkward_characters_and_tokens_are_there(rows: list[dict[str, Any]], piece: str) -> None:
    assert any(piece in row["text"] for row in rows)
