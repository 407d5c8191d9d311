"""What the playground does, apart from how it looks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from trustydetox.corpus import clean_file, run_folder
from trustydetox.corpus.runs.folder import versions
from trustydetox.detoxifier import Detoxifier, Fallback
from trustydetox.errors import InputError
from trustydetox.recipes import load_recipe, read_recipe, settings_of
from trustydetox.records import Verdict
from trustydetox.report import (
    RowCounts,
    Summary,
    action_of,
    read_records,
    render_card,
    render_page,
    sample_of,
    visible,
)
from trustydetox.rows import is_table, open_reader

MOST_CHARACTERS = 20_000
MOST_ROWS = 2_000
SHOWN = 200
"""Texts of a file that the table shows; the report has more."""

COLUMNS = ("row", "field", "done", "toxicity", "after", "text before", "text after")


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of a trial."""

    recipe: str
    threshold: float
    fallback: Fallback

    def command(self) -> str:
        """The same for a file, on the command line."""
        return (
            f"trustydetox clean rows.jsonl -o clean.jsonl \\\n  --recipe {self.recipe} "
            f"--threshold {self.threshold} --fallback {self.fallback}"
        )

    def python(self) -> str:
        """The same for a dataset, in Python."""
        return (
            "import trustydetox\n\n"
            f"cleaned = trustydetox.clean(\n    dataset, recipe={self.recipe!r}, "
            f"threshold={self.threshold}, fallback={self.fallback!r}\n)"
        )

    def yaml(self) -> str:
        """The same as a file for `clean --config`."""
        return f"recipe: {self.recipe}\nthreshold: {self.threshold}\nfallback: {self.fallback}\n"

    def detoxifier(self) -> Detoxifier:
        """The pipeline; of each recipe the models are read once."""
        made = _loaded(self.recipe)
        return replace(made, threshold=self.threshold, fallback=self.fallback)


@lru_cache(maxsize=2)
def _loaded(recipe: str) -> Detoxifier:
    return load_recipe(recipe)


def try_text(text: str, knobs: Knobs) -> str:
    """A card, as HTML, of what is found in a text and what becomes of it."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"the text has {len(text):,} characters, of which {MOST_CHARACTERS:,} fit here: "
            "put it into a file and use the command"
        )
    (record,) = knobs.detoxifier().run([text])
    return render_card(sample_of(0, "text", record))


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a file: rows of `COLUMNS`, a line about all of them, and files to take."""

    said: str
    table: Sequence[Sequence[Any]]
    files: Sequence[Path]


def try_file(path: Path, knobs: Knobs, folder: Path) -> Batch:
    """Clean a small file; the result, its report and its records lie in `folder`."""
    if not is_table(path.name):
        raise InputError("expected a .jsonl, .json, .csv, .parquet or .txt file")
    _require_small(path)
    out = folder / f"clean-{path.name}"
    summary = Summary()
    recipe = settings_of(
        read_recipe(knobs.recipe, threshold=knobs.threshold, fallback=knobs.fallback)
    )

    def observe(row: int, field: str, record: Any, file: str) -> None:
        summary.add(row, field, record, file)

    counts = clean_file(
        path, out, detoxifier=knobs.detoxifier(), observe=observe, settings={"recipe": recipe}
    )
    rows = RowCounts(
        read=counts.read,
        written=counts.written,
        dropped=counts.dropped,
        quarantined=counts.quarantined,
    )
    report = summary.report(rows, recipe=recipe, versions=versions())
    page = folder / "report.html"
    page.write_text(
        render_page(report, summary.samples(), summary.top_words(), title=path.name), "utf-8"
    )
    numbers = folder / "report.json"
    numbers.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    run = run_folder(str(out))
    said = (
        f"{counts.read:,} rows read, {counts.written:,} written, {counts.dropped:,} dropped, "
        f"{counts.quarantined:,} set aside. {counts.texts:,} texts: {counts.clean:,} clean, "
        f"{counts.rewritten:,} rewritten, {counts.unresolved:,} unresolved."
    )
    return Batch(
        said, list(islice(_lines(run), SHOWN)), (out, page, numbers, run / "records.jsonl")
    )


def _require_small(path: Path) -> None:
    reader = open_reader(str(path))
    try:
        if sum(1 for _ in islice(reader.rows(), MOST_ROWS + 1)) > MOST_ROWS:
            raise InputError(
                f"the file has more than {MOST_ROWS:,} rows, too many to try here: "
                "use the command, which takes files of any size"
            )
    finally:
        reader.close()


def _lines(run: Path) -> Any:
    for entry in read_records(run):
        record = entry.record
        if record.verdict is Verdict.CLEAN:
            continue
        after = record.toxicity_after
        yield (
            entry.row,
            visible(entry.field),
            action_of(record),
            round(record.toxicity.overall, 3),
            None if after is None else round(after.overall, 3),
            visible(record.original[:300]),
            "" if record.output is None else visible(record.output[:300]),
        )
