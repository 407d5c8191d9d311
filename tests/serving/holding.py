"""A model that is busy for as long as a test wants it to be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fakes import WordScorer
from trustydetox.records import Toxicity
from trustydetox.serving.service import FIRST


@dataclass(frozen=True)
class Held:
    """A scorer that waits until it may go, but for the text that makes a service ready."""

    may_go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if not all(text in FIRST for text in texts):
            self.begun.set()
            self.may_go.wait(10)
        return WordScorer().score(texts)
