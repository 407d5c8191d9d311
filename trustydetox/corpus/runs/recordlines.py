"""Records as the lines of `records.jsonl`, and a scan's findings as those of `scan`."""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from trustydetox.detoxifier import DIGITS, Found
from trustydetox.records import Record


def short(value: float) -> float | None:
    """`value` with the significant digits that files hold; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def record_line(row: int, field: str, record: Record) -> str:
    """One line of `records.jsonl`, without its line break; plain ASCII."""
    original = quoted(record.original)
    output = original
    if record.output != record.original:
        output = "null" if record.output is None else quoted(record.output)
    after = record.toxicity_after
    edits = [
        {"start": edit.span.start, "end": edit.span.end, "replacement": edit.replacement}
        for edit in record.edits
    ]
    findings = [
        {
            "check": finding.check,
            "passed": bool(finding.passed),
            "value": short(finding.value),
            "limit": short(finding.limit),
        }
        for finding in record.findings
    ]
    # Put together by hand: most records are of clean texts, and this takes a third of the time.
    return (
        f'{{"row": {row}, "field": {quoted(field)}, "original": {original}, "output": {output}, '
        f'"verdict": {quoted(record.verdict.value)}, "reason": {quoted(record.reason)}, '
        f'"toxicity": {json.dumps(short(record.toxicity.overall))}, '
        f'"toxicity_after": {json.dumps(None if after is None else short(after.overall))}, '
        f'"edits": {json.dumps(edits) if edits else "[]"}, '
        f'"findings": {json.dumps(findings) if findings else "[]"}}}'
    )


def found_object(row: int, field: str, found: Found, threshold: float) -> dict[str, Any]:
    """What `scan` prints of one text."""
    masked = found.masked
    spans = () if masked is None else masked.masked
    weights = masked.weights if masked is not None and masked.weights else (1.0,) * len(spans)
    return {
        "row": row,
        "field": field,
        "toxicity": short(found.toxicity.overall),
        "toxic": found.toxicity.overall >= threshold,
        "by_label": {label: short(value) for label, value in found.toxicity.by_label.items()},
        "spans": [
            {"start": span.start, "end": span.end, "weight": short(weight)}
            for span, weight in zip(spans, weights, strict=True)
        ],
    }
