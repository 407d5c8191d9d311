"""A model that is busy for as long as a test wants it to be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fakes import WordScorer
from trustydetox.records import Toxicity

HELD = "you idiot"
"""What it waits for begins with this; a service makes itself ready with other texts."""


@dataclass(frozen=True)
class Held:
    """A scorer that waits until it may go, where a text begins with HELD."""

    may_go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if any(text.startswith(HELD) for text in texts):
            self.begun.set()
            self.may_go.wait(60)
        return WordScorer().score(texts)
