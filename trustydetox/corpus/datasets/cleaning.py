"""Datasets in Python: the same type back, cleaned, and what there is to say of it.

The pipeline never runs inside `Dataset.map`: that hashes and pickles the models, starts processes
that each load them, and cleans once per process of a launch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from trustydetox.corpus.choosing import Chosen, actions, choose
from trustydetox.corpus.datasets.arrowrows import CleanedTable, DatasetReader
from trustydetox.corpus.datasets.caching import Entry, cached
from trustydetox.corpus.datasets.frames import FrameReader, with_edits
from trustydetox.corpus.datasets.mending import (
    Account,
    Edits,
    Outcome,
    mend,
    warn_of_bad_rows,
    warn_of_roles,
)
from trustydetox.corpus.datasets.streaming import stream_of
from trustydetox.corpus.reading import NO_ROLES, PassageReader, surprises
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import COPY, RunFolder, read_manifest, versions
from trustydetox.corpus.runs.outputs import Digested, plain_errors
from trustydetox.detoxifier import Detoxifier, Fallback
from trustydetox.errors import ConfigError, InputError
from trustydetox.recipes import Policy, read_policy
from trustydetox.roles import Action

ORIGINAL = f"{COPY}.parquet"
"""The rows as they came, in a run folder."""


@dataclass(frozen=True)
class Cleaned:
    """A cleaned dataset, and what became of its rows.

    dataset: of the type that was given.
    splits: of a dictionary of datasets, each by its name; else empty.
    """

    dataset: Any
    _outcome: Callable[[], Outcome] | None
    splits: Mapping[str, Cleaned]

    @property
    def counts(self) -> Counts:
        """`read == written + dropped + quarantined`, summed over splits; of a stream, so far."""
        if self._outcome is not None:
            return self._outcome().counts
        each = [split.counts for split in self.splits.values()]
        names = [one.name for one in fields(Counts)]
        return Counts(**{name: sum(getattr(one, name) for one in each) for name in names})

    @property
    def report(self) -> Mapping[str, Any]:
        """The content of a run's `report.json`, one per split; of a stream, so far."""
        if self._outcome is not None:
            return self._outcome().report
        return {name: split.report for name, split in self.splits.items()}

    @property
    def quarantined(self) -> Mapping[int, str]:
        """Rows that can't be read, by position, and why; the first thousand, of no splits."""
        return {} if self._outcome is None else self._outcome().quarantined


class _Job(NamedTuple):
    """How to clean whatever comes."""

    chosen: Chosen
    fields: Sequence[str]
    roles: Mapping[str, Action]
    thresholds: Mapping[str, float]
    run: Path | None
    fresh: bool


def clean_dataset(
    dataset: Any,
    *,
    recipe: str | Path | Detoxifier = "mini",
    policy: str | Path | None = None,
    threshold: float | None = None,
    fallback: Fallback | None = None,
    fields: Sequence[str] = (),
    roles: Mapping[str, str] | str = NO_ROLES,
    run: str | Path | None = None,
    fresh: bool = False,
) -> Cleaned:
    """A dataset with its toxic spans mended, and counts and a report of what was done.

    Columns, features, order and every row without an edit are as they were. A row with a text
    that can't be mended is dropped, unless `fallback` says otherwise; one that can't be read is
    left out, counted, and a warning says so.

    dataset: a `Dataset`, an `IterableDataset`, a dictionary of either, or a pandas data frame,
        whose rows keep their index. A `Dataset` is cleaned once: the result lies in the cache of
        `datasets` under a fingerprint of the data, all settings and the models' hashes, and
        processes that are started together wait for the one that cleans. A stream is cleaned
        while it is read, each time anew, and counted in the process that reads it.
    policy: a built-in policy's name or the path of a YAML file; its budgets are for the reader
        of the report to check.
    fallback: None is the policy's or the recipe's; built-in recipes drop.
    fields: the columns to clean; without them TRL's, of which `prompt` and `rejected` are only
        scored, else the only one that holds text or conversations.
    roles: role -> `rewrite`, `redact`, `drop`, `flag` or `keep`, or the same as
        `"user=rewrite,assistant=drop"`: what becomes of whose toxic
        words, in conversations and in columns of one text. Without it what the assistant says is
        rewritten, what the user says is flagged.
    run: a folder for records, report, quarantine and the rows as they came, like that of
        `trustydetox clean`; of a dictionary, a folder with one for each split. Datasets only.
    fresh: clean anew, whatever the cache holds, and replace a finished run in `run`.
    """
    if isinstance(fields, str):
        raise ConfigError("fields: expected a list of columns, got one str: pass [column]")
    rules = Policy() if policy is None else read_policy(policy)
    chosen = choose(recipe, threshold, fallback, rules)
    return clean_with(chosen, rules, dataset, fields=fields, roles=roles, run=run, fresh=fresh)


def clean_with(
    chosen: Chosen,
    rules: Policy,
    dataset: Any,
    *,
    fields: Sequence[str] = (),
    roles: Mapping[str, str] | str = NO_ROLES,
    run: str | Path | None = None,
    fresh: bool = False,
) -> Cleaned:
    """What `clean_dataset` gives, by a pipeline that was chosen under these rules already."""
    job = _Job(
        chosen,
        tuple(fields),
        rules.actions | actions(roles),
        rules.thresholds,
        None if run is None else Path(run),
        fresh,
    )
    cleaned = _clean(dataset, job)
    for one in (cleaned, *cleaned.splits.values()):
        warn_of_bad_rows(one.quarantined)
    return cleaned


