"""What people decided stands: an engine in front of another that asks it only for the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trustydetox.corpus.engines.engine import Engine
from trustydetox.corpus.engines.results import Task, result_line
from trustydetox.corpus.pacing import Told, unheard
from trustydetox.corpus.reviews.decisions import Choice, Decision
from trustydetox.records import Finding, Record, Verdict
from trustydetox.spans import Edit, Span, apply_edits, edits_between

REVIEWED = "review"
"""The check that a person made, and why a text is unresolved whose rewrite a person refused."""


class Decided:
    """Answers for texts that were decided, and leaves all others to the engine.

    Of a text that may not be edited only that it is kept is heard: what was made of an answer
    must not mend the same words where a preference rejects them.

    decisions: original text -> what was decided of it.
    redaction: what the recipe puts in place of redacted spans.
    """

    def __init__(self, engine: Engine, decisions: Mapping[str, Decision], redaction: str) -> None:
        self.threshold, self.fallback, self.ahead = engine.threshold, engine.fallback, engine.ahead
        self._engine = engine
        self._decisions = decisions
        self._redaction = redaction
        self._submitted: deque[Sequence[Decision | None]] = deque()

    def submit(self, tasks: Sequence[Task], /) -> None:
        """Take a batch on."""
        found = [self._of(task) for task in tasks]
        self._submitted.append(found)
        self._engine.submit([task for task, one in zip(tasks, found, strict=True) if one is None])

    def take(self, told: Told = unheard, /) -> bytes:
        """The results of the oldest batch."""
        answers = iter(self._engine.take(told).splitlines(keepends=True))
        return b"".join(
            next(answers) if one is None else result_line(self._record(one))
            for one in self._submitted.popleft()
        )

    def _of(self, task: Task) -> Decision | None:
        decision = self._decisions.get(task.text)
        is_heard = task.may_edit or (decision is not None and decision.choice is Choice.KEEP)
        return decision if is_heard else None

    def _record(self, decision: Decision) -> Record:
        was = decision.entry.record
        text = was.original
        # What was measured of another outcome says nothing about this one.
        bare = Record(text, Verdict.CLEAN, text, was.toxicity)
        reviewed = (Finding(REVIEWED, True, 1.0, 1.0),)
        if decision.choice is Choice.ACCEPT:
            return replace(was, findings=was.findings + reviewed)
        if decision.choice is Choice.KEEP or decision.text == text:
            return bare
        if decision.text is not None:
            return replace(
                bare,
                verdict=Verdict.REWRITTEN,
                output=decision.text,
                edits=edits_between(text, decision.text),
                masked=was.masked,
                findings=reviewed,
                rule=was.rule,
            )
        edits = self._redacted(was) if self.fallback == "redact" else ()
        return replace(
            bare,
            verdict=Verdict.UNRESOLVED,
            output=None if self.fallback == "drop" else apply_edits(text, edits),
            reason=REVIEWED,
            edits=edits,
            masked=was.masked,
            findings=(Finding(REVIEWED, False, 0.0, 1.0),),
            rule=was.rule,
        )

    def _redacted(self, was: Record) -> tuple[Edit, ...]:
        masked = was.masked.masked if was.masked is not None else ()
        spans = masked or (Span(0, len(was.original)),)
        return tuple(Edit(span, self._redaction) for span in spans)
