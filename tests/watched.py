"""A scorer that notes in which process it works; run as a module it cleans, for launchers to start.

`python -m tests.watched LOG` prints what it cleaned: fingerprint, mended texts, rows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import WordScorer, detoxifier
from trustydetox.records import Toxicity


@dataclass(frozen=True)
class Watched:
    """Another scorer; each batch adds a line with the process's number to a file."""

    log: str
    scorer: WordScorer = field(default_factory=WordScorer)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        with Path(self.log).open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        return self.scorer.score(texts)


def workers(log: Path) -> list[str]:
    """The process of each batch that was scored so far."""
    return log.read_text("ascii").split() if log.exists() else []


def main(log: str) -> None:
    """Clean a dataset that every process makes for itself."""
    from datasets import Dataset

    from tests.watched import Watched as Known  # not this module's own, which is __main__'s
    from trustydetox import clean_dataset

    rows = Dataset.from_dict({"text": ["you idiot", "fine"] * 200})
    cleaned = clean_dataset(rows, recipe=detoxifier(scorer=Known(log)))
    said = f"{cleaned.dataset._fingerprint} {cleaned.counts.rewritten} {len(cleaned.dataset)}"
    # In one piece: several processes print into one pipe.
    os.write(sys.stdout.fileno(), f"{said}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
