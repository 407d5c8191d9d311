"""What the pipeline makes of texts, as lines: what workers send and the ledger keeps.

A line holds no text of a row, only what was decided about it; numbers have the significant digits
that files hold, so that nothing downstream depends on the batch a text was in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from trustydetox.corpus.engines.batching import try_all
from trustydetox.detoxifier import DIGITS, Detoxifier
from trustydetox.records import (
    Attempt,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
)
from trustydetox.spans import Edit, Span, apply_edits

SCORE_ONLY = "score-only"
"""Why a toxic text that is only scored is unresolved."""


class Task(NamedTuple):
    """A text, and whether it may be edited or is only scored."""

    text: str
    may_edit: bool


def result_lines(detoxifier: Detoxifier, tasks: Sequence[Task]) -> bytes:
    """One line per task, in order; all of `tasks` is one window of the pipeline."""
    return b"".join(map(result_line, judged(detoxifier, tasks)))


def judged(detoxifier: Detoxifier, tasks: Sequence[Task]) -> list[Record | str]:
    """A record, or a reason to set its row aside, for each task; all are one window."""
    edited = [task.text for task in tasks if task.may_edit]
    scored = [task.text for task in tasks if not task.may_edit]

    def mend(texts: Sequence[str]) -> list[Record]:
        return list(detoxifier.run(texts, batch_size=len(texts)))

    def score(texts: Sequence[str]) -> list[Record]:
        scores = detoxifier.score(texts)
        return [_scored(detoxifier, *pair) for pair in zip(texts, scores, strict=True)]

    mended = iter(try_all(edited, mend))
    kept = iter(try_all(scored, score))
    return [next(mended if task.may_edit else kept) for task in tasks]


def _scored(detoxifier: Detoxifier, text: str, score: Toxicity) -> Record:
    if score.overall < detoxifier.threshold:
        return Record(text, Verdict.CLEAN, text, score)
    return Record(text, Verdict.UNRESOLVED, text, score, reason=SCORE_ONLY)


def result_line(result: Record | str) -> bytes:
    """A record without its text and labels, or the reason to set its row aside."""
    if isinstance(result, str):
        return json.dumps({"error": result}).encode() + b"\n"
    toxicity = _short(result.toxicity.overall)
    if result.verdict is Verdict.CLEAN:
        return f'{{"toxicity": {json.dumps(toxicity)}}}\n'.encode()
    masked, after = result.masked, result.toxicity_after
    content = {
        "toxicity": toxicity,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "dropped": result.output is None,
        "edits": _edits(result.edits),
        "after": None if after is None else _short(after.overall),
        "masked": None if masked is None else [[one.start, one.end] for one in masked.masked],
        "weights": [] if masked is None else [_short(weight) for weight in masked.weights],
        "findings": _findings(result.findings),
        "misses": [
            [_short(one.toxicity.overall), _edits(one.rewrite.edits), _findings(one.findings)]
            for one in result.misses
        ],
    }
    return json.dumps(content).encode() + b"\n"


def read_result(line: bytes, text: str) -> Record | str:
    """What `result_line` wrote about `text`."""
    found = json.loads(line)
    if "error" in found:
        return str(found["error"])
    toxicity = Toxicity(found["toxicity"])
    if "verdict" not in found:
        return Record(text, Verdict.CLEAN, text, toxicity)
    edits = _read_edits(found["edits"])
    masked = None
    if found["masked"] is not None:
        spans = tuple(Span(*span) for span in found["masked"])
        masked = MaskedText(text, spans, tuple(found["weights"]))
    return Record(
        text,
        Verdict(found["verdict"]),
        None if found["dropped"] else apply_edits(text, edits),
        toxicity,
        reason=found["reason"],
        edits=edits,
        masked=masked,
        toxicity_after=None if found["after"] is None else Toxicity(found["after"]),
        findings=_read_findings(found["findings"]),
        misses=tuple(
            Attempt(Rewrite(text, _read_edits(new)), Toxicity(score), _read_findings(findings))
            for score, new, findings in found["misses"]
        ),
    )


def _edits(edits: Sequence[Edit]) -> list[list[int | str]]:
    return [[edit.span.start, edit.span.end, edit.replacement] for edit in edits]


def _read_edits(edits: Iterable[Any]) -> tuple[Edit, ...]:
    return tuple(Edit(Span(start, end), new) for start, end, new in edits)


def _findings(findings: Sequence[Finding]) -> list[list[object]]:
    return [[one.check, bool(one.passed), _short(one.value), _short(one.limit)] for one in findings]


def _read_findings(findings: Iterable[Any]) -> tuple[Finding, ...]:
    return tuple(Finding(*finding) for finding in findings)


def _short(value: float) -> float:
    """With the digits that files hold; what isn't finite stays."""
    return float(f"{value:.{DIGITS}g}")
