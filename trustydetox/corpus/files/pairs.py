"""Preference pairs out of a run: what came is rejected, what left is chosen."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trustydetox.corpus.files.reverting import Original, originals_of, require_apart
from trustydetox.corpus.runs.folder import read_manifest
from trustydetox.corpus.runs.outputs import Output, plain_errors
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.records import Verdict
from trustydetox.report import Entry, read_records
from trustydetox.rows import Row, format_of, open_reader
from trustydetox.rows.columns import ALPACA, SCORED, THOUGHTS, keys_of, role_of
from trustydetox.rows.jsonvalues import encode_row
from trustydetox.rows.pointers import parts_of, replaced

ANSWERS = {
    "completion": ("prompt",),
    "response": ("prompt",),
    "chosen": ("prompt",),
    "output": ("instruction", "input"),
}
"""A column that answers, and the columns of what it answers."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs that were written, and mended texts that make none, by reason."""

    written: int
    left_out: Mapping[str, int]


def make_pairs(run: str | os.PathLike[str], destination: str | os.PathLike[str]) -> PairCounts:
    """Write each mended text of a run as a line of `prompt`, `chosen` and `rejected`.

    That is TRL's preference format. In a conversation the prompt is what was said before, as it
    left the run, and `chosen` and `rejected` are one message; a column that answers another has
    that one as its prompt; of any other text the prompt is the beginning that both share.

    Needs the run's output as the run left it: the rows come from undoing the run.
    """
    folder, destination = Path(run), os.fspath(destination)
    manifest = read_manifest(folder)
    target = format_of(destination)
    if target.table != "jsonl":
        raise ConfigError(
            f"pairs are JSON lines: expected a name that ends in .jsonl, got {destination}"
        )
    require_apart(folder, manifest, destination)
    written = 0
    left_out: Counter[str] = Counter()
    kind: type | None = None
    with (
        plain_errors(destination),
        # On the disk of the run: the rows as they came may be more than a temporary folder holds.
        TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside,
        Output(destination, target.compression) as pairs,
    ):
        originals = {one.name: one for one in originals_of(folder, manifest)}
        for row, entries in _mended(originals, folder, Path(beside)):
            for pair in pairs_of(row.values, entries):
                if isinstance(pair, str):
                    left_out[pair] += 1
                    continue
                kind = kind or type(pair["prompt"])
                try:
                    line = encode_row(pair)
                except InputError:
                    left_out["JSON can't hold it"] += 1
                    continue
                if type(pair["prompt"]) is not kind:
                    left_out["not of the kind of the first pair"] += 1
                    continue
                pairs.write(line + b"\n")
                written += 1
        pairs.finish()
        pairs.commit()
    return PairCounts(written, dict(left_out))


def pairs_of(row: Mapping[str, Any], entries: Sequence[Entry]) -> Iterator[dict[str, Any] | str]:
    """A pair for each mended text or message of a row, or the reason why it makes none."""
    mended = [one for one in entries if one.record.verdict is Verdict.REWRITTEN]
    by_message = groupby(mended, key=lambda one: tuple(parts_of(one.field)[:2]))
    groups = [(place, list(group)) for place, group in by_message]
    if any(one.record.output is None for one in entries):
        yield from ("its row was dropped" for _ in groups)
        return
    before = _decoded(row, entries)
    after = before
    for field, record in ((one.field, one.record) for one in entries):
        if record.output is not None and record.output != record.original:
            after = replaced(after, parts_of(field), record.output)
    for (column, *at), group in groups:
        if not any((one.record.output or "").strip() for one in group):
            yield "nothing is left of it"
        elif at:
            yield _of_message(before, after, column, int(at[0]))
        else:
            yield _of_text(before, after, column)


def _of_message(
    before: Mapping[str, Any], after: Mapping[str, Any], column: str, at: int
) -> dict[str, Any] | str:
    chat = [_as_chatml(message) for message in after[column]]
    if chat[at]["role"] != "assistant":
        return "the assistant doesn't say it"
    earlier = _prompt(after, column)
    if isinstance(earlier, str) and earlier:
        return "its prompt is no conversation"
    prompt = [*map(_as_chatml, earlier or ()), *chat[:at]]
    if not prompt:
        return "nothing is said before it"
    pair = {
        "prompt": prompt,
        "chosen": [chat[at]],
        "rejected": [_as_chatml(before[column][at])],
    }
    return pair | ({"tools": after["tools"]} if after.get("tools") else {})


def _of_text(
    before: Mapping[str, Any], after: Mapping[str, Any], column: str
) -> dict[str, Any] | str:
    if column in SCORED and any(answer in after for answer in ANSWERS):
        return "it is a prompt"
    prompt = _prompt(after, column)
    chosen, rejected = after[column], before[column]
    if prompt is None:
        start = _shared(chosen, rejected)
        return {"prompt": chosen[:start], "chosen": chosen[start:], "rejected": rejected[start:]}
    if not isinstance(prompt, str):
        return "its prompt is a conversation"
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _prompt(row: Mapping[str, Any], column: str) -> Any:
    """What a column answers; None where it isn't known to answer another."""
    names = [name for name in ANSWERS.get(column, ()) if row.get(name)]
    if column in ALPACA and names:
        return "".join(f"{row[name]}\n\n" for name in names)
    return row[names[0]] if names else None


def _shared(one: str, other: str) -> int:
    """Length of the beginning that two texts share, up to a word's end, with some of both left."""
    pairs = enumerate(zip(one, other, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))

    def is_border() -> bool:
        return not one[end - 1].isspace() and all(
            text[end:].strip() and not (text[end - 1].isalnum() and text[end].isalnum())
            for text in (one, other)
        )

    while end and not is_border():
        end -= 1
    return end


def _as_chatml(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with `role` and `content`, its role by the name that chat templates know."""
    role_key, text_key = keys_of(message)
    role = role_of(str(message[role_key]))
    if text_key == "content":
        return {**message, "role": role}
    thoughts = {key: message[key] for key in THOUGHTS if key in message}
    return {"role": role, **thoughts, "content": message[text_key]}


def _decoded(row: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """The row with the JSON read that `datasets` keeps as strings inside a conversation."""
    values = dict(row)
    for column in {parts[0] for one in entries if len(parts := parts_of(one.field)) > 1}:
        if any(isinstance(message, str) for message in values[column]):
            values[column] = [json.loads(message) for message in values[column]]
    return values


def _mended(
    originals: Mapping[str, Original], folder: Path, beside: Path
) -> Iterator[tuple[Row, list[Entry]]]:
    """The rows with a mended text, and the records of all their texts."""
    for name, records in groupby(read_records(folder), key=lambda one: one.file):
        if name not in originals:
            raise ConflictError(f"the records of {folder} are of other files than its input")
        rows = _rows(originals[name], beside)
        for number, group in groupby(records, key=lambda one: one.row):
            entries = list(group)
            if any(one.record.verdict is Verdict.REWRITTEN for one in entries):
                row = next((row for row in rows if row.number == number), None)
                if row is None:
                    raise ConflictError(f"the records of {folder} are of other rows than its input")
                yield row, entries


def _rows(original: Original, beside: Path) -> Iterator[Row]:
    """The rows that a run read, from a copy beside it."""
    copy = beside / original.file_name
    original.restore(str(copy))
    reader = open_reader(str(copy))
    try:
        yield from reader.rows()
    finally:
        reader.close()
