"""The prompts of a file, one by one to a served model, or to two for a comparison."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from trustydetox.corpus.reading import PassageReader
from trustydetox.errors import InputError
from trustydetox.rows import open_reader
from trustydetox.serving.inferring import Model


def complete_file(
    source: str | os.PathLike[str],
    model: Model,
    *,
    before: Model | None = None,
    fields: Sequence[str] = (),
    max_tokens: int | None = None,
) -> Iterator[dict[str, Any]]:
    """One object per prompt, in order: `row`, `field`, `prompt` and `completion`, or `before` and
    `after` where two models are asked the same.

    A bad row, and a prompt that a server refuses, gives `row` and `error`. Raises InputError at
    once where the file can't be read or lacks the fields, ModelError where a model isn't reached.
    """
    reader = open_reader(os.fspath(source))
    try:
        for window in PassageReader(reader, fields, {}):
            for row, passages, reason in window:
                if reason:
                    yield {"row": row.number, "error": reason}
                for passage in passages:
                    place = {"row": row.number, "field": passage.path}
                    try:
                        yield place | completed(passage.text, model, before, max_tokens)
                    except InputError as error:
                        yield place | {"error": str(error)}
    finally:
        reader.close()


def completed(
    prompt: str, model: Model, before: Model | None = None, max_tokens: int | None = None
) -> dict[str, str]:
    """`prompt` and `completion`, or `before` and `after`."""
    if before is None:
        return {"prompt": prompt, "completion": model.complete(prompt, max_tokens)}
    return {
        "prompt": prompt,
        "before": before.complete(prompt, max_tokens),
        "after": model.complete(prompt, max_tokens),
    }
