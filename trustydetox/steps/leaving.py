"""Acts of violence and parts of the body in plain words: what no edit says otherwise.

They are what is spoken of, not how: with another word (`to see a man` for `to kill a man`)
something else is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trustydetox.records import MaskedText, Rewrite
from trustydetox.roles import Infiller
from trustydetox.spans import Span
from trustydetox.steps.sparing import unspared
from trustydetox.steps.viewing import KnownWords

_WORD = re.compile(r"\w+")
# Each in all its forms. What is an oath or an insult isn't here and may go.
_DEED = re.compile(
    r"\b(behead|execut|hang|hung|incest|kidnap|kill|lynch|masturbat|molest|murder|paedophil|pedophil"
    r"|rap(?=e|ing|ist)|shoot|shot|slaughter|stab|strangl|suicid|tortur"
    r"|anus|clitoris|genital|intercourse|orgasm|penis|rectum|scrotum|semen|sexual|sperm|testicle"
    r"|vagina|vulva)"
    r"(?:e|ed|er|ers|es|bed|bing|ing|ings|ia|ic|ist|ists|ion|ions|al|ally|ly|ous|s)?\b",
    re.IGNORECASE,
)


def deeds_in(text: str) -> list[tuple[Span, str]]:
    """The words, in order, each with its stem in small letters: `Kills` has `kill`."""
    return [(Span(*match.span()), match[1].casefold()) for match in _DEED.finditer(text)]


@dataclass(frozen=True, slots=True)
class Leaving:
    """What another infiller makes of a text whose masked spans have lost such words.

    Beside one in a span only what holds a known toxic word still has to go: `torture someone` is
    left whole. Where nothing else is masked they stay masked, for there the toxicity is in what is
    meant: the checks (`facts-kept`) will refuse each candidate, and what was masked can still be
    redacted.
    """

    infiller: Infiller
    known: KnownWords

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """The other infiller's candidates per text."""
        return self.infiller.infill([self._left(one) for one in masked])

    def _left(self, masked: MaskedText) -> MaskedText:
        deeds = [span for span, _ in deeds_in(masked.text)]
        others = [
            (part, weight)
            for span, weight in masked.weighted
            for part in unspared(masked.text, span, deeds)
            if part == span or any(map(self.known.knows, _WORD.findall(part.of(masked.text))))
        ]
        return masked.only(others) if others else masked
