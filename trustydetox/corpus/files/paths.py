"""Cleaning a file or folder from Python, by its path alone."""

from __future__ import annotations

import warnings
from pathlib import Path

from trustydetox.corpus.choosing import Chosen
from trustydetox.corpus.files.cleaning import clean_file
from trustydetox.corpus.runs.folder import QUARANTINE, run_folder
from trustydetox.corpus.runs.reporting import Reporting
from trustydetox.rows import format_of


def clean_path(path: Path, chosen: Chosen) -> Path:
    """Where the cleaned file or folder is: beside what was given, `chats.jsonl` as
    `chats.clean.jsonl`, with its run folder `chats.clean.jsonl.detox`.

    What lies there of a run with the same settings isn't done again. Bad rows, which are only in
    the run folder, are a warning.
    """
    cleaned = path.with_name(f"{path.name}.clean")
    if not path.is_dir():
        endings = 2 if format_of(str(path)).compression else 1
        stem, *suffixes = path.name.rsplit(".", endings)
        cleaned = path.with_name(".".join((stem, "clean", *suffixes)))
    reporting = Reporting(cleaned.name, chosen.recipe, chosen.models)
    counts = clean_file(
        path,
        cleaned,
        detoxifier=chosen.detoxifier,
        settings={"recipe": chosen.recipe, "models": chosen.models},
        observe=reporting.observe,
        documents=reporting.documents,
        card=reporting.card,
    )
    if counts.quarantined:
        warnings.warn(
            f"rows that can't be read are left out, {counts.quarantined:,} of {counts.read:,}: "
            f"they lie in {run_folder(str(cleaned)) / QUARANTINE}",
            # Where `trustydetox.clean` was called.
            stacklevel=3,
        )
    return cleaned
