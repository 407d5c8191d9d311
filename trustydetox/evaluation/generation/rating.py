"""Who judges what a model wrote: at least two, and none that had a part in the cleaning."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.steps.loading import Pretrained, find, load, open_config

_BATCH = 32


class Rater(Protocol):
    """A judge of texts."""

    @property
    def name(self) -> str:
        """The word by which results name it."""
        ...

    @property
    def digests(self) -> frozenset[str]:
        """Hashes of what it is made of."""
        ...

    @property
    def limit(self) -> float:
        """The probability from which on a text is toxic."""
        ...

    def rate(self, texts: Sequence[str]) -> list[float]:
        """The probability that each text is toxic, in [0, 1]."""
        ...


@dataclass(frozen=True)
class ClassifierJudge:
    """A sequence classifier from a folder, told which of its labels means toxic.

    label: never guessed. A classifier's first label is as often the clean one.
    """

    model: str
    label: str
    limit: float = 0.5

    def __post_init__(self) -> None:
        _ = self._column

    @property
    def name(self) -> str:
        """The folder's own name and the label."""
        return f"{Path(self.model).name} ({self.label})"

    @cached_property
    def digests(self) -> frozenset[str]:
        """The sha256 of each file of weights."""
        return frozenset(map(_sha256, find(self.model).glob("*.safetensors")))

    @cached_property
    def _loaded(self) -> Pretrained:
        return load("classifier", self.model)

    @cached_property
    def _column(self) -> int:
        named = {str(name): column for column, name in self._config.id2label.items()}
        if self.label not in named:
            raise ConfigError(
                f"judge {Path(self.model).name}: no label is called {self.label!r}"
                f"{did_you_mean(self.label, named)}"
            )
        return int(named[self.label])

    @cached_property
    def _config(self) -> Any:
        return open_config(self.model)

    def rate(self, texts: Sequence[str]) -> list[float]:
        """Probability of the label: of all labels together one, or each by itself (multi-label)."""
        import torch

        found = self._loaded
        alone = self._config.problem_type == "multi_label_classification"
        rates: list[float] = []
        for start in range(0, len(texts), _BATCH):
            batch = found.tokenizer(
                list(texts[start : start + _BATCH]),
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=found.window,
            ).to(found.device)
            with torch.no_grad():
                logits = found.model(**batch).logits.float()
            one = logits.shape[1] == 1
            shares = logits.sigmoid() if alone or one else logits.softmax(dim=1)
            rates += shares[:, self._column].tolist()
        return rates


def judge_named(given: str) -> ClassifierJudge:
    """The judge that `FOLDER=LABEL` means."""
    folder, equals, label = given.rpartition("=")
    if not equals or not folder or not label:
        raise ConfigError(
            f"judge {given!r}: expected FOLDER=LABEL, where LABEL is the one that means toxic"
        )
    return ClassifierJudge(folder, label)


def require_fair(judges: Sequence[Rater], guides: Collection[str]) -> None:
    """Refuse fewer than two judges, one of them twice, or one that guided the cleaning.

    guides: hashes of the models that the cleaning used.
    """
    if len(judges) < 2:
        raise ConfigError(
            f"expected two judges or more, got {len(judges)}: one alone can't tell an effect from "
            "its own mistakes"
        )
    for number, judge in enumerate(judges):
        if judge.digests & set(guides):
            raise ConfigError(
                f"judge {judge.name!r} guided the cleaning, so it can't judge it: name another"
            )
        for other in judges[:number]:
            if judge.digests & other.digests:
                raise ConfigError(f"judges {other.name!r} and {judge.name!r} are the same")


def rated(judge: Rater, texts: Sequence[str]) -> list[float]:
    """What the judge says of each text; a bare str, which would be read letter by letter, never."""
    if isinstance(texts, str):
        raise ConfigError("expected a list of texts to judge, got one str: pass [text]")
    rates = judge.rate(texts)
    if len(rates) != len(texts):
        raise ConfigError(f"judge {judge.name!r}: {len(rates)} answers to {len(texts)} texts")
    return rates


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
