from __future__ import annotations

from dataclasses import replace

import pytest

from trustydetox.corpus.engines.results import read_result, result_line
from trustydetox.records import Attempt, Finding, MaskedText, Record, Rewrite, Toxicity, Verdict
from trustydetox.spans import Edit, Span

TEXT = "you idiot, go"
IDIOT = Span(4, 9)
EDITS = (Edit(Span(3, 9), ""),)
MISS = Finding("less-toxic", False, 0.75, 0.5)
RECORDS = {
    "clean": Record(TEXT, Verdict.CLEAN, TEXT, Toxicity(0.125)),
    "rewritten": Record(
        TEXT,
        Verdict.REWRITTEN,
        "you, go",
        Toxicity(0.875),
        edits=EDITS,
        masked=MaskedText(TEXT, (IDIOT,), (0.5,)),
        toxicity_after=Toxicity(0.25),
        findings=(replace(MISS, passed=True),),
    ),
    "dropped": Record(
        TEXT,
        Verdict.UNRESOLVED,
        None,
        Toxicity(0.875),
        reason="checks",
        findings=(MISS,),
        misses=(Attempt(Rewrite(TEXT, EDITS), Toxicity(0.75), (MISS,)),),
    ),
    "kept": Record(TEXT, Verdict.UNRESOLVED, TEXT, Toxicity(0.875), reason="no-span"),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    line = result_line(record)
    assert read_result(line, TEXT) == record
    assert b"idiot" not in line


def test_a_reason_to_set_a_row_aside_is_read_as_it_was_written() -> None:
    assert read_result(result_line("out of memory"), TEXT) == "out of memory"


def test_numbers_have_the_digits_that_files_hold() -> None:
    record = replace(RECORDS["clean"], toxicity=Toxicity(0.123456789))
    read = read_result(result_line(record), TEXT)
    assert isinstance(read, Record)
    assert read.toxicity == Toxicity(0.1235)