def _clean(dataset: Any, job: _Job) -> Cleaned:
    kinds = {
        ("datasets", "Dataset"): _clean_arrow,
        ("datasets", "IterableDataset"): _clean_stream,
        ("datasets", "DatasetDict"): _clean_splits,
        ("datasets", "IterableDatasetDict"): _clean_splits,
        ("pandas", "DataFrame"): _clean_frame,
    }
    for kind in type(dataset).__mro__:
        # By name, so that nothing is imported that the caller hasn't.
        cleaner = kinds.get((kind.__module__.partition(".")[0], kind.__name__))
        if cleaner is not None:
            return cleaner(dataset, job)
    raise ConfigError(
        "expected a dataset of `datasets`, a dictionary of them, a pandas DataFrame or, for "
        f"trustydetox.clean, a str or a list of str, got {type(dataset).__name__}"
    )


def _clean_splits(dataset: Any, job: _Job) -> Cleaned:
    if job.run is not None:
        job.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    splits = {
        name: _clean(split, job._replace(run=None if job.run is None else job.run / name))
        for name, split in dataset.items()
    }
    return Cleaned(
        type(dataset)({name: split.dataset for name, split in splits.items()}), None, splits
    )


def _clean_stream(dataset: Any, job: _Job) -> Cleaned:
    _require_no_run(job, "an IterableDataset, which may never end")
    cleaned, stream = stream_of(dataset, job.chosen, job.fields, job.roles, job.thresholds)
    return Cleaned(cleaned, lambda: stream.outcome, {})


def _clean_frame(frame: Any, job: _Job) -> Cleaned:
    _require_no_run(job, "a data frame: Dataset.from_pandas makes a Dataset of it")
    account = Account(job.chosen.recipe)
    edits: list[Edits | None] = []
    passages = PassageReader(FrameReader(frame, job.fields), job.fields, job.roles, job.thresholds)
    for window in passages:
        edits += mend(window, job.chosen.detoxifier, account)
    warn_of_roles(surprises(job.roles, passages.heard))
    outcome = account.outcome
    return Cleaned(with_edits(frame, edits), lambda: outcome, {})


def _require_no_run(job: _Job, kind: str) -> None:
    if job.run is not None:
        raise ConfigError(f"run: there is no run folder of {kind}")


def _clean_arrow(dataset: Any, job: _Job) -> Cleaned:
    if dataset.format["type"] == "custom":
        raise ConfigError(
            "the dataset has a transform that is applied as it is read (with_transform): "
            "make its rows with map first"
        )
    fingerprint = _fingerprint(dataset, job)
    with cached(fingerprint) as entry:
        if job.fresh or not entry.is_whole or not _has_run(job.run, fingerprint):
            _clean_into(entry, dataset, job, fingerprint)
        outcome = entry.outcome()
        warn_of_roles(outcome.surprises)
        return Cleaned(entry.dataset(like=dataset), lambda: outcome, {})


def _fingerprint(dataset: Any, job: _Job) -> str:
    """The same in every process that cleans the same rows in the same way."""
    what = {
        "rows": dataset._fingerprint,
        "recipe": job.chosen.recipe,
        "models": job.chosen.models,
        "fields": job.fields,
        "roles": job.roles,
        "thresholds": job.thresholds,
        "version": versions().get("trustydetox"),
    }
    content = json.dumps(what, sort_keys=True, default=str).encode()
    return hashlib.sha256(content).hexdigest()[:32]


def _has_run(run: Path | None, fingerprint: str) -> bool:
    """Whether the run folder that is wanted, if any, is there already."""
    if run is None:
        return True
    try:
        return bool(read_manifest(run)["fingerprint"] == fingerprint)
    except (InputError, KeyError):
        return False


def _clean_into(entry: Entry, dataset: Any, job: _Job, fingerprint: str) -> None:
    """Clean a dataset into its place in the cache, and write its run folder if one is wanted."""
    with plain_errors(str(entry.part)), ExitStack() as stack:
        plan = _plan(dataset, job)
        passages = PassageReader(DatasetReader(dataset), job.fields, job.roles, job.thresholds)
        folder = original = None
        if job.run is not None:
            folder = stack.enter_context(RunFolder(job.run, plan, fresh=job.fresh))
            original = Digested(folder.open(ORIGINAL))
        account = Account(plan["recipe"], folder)
        with CleanedTable(dataset, fingerprint, entry.part, original) as table:
            for window in passages:
                if window:
                    edits = mend(window, job.chosen.detoxifier, account)
                    table.add([found.row for found in window], edits)
        said = surprises(job.roles, passages.heard)
        outcome = replace(account.outcome, surprises=said)
        if folder is not None and original is not None:
            plan["fingerprint"] = fingerprint
            plan["columns"] = {} if passages.columns is None else dict(passages.columns.actions)
            plan["input"] |= {"bytes": original.size, "sha256": original.hash.hexdigest()}
            plan["counts"] = asdict(outcome.counts)
            plan["undo"] = ORIGINAL
            for name, content in account.documents().items():
                folder.open(name).write(content.encode())
            folder.seal(plan)
            folder.finish()
        entry.put(outcome)


def _plan(dataset: Any, job: _Job) -> dict[str, Any]:
    """What is known of the manifest before the run; its output is the cache's, not a file."""
    return {
        "recipe": job.chosen.recipe,
        "models": job.chosen.models,
        "threshold": job.chosen.recipe["threshold"],
        "fallback": job.chosen.recipe["fallback"],
        "fields": list(job.fields),
        "roles": dict(job.roles),
        "thresholds": dict(job.thresholds),
        "input": {"path": "dataset", "fingerprint": dataset._fingerprint},
        "output": {"path": "-"},
    }
