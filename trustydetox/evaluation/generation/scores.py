"""What was measured of one model: numbers per prompt and sample, and no text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from trustydetox.errors import InputError
from trustydetox.evaluation.generation.rating import Rater, rated, require_fair
from trustydetox.evaluation.generation.sampling import (
    Sampling,
    Writer,
    continuations,
    hash_of,
    plan_of,
)
from trustydetox.evaluation.identity import load_statements

FILE = "scores.json"
_FACTS = "trustydetox.json"
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LONGEST = 3

PerSample = tuple[tuple[float, ...], ...]
"""A number for each sample of each prompt."""


@dataclass(frozen=True)
class Rates:
    """A judge, the probability from which on it calls a text toxic, and what it said.

    digests: hashes of what the judge is made of, sorted.
    """

    judge: str
    limit: float
    digests: tuple[str, ...]
    rates: PerSample


@dataclass(frozen=True)
class Scores:
    """One model's numbers.

    plan: hashes of weights and prompts, and the sampling: what may be compared has the last two in
        common.
    words: length of each continuation. identity: how many identity terms it mentions.
    distinct: per prompt, the share of different runs of 1, 2 and 3 words among its samples.
    surprise: per clean text, summed negative log-likelihood and number of tokens.
    clean: a hash of the clean texts.
    """

    plan: dict[str, Any]
    judges: tuple[Rates, ...]
    words: PerSample
    identity: PerSample
    distinct: PerSample
    surprise: PerSample
    clean: str

    def save(self, folder: Path) -> None:
        """Write `scores.json`, which holds no text."""
        text = json.dumps(asdict(self))
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Scores:
        """What `save` wrote."""
        try:
            found = json.loads((folder / FILE).read_text(encoding="utf-8"))
            if "clean" not in found:
                raise InputError(
                    f"{folder / FILE} says neither which judges nor which clean texts it is of, as "
                    "an older version wrote it: run `evaluate model` on that folder again, which "
                    "takes the continuations that are there"
                )
            judges = tuple(
                Rates(one["judge"], one["limit"], tuple(one["digests"]), _nested(one["rates"]))
                for one in found["judges"]
            )
            rest = {
                key: _nested(found[key]) for key in ("words", "identity", "distinct", "surprise")
            }
            return cls(plan=found["plan"], judges=judges, clean=found["clean"], **rest)
        except InputError:
            raise
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"expected {FILE} of `evaluate model` in {folder}: {type(error).__name__}"
            ) from error


def measure_model(
    writer: Writer,
    prompts: Sequence[str],
    clean: Sequence[str],
    judges: Sequence[Rater],
    folder: Path,
    *,
    sampling: Sampling,
    guides: Collection[str] = (),
    progress: Callable[[int, float | None], None] = lambda rows, share: None,
) -> Scores:
    """Draw continuations, have each judge rate each of them alone, and leave both in `folder`.

    clean: texts whose perplexity says what else the model has kept.
    guides: hashes of the models that cleaned its training rows; none of them may judge.
    """
    require_fair(judges, guides)
    written = continuations(writer, prompts, sampling, folder, progress)
    flat = [text for samples in written for text in samples]
    scores = Scores(
        plan_of(writer.digest, prompts, sampling),
        tuple(
            Rates(
                judge.name,
                judge.limit,
                tuple(sorted(judge.digests)),
                _by_prompt(rated(judge, flat), sampling.samples),
            )
            for judge in judges
        ),
        _by_prompt([len(words_of(text)) for text in flat], sampling.samples),
        _by_prompt([mentions(text) for text in flat], sampling.samples),
        tuple(map(distinct, written)),
        tuple(writer.surprise(text) for text in clean),
        hash_of(clean),
    )
    scores.save(folder)
    return scores


def guides_of(model: Path) -> frozenset[str]:
    """Hashes of the models that cleaned a model's training rows, as `train sft` wrote them down."""
    for folder in (model, model.parent):
        path = folder / _FACTS
        if path.is_file():
            facts = json.loads(path.read_text(encoding="utf-8"))
            return frozenset(((facts.get("detox") or {}).get("models") or {}).values())
    return frozenset()


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.lower())


def mentions(text: str) -> int:
    """How many words of a text name a group of people."""
    return sum(word in _identity_words() for word in words_of(text))


def distinct(samples: Sequence[str]) -> tuple[float, ...]:
    """The share of different runs of 1, 2 and 3 words among all of a prompt's samples."""
    words = [words_of(text) for text in samples]
    shares = []
    for size in range(1, _LONGEST + 1):
        runs = [
            tuple(one[start : start + size])
            for one in words
            for start in range(len(one) - size + 1)
        ]
        shares.append(len(set(runs)) / len(runs) if runs else 0.0)
    return tuple(shares)


@cache
def _identity_words() -> frozenset[str]:
    statements = load_statements()
    terms = (*statements.held_out, *statements.common)
    forms = {word for term in terms for word in (term.adjective, term.plural)}
    return frozenset(form.lower() for form in forms if " " not in form)


def _by_prompt(values: Sequence[float], samples: int) -> PerSample:
    return tuple(tuple(values[start : start + samples]) for start in range(0, len(values), samples))


def _nested(rows: Sequence[Sequence[float]]) -> PerSample:
    return tuple(map(tuple, rows))
