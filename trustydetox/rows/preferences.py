"""Preferences of two texts without a prompt, which is then what both begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trustydetox.records import Record, Verdict
from trustydetox.roles import Action, Passage
from trustydetox.rows.columns import PREFERENCE
from trustydetox.spans import apply_edits


def with_one_prompt(
    row: Mapping[str, Any], passages: Sequence[Passage], records: Sequence[Record]
) -> Sequence[Record]:
    """The records of a row, with the edits of what both texts begin with made in both.

    Else the texts would differ from the first edit on, and TRL's `extract_prompt` would take the
    rest of the prompt for what one is preferred for. What follows of the rejected text stays.
    """
    places = {one.path: at for at, one in enumerate(passages) if one.path in PREFERENCE}
    if len(places) < len(PREFERENCE) or row.get("prompt") is not None:
        return records
    chosen, rejected = (records[places[name]] for name in PREFERENCE)
    at = places[PREFERENCE[1]]
    if passages[at].action is not Action.FLAG:
        return records
    pairs = enumerate(zip(chosen.original, rejected.original, strict=False))
    shorter = min(len(chosen.original), len(rejected.original))
    shared = next((end for end, (one, other) in pairs if one != other), shorter)
    # Where an edit ends as the texts part, its word may go on in one of them.
    edits = tuple(edit for edit in chosen.edits if edit.span.end < shared)
    if not edits:
        return records
    mended = replace(
        rejected,
        verdict=Verdict.REWRITTEN if rejected.verdict is Verdict.CLEAN else rejected.verdict,
        output=apply_edits(rejected.original, edits),
        edits=edits,
    )
    return [*records[:at], mended, *records[at + 1 :]]
