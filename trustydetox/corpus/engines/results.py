"""What the pipeline makes of texts, as lines: what workers send and the ledger keeps.

A line holds no text of a row, only what was decided about it; numbers have the significant digits
that files hold, so that nothing downstream depends on the batch a text was in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
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
    Veto,
)
from trustydetox.roles import Action, Passage
from trustydetox.spans import Edit, Span, apply_edits

SCORE_ONLY = "score-only"
"""Why a toxic text that is only scored is unresolved."""


POLICY = "policy"
"""Why a toxic text is unresolved that was never to be mended, but redacted or dropped."""


class Task(NamedTuple):
    """A text, what becomes of it if it is toxic, and what decides that it is.

    threshold: None for the pipeline's.
    role: whose words it is, where the policy has a rule for them; it goes into the record's rule.
    """

    text: str
    action: Action = Action.REWRITE
    threshold: float | None = None
    role: str = ""

    @property
    def may_edit(self) -> bool:
        """Whether the text may leave otherwise than it came."""
        return self.action in (Action.REWRITE, Action.REDACT)


def task_of(passage: Passage) -> Task:
    """What there is to do about a passage."""
    has_rule = passage.threshold is not None or passage.action is not Action.REWRITE
    role = passage.role if has_rule else ""
    return Task(passage.text, passage.action, passage.threshold, role)


def result_lines(detoxifier: Detoxifier, tasks: Sequence[Task]) -> bytes:
    """One line per task, in order; all of `tasks` is one window of the pipeline."""
    return b"".join(map(result_line, judged(detoxifier, tasks)))


def judged(detoxifier: Detoxifier, tasks: Sequence[Task]) -> list[Record | str]:
    """A record, or a reason to set its row aside, for each task.

    Tasks of one action and threshold are one window.
    """
    groups: dict[tuple[Action, float | None], list[int]] = {}
    for at, task in enumerate(tasks):
        groups.setdefault((task.action, task.threshold), []).append(at)
    results: dict[int, Record | str] = {}
    for (action, threshold), places in groups.items():
        pipeline = detoxifier if threshold is None else replace(detoxifier, threshold=threshold)
        texts = [tasks[at].text for at in places]
        results |= zip(places, try_all(texts, partial(_done, pipeline, action)), strict=True)
    return [_named(results[at], task.role) for at, task in enumerate(tasks)]


def _done(detoxifier: Detoxifier, action: Action, texts: Sequence[str]) -> list[Record]:
    """The records of texts of which all have one fate if they are toxic."""
    if action is Action.REWRITE:
        return list(detoxifier.run(texts, batch_size=len(texts)))
    if action is Action.REDACT:
        pipeline = replace(detoxifier, infiller=_Nothing(), fallback="redact")
        return [
            replace(record, reason=POLICY) if record.reason == "no-candidate" else record
            for record in pipeline.run(texts, batch_size=len(texts))
        ]
    scores = zip(texts, detoxifier.score(texts), strict=True)
    return [_scored(detoxifier, action, text, score) for text, score in scores]


def _scored(detoxifier: Detoxifier, action: Action, text: str, score: Toxicity) -> Record:
    rule = detoxifier.rule_of(score)
    if not rule:
        return Record(text, Verdict.CLEAN, text, score)
    if action is Action.DROP:
        return Record(text, Verdict.UNRESOLVED, None, score, reason=POLICY, rule=rule)
    return Record(text, Verdict.UNRESOLVED, text, score, reason=SCORE_ONLY, rule=rule)


def _named(result: Record | str, role: str) -> Record | str:
    """The result with the role before its rule, where there are both."""
    if isinstance(result, str) or not result.rule or not role:
        return result
    return replace(result, rule=f"roles.{role}.{result.rule}")


class _Nothing:
    """The infiller of texts that are redacted: it has nothing to put in place of anything."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        return [() for _ in masked]


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
        "rule": result.rule,
        "vetoes": [[one.span.start, one.span.end, one.rule] for one in result.vetoes],
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
        rule=found["rule"],
        vetoes=tuple(Veto(Span(start, end), rule) for start, end, rule in found["vetoes"]),
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
