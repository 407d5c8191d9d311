"""Labels of a transcript or a prompt (`Human:`, `Continuation:`): a frame, not words.

A trainer's template and a model's stop words depend on them, so no step may touch one.
"""

from __future__ import annotations

import re
from collections import Counter

from trustydetox.spans import Span

# Who speaks or what follows, in the prompts and chat logs that people train on.
_NAMED = (
    r"human|user|assistant|system|bot|ai|agent|customer|client|operator|speaker|person|participant"
    r"|interviewer|prompt|continuation|completion|instruction|input|output|response|question|answer"
    r"|context|dialogue|summary|article|title|comment|reply|post|tweet|review|q|a"
)
_LABEL = re.compile(
    r"^[^\S\n]*(?P<label>(?:\#{1,3}[^\S\n]?)?[^\W\d_](?:[\w.\-]|[^\S\n](?=[\w(])){0,30}#?):(?=\s|$)",
    re.MULTILINE,
)
_IS_NAMED = re.compile(rf"[#\s]*(?:{_NAMED})[\s_]?(?:\d{{1,3}}|[a-z])?#?", re.IGNORECASE)


def labels_in(text: str) -> list[Span]:
    """Where labels stand, without their colon, in order.

    A label opens a line and ends in a colon and a space or the line. It is one of the usual ones,
    or opens two lines of the text or more, as a speaker's name does: none in `Idiot: read this.`
    """
    found = [match.span("label") for match in _LABEL.finditer(text)]
    often = Counter(text[start:end] for start, end in found)
    return [
        Span(start, end)
        for start, end in found
        if often[text[start:end]] > 1 or _IS_NAMED.fullmatch(text[start:end])
    ]
