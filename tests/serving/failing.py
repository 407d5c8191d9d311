"""A model that fails on some texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes import WordScorer
from trustydetox.records import Toxicity


@dataclass(frozen=True)
class Failing:
    """A scorer that quotes the text that it fails on, one with this word."""

    word: str = "secret"

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        for text in texts:
            if self.word in text:
                raise RuntimeError(text)
        return WordScorer().score(texts)
