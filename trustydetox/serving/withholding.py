"""What a server says went wrong, without the prompt that it may quote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

LONGEST = 300
RUN = 20
"""From so many characters on, what a message has in common with a prompt is taken for a quotation:
servers shorten what they quote."""


def without_prompt(said: str, prompt: str) -> str:
    """One line, `LONGEST` characters at most, with an ellipsis for each run of the prompt's.

    A prompt is known in whichever form it is quoted: as it is, with other white space, escaped as
    in JSON or in Python.
    """
    line = _folded(said)
    is_quoted = [False] * len(line)
    for form in _forms(prompt):
        length = min(RUN, len(form))  # a shorter prompt is looked for as a whole
        runs = {form[at : at + length] for at in range(len(form) - length + 1)}
        for at in range(len(line) - length + 1):
            if line[at : at + length] in runs:
                is_quoted[at : at + length] = [True] * length
    pieces = groupby(zip(line, is_quoted, strict=True), key=lambda pair: pair[1])
    shown = ("…" if quoted else "".join(sign for sign, _ in piece) for quoted, piece in pieces)
    # Cut last: half a prompt would be no less of a quotation.
    return "".join(shown)[:LONGEST]


def _forms(prompt: str) -> Iterator[str]:
    escaped = (json.dumps(prompt), json.dumps(prompt, ensure_ascii=False), repr(prompt))
    forms = (prompt, *(form[1:-1] for form in escaped))
    return filter(None, dict.fromkeys(map(_folded, forms)))


def _folded(text: str) -> str:
    return " ".join(text.split())
