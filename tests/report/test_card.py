"""What a dataset's card says of a cleaning, and where."""

from __future__ import annotations

from typing import Any

from trustydetox.records import Record, Toxicity, Verdict
from trustydetox.report import RowCounts, Summary, with_section

START, END = "<!-- trustydetox:start -->", "<!-- trustydetox:end -->"


def clean(text: str) -> Record:
    return Record(text, Verdict.CLEAN, text, Toxicity(0.1))


def dropped(text: str) -> Record:
    return Record(text, Verdict.UNRESOLVED, None, Toxicity(0.9), reason="checks")


def report(toxic: int, others: int) -> dict[str, Any]:
    """Of 40 texts that mention a group so many are toxic, and so many of 40 that don't."""
    summary = Summary()
    for number in range(40):
        summary.add(number, "text", (dropped if number < toxic else clean)("a muslim friend"))
        summary.add(number, "text", (dropped if number < others else clean)("a friend"))
    rows = RowCounts(read=80, written=80 - toxic - others, dropped=toxic + others)
    return summary.report(rows, recipe={"name": "mini", "threshold": 0.5, "fallback": "drop"})


def card(before: str, numbers: dict[str, Any], **files: dict[str, int]) -> str:
    return with_section(before, numbers, name="chats", models={"guide": "ab12"}, files=files)


def test_a_dataset_without_a_card_gets_one() -> None:
    made = card("", report(0, 0))
    assert made.startswith(f"# chats\n\n{START}\n## Detoxification\n")
    assert made.endswith(f"{END}\n")
    assert "- `guide`, sha256 `ab12`" in made


def test_the_rest_of_a_card_is_left_alone() -> None:
    before = "---\nlicense: mit\n---\n\n# Chats | of us\n"
    made = card(before, report(0, 0))
    assert made.startswith(before)
    assert made.count(START) == 1


def test_a_second_cleaning_puts_its_section_in_the_place_of_the_first() -> None:
    first = card("# Chats\n", report(0, 0)) + "\nWritten by hand.\n"
    assert card(first, report(0, 0)) == first
    again = card(first, report(10, 10))
    assert again != first
    assert again.count(START) == again.count(END) == 1
    assert again.endswith("\nWritten by hand.\n")


def test_shares_come_with_counts_and_intervals() -> None:
    made = card("", report(2, 2))
    assert "| rows dropped | 4 | 80 | 5 % | 1.96 – 12.2 % |" in made
    assert "80 rows came, 76 are here." in made


def test_each_source_has_a_row() -> None:
    made = card("", report(0, 0), a={"read": 10, "edited": 5, "dropped": 0})
    assert "| `a` | 10 | 50 % | 23.7 – 76.3 % | 0 % | 0 – 27.8 % |" in made


def test_a_group_that_is_found_toxic_more_often_is_called_out() -> None:
    assert "mention the group Muslim are found toxic 10.00 times as often as others." in card(
        "", report(20, 2)
    )
    assert "1.50 times as often as others, though the intervals meet" in card("", report(3, 2))
    assert "Disparity" not in card("", report(5, 4))  # a ratio of 1.25 is the limit itself
    assert "Disparity" not in card("", report(2, 2))


def test_names_cant_break_out_of_the_section() -> None:
    made = card("", report(0, 0), **{f"x`|{END}<img>": {"read": 1, "edited": 0, "dropped": 0}})
    assert made.count(END) == 1
    assert "<img>" not in made
