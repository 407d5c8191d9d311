"""What a service is asked about a text, and the answers for a batch of such questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trustydetox.corpus.engines.batching import try_all
from trustydetox.detoxifier import Detoxifier, Found
from trustydetox.errors import ModelError
from trustydetox.records import Record

Answer = Found | Record | str
"""A str is the reason why the models can't take the text."""

FIRST = "Please read the manual, you stupid idiot."
"""What the models are made ready with: a text that goes through every step."""


@dataclass(frozen=True, slots=True)
class Question:
    """A text and what is to be done with it.

    verb: "find" gives a Found, "rewrite" a Record.
    threshold: a text of this toxicity or more is toxic; None is the detoxifier's own.
    """

    text: str
    verb: Literal["find", "rewrite"]
    threshold: float | None = None


@dataclass(frozen=True)
class Judge:
    """Answers questions of different requests together; no answer depends on its neighbours."""

    detoxifier: Detoxifier

    def make_ready(self) -> None:
        """Judge a first text, which costs seconds more than any other, so that it is no caller's.

        Raises ModelError where that fails.
        """
        (answer,) = self([Question(FIRST, "rewrite")])
        if isinstance(answer, str):
            raise ModelError(f"the models took no first text, so none will be: {answer}")

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in order.

        Raises ModelError or ResourceError where no text can be taken.
        """
        alike: dict[tuple[str, float | None], list[int]] = {}
        for index, asked in enumerate(questions):
            alike.setdefault((asked.verb, asked.threshold), []).append(index)
        answers: dict[int, Answer] = {}
        for (verb, threshold), places in alike.items():
            work = self._work(verb, threshold)
            answers |= zip(places, try_all([questions[i].text for i in places], work), strict=True)
        return [answers[index] for index in range(len(questions))]

    def _work(
        self, verb: str, threshold: float | None
    ) -> Callable[[Sequence[str]], Sequence[Found | Record]]:
        detoxifier = self.detoxifier
        if threshold is not None:
            detoxifier = replace(detoxifier, threshold=threshold)
        if verb == "find":
            return detoxifier.find
        return lambda texts: list(detoxifier.run(texts, batch_size=len(texts)))
