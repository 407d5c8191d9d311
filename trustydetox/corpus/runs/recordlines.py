"""Records as the lines of `records.jsonl`, and a scan's findings as those of `scan`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from trustydetox.detoxifier import DIGITS, Found
from trustydetox.records import Finding, MaskedText, Record, Verdict
from trustydetox.spans import Edit


def short(value: float) -> float | None:
    """`value` with the significant digits that files hold; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def record_line(row: int, field: str, record: Record, file: str = "") -> str:
    """One line of `records.jsonl`, without its line break; plain ASCII.

    That of a text which isn't clean ends with what was found and tried: the `rule` by which it is
    toxic, `spans` as a scan has them, `vetoes`, the spans that a rule kept, and `misses`, the
    candidates that failed a check.

    file: the name among several; the line starts with it.
    """
    original = quoted(record.original)
    output = original
    if record.output != record.original:
        output = "null" if record.output is None else quoted(record.output)
    after = record.toxicity_after
    edits, findings = _edits(record.edits), _findings(record.findings)
    tried = ""
    if record.verdict is not Verdict.CLEAN:
        misses = [
            {
                "toxicity": short(miss.toxicity.overall),
                "edits": _edits(miss.rewrite.edits),
                "findings": _findings(miss.findings),
            }
            for miss in record.misses
        ]
        vetoes = [
            {"start": one.span.start, "end": one.span.end, "rule": one.rule}
            for one in record.vetoes
        ]
        tried = f', "rule": {quoted(record.rule)}, "vetoes": {json.dumps(vetoes)}'
        tried += f', "spans": {json.dumps(_spans(record.masked))}, "misses": {json.dumps(misses)}'
    where = f'"file": {quoted(file)}, ' if file else ""
    # Put together by hand: most records are of clean texts, and this takes a third of the time.
    return (
        f'{{{where}"row": {row}, "field": {quoted(field)}, "original": {original}, '
        f'"output": {output}, "verdict": {quoted(record.verdict.value)}, '
        f'"reason": {quoted(record.reason)}, '
        f'"toxicity": {json.dumps(short(record.toxicity.overall))}, '
        f'"toxicity_after": {json.dumps(None if after is None else short(after.overall))}, '
        f'"edits": {json.dumps(edits) if edits else "[]"}, '
        f'"findings": {json.dumps(findings) if findings else "[]"}{tried}}}'
    )


def found_object(row: int, field: str, found: Found) -> dict[str, Any]:
    """What `scan` prints of one text."""
    return {
        "row": row,
        "field": field,
        "toxicity": short(found.toxicity.overall),
        "toxic": found.masked is not None,
        "by_label": {label: short(value) for label, value in found.toxicity.by_label.items()},
        "spans": _spans(found.masked),
    }


def _edits(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    return [
        {"start": edit.span.start, "end": edit.span.end, "replacement": edit.replacement}
        for edit in edits
    ]


def _findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "check": finding.check,
            "passed": bool(finding.passed),
            "value": short(finding.value),
            "limit": short(finding.limit),
        }
        for finding in findings
    ]


def _spans(masked: MaskedText | None) -> list[dict[str, Any]]:
    if masked is None:
        return []
    return [
        {"start": span.start, "end": span.end, "weight": short(weight)}
        for span, weight in masked.weighted
    ]
