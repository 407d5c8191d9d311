"""What people decided about the texts of a run: `review.jsonl`, a line per decision.

A line is the record that was looked at, and `decision`, `text`, `reviewer`, `at`. The file of a run
lies in its folder; it holds original texts, as all of the folder does.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from trustydetox.corpus.engines.results import POLICY, SCORE_ONLY
from trustydetox.corpus.runs.folder import REVIEW
from trustydetox.corpus.runs.outputs import plain_errors
from trustydetox.corpus.runs.recordlines import record_line
from trustydetox.errors import InputError
from trustydetox.records import Verdict
from trustydetox.report import Entry, read_entry, read_records

Key = tuple[str, int, str]
"""Where a text stood, as an entry's `key` has it."""


class Choice(StrEnum):
    """What a reviewer may say of a text that wasn't clean."""

    ACCEPT = "accept"  # what was done is right
    REJECT = "reject"  # the rewrite won't do: the recipe's fallback is what is left
    KEEP = "keep"  # nothing is wrong with the original
    EDIT = "edit"  # another text instead


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reviewer said of one text; `text` is theirs where they wrote another."""

    entry: Entry
    choice: Choice
    reviewer: str
    at: str
    text: str | None = None

    @property
    def may_edit(self) -> bool:
        """Whether the text that was looked at might have left otherwise than it came."""
        record = self.entry.record
        was_dropped = record.reason == POLICY and record.output is None
        return record.reason != SCORE_ONLY and not was_dropped

    @property
    def waits(self) -> bool:
        """Whether it says something of an edit that wasn't to be made."""
        return not self.may_edit and self.choice in (Choice.EDIT, Choice.REJECT)

    @property
    def outcome(self) -> tuple[Choice, str | None]:
        """What two decisions of one text must agree on."""
        if self.choice is Choice.ACCEPT:
            return self.choice, self.entry.record.output
        return self.choice, self.text


def review_line(entry: Entry, decision: Decision | None = None) -> str:
    """A line of `review.jsonl`; without a decision, one to be filled in elsewhere."""
    said: dict[str, Any] = {"decision": None, "text": None, "reviewer": None, "at": None}
    if decision is not None:
        said = {
            "decision": decision.choice.value,
            "text": decision.text,
            "reviewer": decision.reviewer,
            "at": decision.at,
        }
    return json.dumps({**json.loads(record_line(*entry)), **said}) + "\n"


def read_decisions(path: Path, *, reviewer: str = "") -> Iterator[Decision]:
    """The decisions in a file, in order; lines that nobody decided are left out.

    reviewer: who decided where a line doesn't say so.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if found["decision"] is None:
                continue
            text = found.get("text")
            decision = Decision(
                read_entry(found),
                Choice(found["decision"]),
                str(found.get("reviewer") or reviewer),
                str(found.get("at") or ""),
                text,
            )
            is_whole = isinstance(text, str) == (decision.choice is Choice.EDIT)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"line {number} of {path} is no decision: expected a record with `decision` "
                f"({'|'.join(Choice)}) and, for edit, `text`"
            ) from error
        if not is_whole or not decision.reviewer:
            lacks = "a reviewer" if is_whole else "`text` for edit, and only for edit"
            raise InputError(f"line {number} of {path}: a decision needs {lacks}")
        if any("\ud800" <= sign <= "\udfff" for sign in text or ""):
            raise InputError(
                f"line {number} of {path}: `text` holds a lone surrogate, which no UTF-8 text can "
                "hold: replace it"
            )
        yield decision


def add_decisions(run: Path, decisions: Iterable[Decision]) -> int:
    """How many decisions were added to a run's file; each is on the disk when the next is taken."""
    path = run / REVIEW
    added = 0
    with plain_errors(str(path)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            for decision in decisions:
                file.write(review_line(decision.entry, decision))
                file.flush()
                os.fsync(file.fileno())
                added += 1
    return added


def latest(decisions: Iterable[Decision]) -> dict[str, dict[Key, Decision]]:
    """Reviewer -> where a text stood -> what they said of it last."""
    found: dict[str, dict[Key, Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.reviewer, {})[decision.entry.key] = decision
    return found


def settled(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Original text -> what was decided of it; nothing where two decisions differ.

    A text that was only scored, or dropped by a policy, has no edit: that this was right in one
    place says nothing of the edit of the same text in another.
    """
    found: dict[str, Decision] = {}
    open_texts: set[str] = set()
    for by_place in latest(decisions).values():
        for decision in by_place.values():
            if decision.choice is Choice.ACCEPT and not decision.may_edit:
                continue
            text = decision.entry.record.original
            known = found.setdefault(text, decision)
            if known.outcome != decision.outcome:
                open_texts.add(text)
    return {text: decision for text, decision in found.items() if text not in open_texts}


def _uncertain(threshold: float) -> Callable[[Entry], float]:
    def nearness(entry: Entry) -> float:
        record = entry.record
        scores = [record.toxicity, *filter(None, [record.toxicity_after])]
        return -min(abs(score.overall - threshold) for score in scores)

    return nearness


def _disagreement(entry: Entry) -> float:
    """How far guide and check are apart about the rewrite."""
    values = {one.check: one.value for one in entry.record.findings}
    if not {"toxicity", "less-toxic"} <= values.keys():
        return -1.0
    return abs(values["toxicity"] - values["less-toxic"])


def _random(seed: int) -> Callable[[Entry], float]:
    def place(entry: Entry) -> float:
        digest = hashlib.sha256(f"{seed}/{entry.key}".encode()).digest()
        return float(int.from_bytes(digest[:8], "big"))

    return place


def _highest(
    entries: Iterable[Entry], most: int | None, rank: Callable[[Entry], float]
) -> list[Entry]:
    if most is None:
        return sorted(entries, key=rank, reverse=True)
    return heapq.nlargest(most, entries, key=rank)


def to_review(
    run: Path,
    *,
    by: str,
    most: int | None,
    seed: int,
    threshold: float,
    decided: Collection[Key] = (),
) -> Iterator[Entry]:
    """The texts of a run that weren't clean.

    by: `order`, `random`, `uncertain` (near the threshold, before or after, first) or
        `disagreement` (guide and check far apart first).
    most: of all but `order` so many are held in memory.
    decided: where the texts stand that are left out: of those drawn at random, which are the same
        for a seed whatever was decided, else before the next are taken.
    """
    toxic = (one for one in read_records(run) if one.record.verdict is not Verdict.CLEAN)
    if by == "random":
        drawn = _highest(toxic, most, _random(seed))
        yield from (one for one in drawn if one.key not in decided)
        return
    entries = (one for one in toxic if one.key not in decided)
    if by == "order":
        for number, entry in enumerate(entries):
            if most is not None and number >= most:
                return
            yield entry
        return
    ranks: Mapping[str, Callable[[Entry], float]] = {
        "uncertain": _uncertain(threshold),
        "disagreement": _disagreement,
    }
    yield from _highest(entries, most, ranks[by])
