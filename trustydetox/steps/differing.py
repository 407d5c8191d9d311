"""What a rewriter of whole texts changed, as edits that leave alone all else."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from trustydetox.records import Rewrite
from trustydetox.spans import Edit, Span

_WORD = re.compile(r"\w+(?:['’@$*\-]\w+)*|[^\w\s]")


def differing(original: str, rewritten: str) -> Rewrite:
    """The original with the fewest words changed that make it say what `rewritten` says.

    Words and signs are compared without case and white space: a rewriter that lower-cases, strips
    or parts signs by spaces has not changed them. Where words go, the space behind them goes too.
    """
    before = [match.span() for match in _WORD.finditer(original)]
    after = [match.span() for match in _WORD.finditer(rewritten)]
    old = [original[start:end].casefold() for start, end in before]
    new = [rewritten[start:end].casefold() for start, end in after]
    edits: list[Edit] = []
    changes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for change, i, j, k, n in changes:
        if change == "equal" or not before:
            continue
        put = rewritten[after[k][0] : after[n - 1][1]] if k < n else ""
        if i < j:
            span = (
                _gone(original, before, i, j) if not put else Span(before[i][0], before[j - 1][1])
            )
        elif i < len(before):
            # A span is never empty: what is put in takes the word behind it along.
            span = Span(*before[i])
            put += rewritten[after[n - 1][1] : after[n][0]] + span.of(original)
        else:
            span = Span(*before[-1])
            put = rewritten[after[k - 1][1] : after[k][0]] + put
            if edits and edits[-1].span.end == span.end:
                last = edits.pop()
                span, put = last.span, last.replacement + put
            else:
                put = span.of(original) + put
        edits.append(Edit(span, put))
    return Rewrite(original, _with_capital(original, before, edits))


def _gone(original: str, words: list[tuple[int, int]], i: int, j: int) -> Span:
    """The words that go with the space behind them, or before them at the end."""
    if j < len(words) and original[words[j - 1][1] : words[j][0]].isspace():
        before = original[: words[i][0]]
        joins = words[j][1] - words[j][0] == 1 and not original[words[j][0]].isalnum()
        if not (joins and before[-1:].isspace()):
            return Span(words[i][0], words[j][0])
    start = words[i - 1][1] if i > 0 else words[i][0]
    gap = original[start : words[i][0]]
    return Span(start if gap.isspace() and "\n" not in gap else words[i][0], words[j - 1][1])


def _with_capital(
    original: str, words: list[tuple[int, int]], edits: list[Edit]
) -> tuple[Edit, ...]:
    """The edits; where a capitalised first word went, the next one gets its capital."""
    if not edits or edits[0].span.start != words[0][0] or not original[words[0][0]].isupper():
        return tuple(edits)
    first, *others = edits
    if first.replacement:
        put = first.replacement[0].upper() + first.replacement[1:]
        return (Edit(first.span, put), *others)
    at = next((start for start, _ in words if start >= first.span.end), None)
    if at is None or (others and others[0].span.start <= at):
        return tuple(edits)
    return (
        Edit(Span(first.span.start, at + 1), original[first.span.end : at] + original[at].upper()),
        *others,
    )
