from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import detoxifier
from trustydetox.errors import ContractError
from trustydetox.evaluation.contract import EditCounts, check_edits
from trustydetox.records import Record
from trustydetox.spans import Edit, Span

TEXTS = ["you idiot, come here", "a fine day", "moron"]


def records(**settings: object) -> list[Record]:
    return list(detoxifier(**settings).run(TEXTS))  # type: ignore[arg-type]


def broken(record: Record, **changes: object) -> Record:
    """A record that its own checks would have refused."""
    copy = replace(record)
    for name, value in changes.items():
        object.__setattr__(copy, name, value)
    return copy


def test_records_that_keep_the_promise_are_counted() -> None:
    counts = check_edits("own", TEXTS, records())
    assert (counts.records, counts.clean) == (3, 1)
    assert counts == EditCounts(
        "own", 3, 1, counts.rewritten, counts.unresolved, counts.dropped, counts.edits
    )
    assert counts.rewritten + counts.unresolved == 2
    assert counts.edits >= 1


def test_an_output_that_the_edits_don_t_give_is_caught() -> None:
    first, *rest = records()
    with pytest.raises(ContractError, match="own, row 0: the edits don't give the output"):
        check_edits("own", TEXTS, [broken(first, output="something else"), *rest])


def test_edits_of_another_place_are_caught() -> None:
    first, *rest = records()
    moved = tuple(
        Edit(Span(edit.span.start + 1, edit.span.end + 1), edit.replacement) for edit in first.edits
    )
    with pytest.raises(ContractError, match="row 0"):
        check_edits("own", TEXTS, [broken(first, edits=moved), *rest])


def test_a_changed_clean_text_is_caught() -> None:
    first, clean, last = records()
    edit = Edit(Span(0, 1), "the")
    changed = broken(clean, edits=(edit,), output="the fine day")
    with pytest.raises(ContractError, match="row 1: a clean text was changed"):
        check_edits("own", TEXTS, [first, changed, last])


def test_a_record_of_another_text_is_caught() -> None:
    first, clean, last = records()
    with pytest.raises(ContractError, match="row 1: the record is about another text"):
        check_edits("own", TEXTS, [first, last, clean])


def test_a_lost_record_is_caught() -> None:
    with pytest.raises(ContractError, match="2 records for 3 texts"):
        check_edits("own", TEXTS, records()[:2])
