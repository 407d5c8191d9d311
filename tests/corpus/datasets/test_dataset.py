from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDataset,
    IterableDatasetDict,
    List,
    Value,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import Replacer, WordScorer, detoxifier
from tests.watched import Watched, workers
from trustydetox.corpus import Counts, clean_dataset, clean_file, read_manifest, revert_file
from trustydetox.corpus.choosing import choose
from trustydetox.embedded import FOLDER
from trustydetox.errors import ConfigError, ConflictError, InputError, ResourceError
from trustydetox.records import Toxicity

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of `datasets` that no other test sees."""
    place = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", place)
    return place


STUCK = detoxifier(infiller=Replacer({}))
FEATURES = Features(
    {
        "id": Value("int32"),
        "text": Value("string"),
        "kind": ClassLabel(names=["ham", "spam"]),
        "when": Value("timestamp[us]"),
        "raw": Value("binary"),
        "more": {"a": Value("float32"), "b": List(Value("int8"))},
    }
)


def plain(texts: Sequence[str | None]) -> Dataset:
    """A dataset with a column of each kind beside the text."""
    n = len(texts)
    return Dataset.from_dict(
        {
            "id": list(range(n)),
            "text": list(texts),
            "kind": [i % 2 for i in range(n)],
            "when": [i * 86_400 for i in range(n)],
            "raw": [b"\xff%d" % i for i in range(n)],
            "more": [{"a": 0.1, "b": [1, None]} for _ in range(n)],
        },
        features=FEATURES,
        split="train",
    )


def others(dataset: Any) -> Any:
    """All columns but the text, as they lie in the table."""
    return dataset.remove_columns("text").with_format("arrow")[:]


def test_texts_are_mended_and_all_else_comes_back_as_it_was() -> None:
    given_ = plain(["you idiot, come in", "fine", "damn", "moron"])
    given_.info.description = "four rows"
    cleaned = clean_dataset(given_, recipe=detoxifier())
    assert type(cleaned.dataset) is Dataset
    assert cleaned.dataset["text"][:] == ["you, come in", "fine", "damn", ""]
    assert others(cleaned.dataset) == others(given_)
    assert cleaned.dataset.features == FEATURES
    assert cleaned.dataset.column_names == given_.column_names
    assert (cleaned.dataset.info.description, cleaned.dataset.split) == ("four rows", "train")
    assert cleaned.counts == Counts(read=4, written=4, edited=2, texts=4, clean=2, rewritten=2)
    assert cleaned.report["rows"] == {"read": 4, "written": 4, "dropped": 0, "quarantined": 0}


def test_a_changed_column_would_be_noticed() -> None:
    given_ = plain(["fine"])
    assert others(given_) != others(given_.map(lambda row: {"id": row["id"] + 1}))
    assert given_.cast_column("id", Value("int64")).features != FEATURES


def test_the_rows_lie_in_a_file_and_nothing_is_applied_as_they_are_read() -> None:
    cleaned = clean_dataset(plain(["you idiot"]), recipe=detoxifier()).dataset
    assert [Path(one["filename"]).name for one in cleaned.cache_files] == ["cleaned.arrow"]
    assert cleaned.format["type"] is None
    assert cleaned.data.column("text").to_pylist() == ["you"]


def test_a_text_without_a_mend_takes_its_row_along_unless_told_otherwise() -> None:
    given_ = plain(["you idiot", "fine", "moron", "good", "you damn idiot"])
    dropped = clean_dataset(given_, recipe=STUCK)
    assert dropped.dataset["id"][:] == [1, 3]
    assert others(dropped.dataset) == others(given_.select([1, 3]))
    assert (dropped.counts.read, dropped.counts.written, dropped.counts.dropped) == (5, 2, 3)
    redacted = clean_dataset(given_, recipe=STUCK, fallback="redact")
    assert redacted.dataset["text"][:2] == ["you [removed]", "fine"]
    kept = clean_dataset(given_, recipe=STUCK, fallback="keep")
    assert kept.dataset["text"][:] == given_["text"][:]
    assert kept.counts == Counts(read=5, written=5, texts=5, clean=2, unresolved=3)


def test_a_row_that_cannot_be_read_is_left_out_counted_and_warned_of() -> None:
    with pytest.warns(UserWarning, match="left out, the first is row 1: .*'text', got null"):
        cleaned = clean_dataset(plain(["you idiot", None, "fine", None]), recipe=detoxifier())
    assert cleaned.dataset["id"][:] == [0, 2]
    assert (cleaned.counts.read, cleaned.counts.written, cleaned.counts.quarantined) == (4, 2, 2)
    assert list(cleaned.quarantined) == [1, 3]


def test_bytes_that_are_no_text_cost_their_row_alone() -> None:
    texts = pa.array([b"you idiot", b"\xff\xfe", b"fine"], pa.binary())
    table = pa.table(
        {"id": [0, 1, 2], "text": pa.Array.from_buffers(pa.string(), 3, texts.buffers())}
    )
    with pytest.warns(UserWarning, match="row 1: invalid UTF-8"):
        cleaned = clean_dataset(Dataset(table), recipe=detoxifier())
    assert cleaned.dataset[:] == {"id": [0, 2], "text": ["you", "fine"]}
    assert cleaned.counts.quarantined == 1


def test_a_message_that_python_cant_hold_costs_its_row_alone() -> None:
    message = pa.struct({"role": "str", "content": "str", "when": pa.timestamp("us")})
    chats = [[{"role": "assistant", "content": "an idiot", "when": at}] for at in (1, 2**62)]
    given_ = Dataset(pa.table({"id": [0, 1], "messages": pa.array(chats, pa.list_(message))}))
    with pytest.warns(UserWarning, match="row 1: a value that Python has no type for"):
        cleaned = clean_dataset(given_, recipe=detoxifier())
    assert cleaned.dataset["id"][:] == [0]
    assert cleaned.dataset[0]["messages"][0]["content"] == "an"


CHATS = [
    [{"role": "user", "content": "you idiot"}, {"role": "assistant", "content": "you moron, no"}],
    [{"role": "system", "content": "idiot"}, {"role": "assistant", "content": "fine"}],
]


def test_conversations_are_mended_message_by_message() -> None:
    given_ = Dataset.from_dict({"messages": CHATS, "n": [1, 2]})
    cleaned = clean_dataset(given_, recipe=detoxifier())
    assert cleaned.dataset["messages"][0][1]["content"] == "you, no"
    assert cleaned.dataset["messages"][0][0]["content"] == "you idiot"
    assert cleaned.dataset[1] == given_[1]
    assert cleaned.dataset.features == given_.features
    all_of_it = clean_dataset(
        given_, recipe=detoxifier(), roles={"user": "rewrite", "system": "rewrite"}
    )
    assert [row[0]["content"] for row in all_of_it.dataset["messages"]] == ["you", ""]


def test_pictures_in_a_message_keep_their_bytes_and_may_be_broken() -> None:
    part = {"type": Value("string"), "text": Value("string"), "image": Image()}
    features = Features({"messages": List({"role": Value("string"), "content": List(part)})})
    jpeg = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(jpeg, "JPEG")
    pictures = [
        {"bytes": jpeg.getvalue(), "path": None},
        {"bytes": b"no picture", "path": None},
        {"bytes": None, "path": "no-such-file.jpg"},
    ]
    rows = [
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "text": None, "image": picture}]},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "A cat, idiot.", "image": None}],
                },
            ]
        }
        for picture in pictures
    ]
    given_ = Dataset.from_list(rows, features=features)
    cleaned = clean_dataset(given_, recipe=detoxifier()).dataset
    assert cleaned.features == given_.features == features
    left = [row["messages"] for row in cleaned.with_format("arrow")[:].to_pylist()]
    assert [messages[0]["content"][0]["image"] for messages in left] == pictures
    assert {messages[1]["content"][0]["text"] for messages in left} == {"A cat,."}
    assert cleaned[0]["messages"][0]["content"][0]["image"].size == (16, 16)


@pytest.mark.parametrize("is_json", [False, True])
def test_what_an_unpaired_preference_rejects_stays_as_bad_as_it_is(is_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"completion": [{"role": "assistant", "content": "idiot"}], "label": False},
        {"completion": [{"role": "assistant", "content": "idiot"}], "label": True},
    ]
    if is_json:
        rows[1]["completion"][0]["name"] = 1
        rows[0]["completion"][0]["name"] = "x"
    given_ = Dataset.from_list(rows, on_mixed_types="use_json")
    assert ("Json" in str(given_.features)) is is_json
    cleaned = clean_dataset(given_, recipe=detoxifier()).dataset
    assert [row["completion"][0]["content"] for row in cleaned] == ["idiot", ""]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
def test_every_type_of_text_is_found(kind: str) -> None:
    features = Features({"prompt": Value("string"), "completion": Value(kind)})
    given_ = Dataset.from_dict({"prompt": ["hi"], "completion": ["an idiot"]}, features=features)
    cleaned = clean_dataset(given_, recipe=detoxifier()).dataset
    assert cleaned[:] == {"prompt": ["hi"], "completion": ["an"]}
    assert cleaned.features == features


def test_messages_of_different_shapes_keep_theirs() -> None:
    rows = [
        {"messages": [{"role": "assistant", "content": "moron", "tool_calls": [{"id": 1}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "an idiot"}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}]},
    ]
    given_ = Dataset.from_list(rows, on_mixed_types="use_json")
    cleaned = clean_dataset(given_, recipe=detoxifier())
    assert cleaned.dataset.features == given_.features
    assert [row["messages"][0] for row in cleaned.dataset] == [
        {"role": "assistant", "content": "", "tool_calls": [{"id": 1}]},
        {"role": "assistant", "content": [{"type": "text", "text": "an"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]},
    ]


def test_rows_that_were_chosen_and_shuffled_stay_in_their_new_order() -> None:
    given_ = plain(["a", "you idiot", "b", "moron c"]).select([3, 1, 0])
    cleaned = clean_dataset(given_, recipe=detoxifier())
    assert cleaned.dataset["text"][:] == [" c", "you", "a"]
    assert others(cleaned.dataset) == others(given_)


def test_a_format_stays_and_a_transform_is_refused() -> None:
    given_ = plain(["you idiot"]).with_format("numpy", columns=["id"], output_all_columns=True)
    cleaned = clean_dataset(given_, recipe=detoxifier()).dataset
    assert cleaned.format == given_.format
    assert isinstance(cleaned[0]["id"], np.int32)
    few = given_.with_format(None, columns=["id"])
    assert clean_dataset(few, recipe=detoxifier()).dataset[0] == {"id": 0}
    with pytest.raises(ConfigError, match="with_transform"):
        clean_dataset(given_.with_transform(lambda rows: rows), recipe=detoxifier())


def test_a_dictionary_of_datasets_gives_one_of_the_same_splits() -> None:
    given_ = DatasetDict(train=plain(["you idiot", "fine"]), test=plain(["moron"]))
    cleaned = clean_dataset(given_, recipe=STUCK)
    assert type(cleaned.dataset) is DatasetDict
    assert {name: split["id"][:] for name, split in cleaned.dataset.items()} == {
        "train": [1],
        "test": [],
    }
    assert (cleaned.counts.read, cleaned.counts.written, cleaned.counts.dropped) == (3, 1, 2)
    assert {name: one["rows"]["read"] for name, one in cleaned.report.items()} == {
        "train": 2,
        "test": 1,
    }
    streamed = clean_dataset(
        IterableDatasetDict({name: split.to_iterable_dataset() for name, split in given_.items()}),
        recipe=STUCK,
    )
    assert type(streamed.dataset) is IterableDatasetDict
    assert [row["id"] for row in streamed.dataset["train"]] == [1]


def test_an_empty_dataset_comes_back_empty() -> None:
    cleaned = clean_dataset(plain([]), recipe=detoxifier())
    assert len(cleaned.dataset) == 0
    assert cleaned.dataset.features == FEATURES
    assert cleaned.counts == Counts()


def test_more_rows_than_a_window_stay_in_order() -> None:
    texts = [f"idiot {i}" if i % 7 == 0 else f"fine {i}" for i in range(5000)]
    cleaned = clean_dataset(Dataset.from_dict({"text": texts}), recipe=detoxifier())
    assert cleaned.dataset["text"][:] == [text.removeprefix("idiot") for text in texts]


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (InputError, "no column is called 'txet'; did you mean 'text'", {"fields": ["txet"]}),
        (InputError, "column 'id' holds no text", {"fields": ["id"]}),
        (ConfigError, r"pass \[column\]", {"fields": "text"}),
        (
            ConfigError,
            "for 'user', got 'mend'; known: drop, flag, keep, redact, rewrite",
            {"roles": {"user": "mend"}},
        ),
        (
            ConfigError,
            "roles: expected a mapping such as {'user': 'rewrite'}, or 'user=rewrite', got list",
            {"roles": ["user"]},
        ),
        (
            ConfigError,
            "'human' and 'user' are one role, 'user': name it once",
            {"roles": {"human": "drop", "user": "drop"}},
        ),
        (ConfigError, "threshold must be in", {"threshold": 2.0}),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_so(
    error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        clean_dataset(plain(["you idiot"]), recipe=detoxifier(), **options)


def test_roles_may_be_written_as_on_a_command_line() -> None:
    cleaned = clean_dataset(plain(["you idiot"]), recipe=detoxifier(), roles="text=drop")
    assert len(cleaned.dataset) == 0


def test_a_role_that_no_text_had_is_a_warning() -> None:
    said = "no text had the role 'usr'; did you mean 'user'"
    with pytest.warns(UserWarning, match=said):
        clean_dataset(plain(["fine"]), recipe=detoxifier(), roles={"usr": "rewrite"})
    frame = pd.DataFrame({"text": ["fine"]})
    with pytest.warns(UserWarning, match=said):
        clean_dataset(frame, recipe=detoxifier(), roles={"usr": "rewrite"})


def test_columns_without_a_text_are_named() -> None:
    with pytest.raises(InputError, match="which column holds the text"):
        clean_dataset(Dataset.from_dict({"n": [1]}), recipe=detoxifier())


# ------------------------------------------------------------------------ cleaned once


def test_what_was_cleaned_before_is_read_from_the_cache(tmp_path: Path) -> None:
    log = tmp_path / "log"
    recipe = detoxifier(scorer=Watched(str(log)))
    first = clean_dataset(plain(["you idiot", "fine"]), recipe=recipe)
    done = workers(log)
    again = clean_dataset(plain(["you idiot", "fine"]), recipe=recipe)
    assert workers(log) == done != []
    assert again.dataset[:] == first.dataset[:]
    assert (again.counts, again.report) == (first.counts, first.report)
    clean_dataset(plain(["you idiot", "fine"]), recipe=recipe, fresh=True)
    assert len(workers(log)) > len(done)


def test_without_caching_nothing_stays(tmp_path: Path, cache: Path) -> None:
    log = tmp_path / "log"
    recipe = detoxifier(scorer=Watched(str(log)))
    datasets.disable_caching()
    try:
        cleaned = clean_dataset(plain(["you idiot"]), recipe=recipe)
        assert cleaned.dataset["text"][:] == ["you"]
        assert not cache.exists()
    finally:
        datasets.enable_caching()


def test_a_run_that_failed_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.touch()
    recipe = detoxifier(scorer=Failing(str(full)))
    with pytest.raises(ResourceError, match="out of memory"):
        clean_dataset(plain(["you idiot"]), recipe=recipe)
    full.unlink()
    assert clean_dataset(plain(["you idiot"]), recipe=recipe).dataset["text"][:] == ["you"]


@dataclass(frozen=True)
class Failing:
    """A scorer that runs out of memory while a file is there."""

    while_there: str

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        if Path(self.while_there).exists():
            raise ResourceError("out of memory")
        return WordScorer().score(texts)


def test_a_cache_that_cannot_be_written_is_one_line(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"can't write .*/trustydetox/"):
        clean_dataset(plain(["you idiot"]), recipe=detoxifier())


def test_a_full_disk_is_an_error_of_one_line(tmp_path: Path, cache: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from datasets import Dataset\n"
        "from tests.fakes import detoxifier\n"
        "from trustydetox import ResourceError, clean_dataset\n"
        "rows = Dataset.from_dict({'text': ['fine ' * 40] * 5000})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    clean_dataset(rows, recipe=detoxifier())\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    [line] = launched("-c", code, cache=cache)
    assert line.startswith(f"can't write {cache}/trustydetox/")
    assert not list(cache.rglob("outcome.json"))


def fingerprint(**options: Any) -> str:
    cleaned = clean_dataset(plain(["you idiot"]), **{"recipe": detoxifier(), **options})
    return str(cleaned.dataset._fingerprint)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.7},
        {"fallback": "keep"},
        {"fields": ["text"]},
        {"roles": {"user": "rewrite"}},
        {"recipe": detoxifier(scorer=WordScorer({"idiot": 0.8}))},
    ],
    ids=lambda options: next(iter(options)),
)
def test_another_setting_or_model_is_another_fingerprint(options: dict[str, Any]) -> None:
    assert fingerprint(**options) != fingerprint()
    assert fingerprint(**options) == fingerprint(**options)


def test_other_rows_are_another_fingerprint() -> None:
    one = clean_dataset(plain(["you idiot"]), recipe=detoxifier()).dataset
    other = clean_dataset(plain(["you moron"]), recipe=detoxifier()).dataset
    assert one._fingerprint != other._fingerprint


def test_what_the_cache_of_datasets_makes_of_it_is_found_again() -> None:
    def lengths(text: str) -> dict[str, int]:
        return {"length": len(text)}

    first = clean_dataset(plain(["you idiot"]), recipe=detoxifier()).dataset
    again = clean_dataset(plain(["you idiot"]), recipe=detoxifier()).dataset
    mapped = [one.map(lengths, input_columns="text") for one in (first, again)]
    assert mapped[0].cache_files == mapped[1].cache_files != []


def test_a_changed_weight_is_another_model(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "guide.safetensors").write_bytes(b"one")
    recipe = tmp_path / "own.yaml"
    mini = (ROOT / "trustydetox" / "recipes" / "mini.yaml").read_text("utf-8")
    recipe.write_text(mini.replace("guide: embedded", f"guide: {folder}"), "utf-8")
    before = choose(recipe, None, None)
    assert str(folder / "guide.safetensors") in before.models
    assert choose(recipe, None, None).models == before.models
    (folder / "guide.safetensors").write_bytes(b"two")
    assert choose(recipe, None, None).models != before.models
    assert choose("mini", None, None).models.keys() == {
        name for name in before.models if "/" not in name
    }
    assert (FOLDER / "guide.safetensors").name in choose("mini", None, None).models


def test_a_changed_file_of_a_recipe_is_another_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = ROOT / "tests" / "recipes"
    monkeypatch.syspath_prepend(str(fakes / "plugin"))
    (tmp_path / "weights").mkdir()
    words = tmp_path / "weights" / "known.words"
    words.write_bytes((FOLDER / "known.words").read_bytes())
    recipe = tmp_path / "own.yaml"
    check = f"\n  - step: nothing-new\n    known: {tmp_path / 'weights'}\n    view: detection\n"
    fake = (fakes / "fake.yaml").read_text("utf-8")
    recipe.write_text(fake.replace("\nthreshold", f"{check}threshold"), "utf-8")
    before = fingerprint(recipe=recipe)
    assert fingerprint(recipe=str(recipe)) == before
    words.write_bytes(words.read_bytes() + b"\xff" * 8)  # one more hash
    assert fingerprint(recipe=recipe) != before


def test_a_pipeline_that_cannot_be_hashed_is_cleaned_anew_each_time() -> None:
    foreign = iter("generators and iterators over them can't be pickled" for _ in range(1))
    recipe = detoxifier(is_foreign=lambda text: text in foreign)
    assert fingerprint(recipe=recipe) != fingerprint(recipe=recipe)


def launched(*command: str, cache: Path) -> list[str]:
    """The lines that `tests.watched` prints when started so."""
    done = subprocess.run(
        [sys.executable, *command],
        env={
            **os.environ,
            "HF_DATASETS_CACHE": str(cache),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_two_processes_of_a_launch_clean_once(tmp_path: Path, cache: Path) -> None:
    log = tmp_path / "log"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    lines = launched(*torchrun, "-m", "tests.watched", str(log), cache=cache)
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].split()[1:] == ["200", "400"]
    assert len(set(workers(log))) == 1
    # And so does a third that comes later, of another launch.
    done = workers(log)
    assert launched("-m", "tests.watched", str(log), cache=cache) == lines[:1]
    assert workers(log) == done
    # The control: where they share no cache, each does the work.
    launched("-m", "tests.watched", str(log), cache=cache / "other")
    assert len(set(workers(log))) == 2


# --------------------------------------------------------------------------- run folders


def test_a_run_folder_holds_what_that_of_a_file_holds(tmp_path: Path) -> None:
    rows = [{"text": "you idiot"}, {"text": "fine"}, {"text": None}, {"text": "moron, you"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    run, other = tmp_path / "run", tmp_path / "out.jsonl.detox"
    with pytest.warns(UserWarning, match="left out"):
        cleaned = clean_dataset(Dataset.from_list(rows), recipe=detoxifier(), run=run)
    assert (run / "records.jsonl").read_bytes() == (other / "records.jsonl").read_bytes()
    assert run.stat().st_mode & 0o777 == 0o700
    bad = json.loads((run / "quarantine.jsonl").read_bytes())
    assert (bad["row"], bad["reason"]) == (2, cleaned.quarantined[2])
    assert json.loads((run / "report.json").read_bytes()) == cleaned.report
    assert "<html" in (run / "report.html").read_text("utf-8")
    manifest, of_file = read_manifest(run), read_manifest(other)
    deciding = {"recipe", "models", "threshold", "fallback", "fields", "roles", "input", "output"}
    assert deciding | {"columns", "undo", "versions"} <= {*manifest} & {*of_file}
    assert manifest["counts"] == of_file["counts"]
    assert manifest["fingerprint"] == cleaned.dataset._fingerprint


def test_a_run_of_a_dataset_is_undone_into_parquet(tmp_path: Path) -> None:
    given_ = plain(["you idiot", "fine", "moron"])
    clean_dataset(given_, recipe=STUCK, run=tmp_path / "run")
    revert_file(tmp_path / "run", tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet") == given_.with_format("arrow")[:]


def test_a_run_folder_that_is_there_is_not_made_twice(tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    recipe = detoxifier(scorer=Watched(str(log)))
    clean_dataset(plain(["you idiot"]), recipe=recipe)
    without = workers(log)
    clean_dataset(plain(["you idiot"]), recipe=recipe, run=run)
    made = workers(log)
    assert len(made) > len(without), "the records must come from somewhere"
    clean_dataset(plain(["you idiot"]), recipe=recipe, run=run)
    assert workers(log) == made


def test_a_run_folder_of_other_settings_is_a_conflict(tmp_path: Path) -> None:
    run = tmp_path / "run"
    clean_dataset(plain(["you idiot"]), recipe=detoxifier(), run=run)
    with pytest.raises(ConflictError, match="threshold"):
        clean_dataset(plain(["you idiot"]), recipe=detoxifier(), threshold=0.7, run=run)
    with pytest.raises(ConflictError, match="input"):
        clean_dataset(plain(["you moron"]), recipe=detoxifier(), run=run)
    clean_dataset(plain(["you moron"]), recipe=detoxifier(), run=run, fresh=True)
    assert "moron" in (run / "records.jsonl").read_text()


def test_each_split_has_a_run_folder_of_its_own(tmp_path: Path) -> None:
    given_ = DatasetDict(train=plain(["you idiot"]), test=plain(["fine"]))
    clean_dataset(given_, recipe=detoxifier(), run=tmp_path / "run")
    assert read_manifest(tmp_path / "run" / "train")["counts"]["edited"] == 1
    assert read_manifest(tmp_path / "run" / "test")["counts"]["edited"] == 0


@pytest.mark.parametrize(
    "endless", [plain(["x"]).to_iterable_dataset(), pd.DataFrame({"text": ["x"]})], ids=type
)
def test_there_is_no_run_folder_of_what_is_no_dataset(tmp_path: Path, endless: Any) -> None:
    with pytest.raises(ConfigError, match="no run folder of"):
        clean_dataset(endless, recipe=detoxifier(), run=tmp_path / "run")


# ------------------------------------------------------------------------------- streams


@dataclass
class Source:
    """A stream of numbered rows, every fifth of them toxic, that counts what is taken from it."""

    rows: int
    taken: int = 0

    def __call__(self) -> Iterator[dict[str, Any]]:
        for i in range(self.rows):
            self.taken += 1
            yield {"id": i, "text": f"idiot {i}" if i % 5 == 0 else f"fine {i}"}

    def stream(self, features: Features | None = None) -> IterableDataset:
        return IterableDataset.from_generator(self.__iter__, features=features)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self()


CHAT = {"role": Value("string"), "content": Value("string")}
TYPED = Features({"id": Value("int16"), "text": Value("string")})


def mended(rows: int) -> list[dict[str, Any]]:
    return [{"id": i, "text": f" {i}" if i % 5 == 0 else f"fine {i}"} for i in range(rows)]


def test_a_stream_is_cleaned_while_it_is_read() -> None:
    source = Source(1000)
    cleaned = clean_dataset(source.stream(TYPED), recipe=detoxifier())
    assert type(cleaned.dataset) is IterableDataset
    assert cleaned.dataset.features == TYPED
    assert source.taken == 0
    rows = iter(cleaned.dataset)
    assert [next(rows) for _ in range(3)] == mended(3)
    assert 3 <= source.taken < 300
    assert cleaned.counts.read < 300
    assert [*mended(3), *rows] == mended(1000)
    assert cleaned.counts == Counts(
        read=1000, written=1000, edited=200, texts=1000, clean=800, rewritten=200
    )
    assert cleaned.report["rows"]["read"] == 1000


def test_a_stream_that_is_read_again_is_counted_again() -> None:
    cleaned = clean_dataset(Source(300).stream(TYPED), recipe=detoxifier())
    for _ in range(2):
        assert list(cleaned.dataset) == mended(300)
        assert cleaned.counts.read == 300


@pytest.mark.parametrize("stop", [1, 255, 256, 257, 700])
def test_a_stream_goes_on_where_it_stopped(stop: int) -> None:
    first = clean_dataset(plain_stream(700), recipe=STUCK).dataset
    rows = iter(first)
    before = list(islice(rows, stop))
    state = first.state_dict()
    second = clean_dataset(plain_stream(700), recipe=STUCK).dataset
    second.load_state_dict(state)
    whole = [row["id"] for row in clean_dataset(plain_stream(700), recipe=STUCK).dataset]
    assert whole == [i for i in range(700) if i % 5]
    assert [row["id"] for row in before] + [row["id"] for row in second] == whole


def plain_stream(rows: int) -> IterableDataset:
    table = {"id": list(range(rows)), "text": [row["text"] for row in Source(rows)]}
    return Dataset.from_dict(table, features=TYPED).to_iterable_dataset(num_shards=3)


def test_the_head_of_a_stream_is_cleaned_once_however_often_it_is_looked_at(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    recipe = detoxifier(scorer=Watched(str(log)))
    cleaned = clean_dataset(plain_stream(300), recipe=recipe)
    first = next(iter(cleaned.dataset))
    done = workers(log)
    assert next(iter(cleaned.dataset)) == first
    assert workers(log) == done != []
    assert [row["id"] for row in cleaned.dataset] == list(range(300))
    assert len(workers(log)) > len(done)
    assert cleaned.counts.read == 300


def test_a_stream_without_features_is_looked_into_once() -> None:
    source = Source(1000)
    cleaned = clean_dataset(source.stream(), recipe=detoxifier())
    assert cleaned.dataset.features is None
    assert 0 < source.taken < 150
    assert list(cleaned.dataset) == mended(1000)


def test_a_row_of_a_stream_that_cannot_be_read_is_left_out_and_counted() -> None:
    given_ = plain(["you idiot", None, "fine"]).to_iterable_dataset()
    cleaned = clean_dataset(given_, recipe=detoxifier())
    with pytest.warns(UserWarning, match="the first is row 1: .*'text', got null"):
        assert [row["id"] for row in cleaned.dataset] == [0, 2]
    assert (cleaned.counts.read, cleaned.counts.written, cleaned.counts.quarantined) == (3, 2, 1)
    assert list(cleaned.quarantined) == [1]


def test_a_stream_whose_columns_come_late_gives_no_text_unread() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for at in range(300):
            yield {"text": "fine", "completion": "you idiot" if at == 280 else None}

    cleaned = clean_dataset(IterableDataset.from_generator(rows), recipe=detoxifier())
    with pytest.warns(UserWarning, match="the first is row 280: column 'completion' held no text"):
        assert len(list(cleaned.dataset)) == 299
    assert cleaned.counts.quarantined == 1


AGENT = [{"messages": [{"role": "agent", "content": "you idiot"}]}]


def test_a_stream_says_once_that_nobody_reads_a_role() -> None:
    given_ = Dataset.from_list(AGENT * 600)
    cleaned = clean_dataset(given_.to_iterable_dataset(), recipe=detoxifier())
    for _ in range(2):
        with pytest.warns(UserWarning, match="left unread: .*'agent'") as caught:
            assert len(list(cleaned.dataset)) == 600
        assert len(caught) == 1
    read = clean_dataset(given_.to_iterable_dataset(), recipe=detoxifier(), roles="agent=rewrite")
    assert next(iter(read.dataset))["messages"][0]["content"] == "you"


def test_a_result_from_the_cache_says_again_what_may_surprise() -> None:
    for _ in range(2):
        with pytest.warns(UserWarning, match="left unread: 1 .*'agent'"):
            clean_dataset(Dataset.from_list(AGENT), recipe=detoxifier())


def test_a_stream_without_features_or_rows_is_refused() -> None:
    with pytest.raises(InputError, match="holds no row"):
        clean_dataset(Source(0).stream(), recipe=detoxifier())
    assert list(clean_dataset(Source(0).stream(TYPED), recipe=detoxifier()).dataset) == []


def test_the_format_of_a_stream_stays() -> None:
    given_ = Dataset.from_list(
        [
            {"completion": [{"role": "assistant", "content": "idiot"}], "label": bad}
            for bad in (0, 1)
        ],
        features=Features({"completion": List(CHAT), "label": Value("bool")}),
    ).to_iterable_dataset()
    cleaned = clean_dataset(given_.with_format("numpy"), recipe=detoxifier()).dataset
    rows = list(cleaned)
    assert all(isinstance(row["label"], np.bool_ | np.ndarray) for row in rows)
    assert [row["completion"][0]["content"] for row in rows] == ["idiot", ""]
    tables = clean_dataset(given_.with_format("arrow"), recipe=detoxifier()).dataset
    assert all(isinstance(one, pa.Table) for one in tables)


# --------------------------------------------------------------------------- data frames


def test_a_data_frame_keeps_its_index_types_and_other_columns() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int8"),
            "text": ["you idiot", "fine", "moron"],
            "when": pd.to_datetime(["2024-01-01"] * 3),
        },
        index=pd.Index(["x", "y", "z"], name="key"),
    )
    copy = frame.copy(deep=True)
    cleaned = clean_dataset(frame, recipe=STUCK, fallback="redact")
    assert type(cleaned.dataset) is pd.DataFrame
    assert cleaned.dataset["text"].tolist() == ["you [removed]", "fine", "[removed]"]
    pd.testing.assert_frame_equal(cleaned.dataset.drop(columns="text"), copy.drop(columns="text"))
    assert cleaned.dataset.dtypes.equals(copy.dtypes)
    pd.testing.assert_frame_equal(frame, copy)
    dropped = clean_dataset(frame, recipe=STUCK)
    pd.testing.assert_frame_equal(dropped.dataset, copy.loc[["y"]])
    assert (dropped.counts.read, dropped.counts.written, dropped.counts.dropped) == (3, 1, 2)


def test_conversations_in_a_frame_from_parquet_are_arrays_and_stay_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"messages": CHATS}), tmp_path / "chats.parquet")
    frame = pd.read_parquet(tmp_path / "chats.parquet")
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["messages"][0][1]["content"] == "you, no"
    assert type(cleaned["messages"][0]) is type(cleaned["messages"][1]) is np.ndarray
    assert cleaned["messages"][1] is frame["messages"][1]


@pytest.mark.filterwarnings("ignore:rows that can't be read")
def test_what_is_missing_in_a_frame_is_left_out_and_counted() -> None:
    frame = pd.DataFrame({"text": ["you idiot", None, float("nan"), pd.NA, "fine"]}, dtype=object)
    cleaned = clean_dataset(frame, recipe=detoxifier())
    assert cleaned.dataset["text"].to_dict() == {0: "you", 4: "fine"}
    assert list(cleaned.quarantined) == [1, 2, 3]


WORDS = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), WORDS], ids=str)
@pytest.mark.filterwarnings("ignore:rows that can't be read")
def test_texts_of_arrow_in_a_frame_come_back_as_texts_of_arrow(kind: pa.DataType) -> None:
    frame = pd.DataFrame({"text": pd.array(["you idiot", None, "fine"], dtype=pd.ArrowDtype(kind))})
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["text"].to_dict() == {0: "you", 2: "fine"}
    assert cleaned.dtypes.equals(frame.dtypes)


def test_conversations_of_arrow_in_a_frame_come_back_as_such() -> None:
    message = pa.struct({"role": "str", "content": "str"})
    chats = pd.array(CHATS, dtype=pd.ArrowDtype(pa.list_(message)))
    frame = pd.DataFrame({"messages": chats, "n": pd.array([1, 2], dtype=pd.ArrowDtype(pa.int8()))})
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["messages"][0][1]["content"] == "you, no"
    assert cleaned["messages"][1] == CHATS[1]
    assert cleaned.dtypes.equals(frame.dtypes)


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"text": "category"}, []),
        ({"comment": "category"}, []),
        ({"comment": "category", "other": "str"}, ["comment"]),
        ({"prompt": "category", "completion": "str"}, []),
    ],
)
def test_categories_that_are_to_be_cleaned_are_refused_with_what_to_do(
    columns: dict[str, str], fields: list[str]
) -> None:
    frame = pd.DataFrame({name: ["you idiot", "fine"] for name in columns}).astype(columns)
    column = next(iter(columns))
    with pytest.raises(InputError, match=rf"'{column}' holds categories, .*\.astype\(object\)"):
        clean_dataset(frame, recipe=detoxifier(), fields=fields)


def test_categories_beside_the_text_stay_as_they_are() -> None:
    frame = pd.DataFrame({"text": ["an idiot", "a"], "kind": pd.Categorical(["x", "y"])})
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["text"].tolist() == ["an", "a"]
    assert cleaned["kind"].equals(frame["kind"])


def test_a_column_of_a_frame_may_have_any_name() -> None:
    frame = pd.DataFrame({"self": ["you idiot", "fine"]})
    assert clean_dataset(frame, recipe=detoxifier()).dataset["self"].tolist() == ["you", "fine"]


def test_a_frame_whose_columns_have_no_names_is_refused() -> None:
    with pytest.raises(InputError, match=r"named by strings, got int: name them"):
        clean_dataset(pd.DataFrame([["a", "b"]]), recipe=detoxifier())


def test_columns_of_a_frame_without_a_text_are_named() -> None:
    with pytest.raises(InputError, match="columns: 'n', 'x'; name it"):
        clean_dataset(pd.DataFrame({"n": [1], "x": [None]}), recipe=detoxifier())


def test_cells_of_a_frame_may_hold_anything_beside_the_text() -> None:
    odd = [pd.Series([1, 2]), np.array([[1, 2], [3, 4]]), {1}, pd.DataFrame({"a": [1, 2]})]
    frame = pd.DataFrame({"odd": odd, "text": ["an idiot", "b", "c", "d"]})
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["text"].tolist() == ["an", "b", "c", "d"]
    assert all(one is other for one, other in zip(cleaned["odd"], odd, strict=True))


def test_a_column_whose_first_texts_come_late_is_cleaned_too() -> None:
    late = [None] * 3000 + ["an idiot"]
    frame = pd.DataFrame({"text": ["you idiot"] * 3001, "completion": late}).iloc[-1:]
    whole = pd.DataFrame({"prompt": ["hi"] * 3001, "completion": late})
    assert clean_dataset(frame, recipe=detoxifier()).dataset.iloc[0].tolist() == ["you", "an"]
    with pytest.warns(UserWarning, match="row 0: .*'completion', got null"):
        cleaned = clean_dataset(whole, recipe=detoxifier())
    assert cleaned.dataset["completion"].to_dict() == {3000: "an"}


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object", "int8"])
def test_a_frames_label_keeps_what_is_rejected(dtype: str) -> None:
    frame = pd.DataFrame({"completion": ["an idiot"] * 2, "label": [np.False_, np.True_]})
    frame = frame.astype({"label": dtype})
    cleaned = clean_dataset(frame, recipe=detoxifier()).dataset
    assert cleaned["completion"].tolist() == ["an idiot", "an"]


def test_a_frame_with_two_columns_of_one_name_is_refused() -> None:
    with pytest.raises(InputError, match="two columns"):
        clean_dataset(pd.DataFrame([["a", "b"]], columns=["text", "text"]), recipe=detoxifier())


# ----------------------------------------------------------------------------------- law

TEXTS = st.lists(st.sampled_from(["idiot", "moron", "fine", "a b", "", "damn"]), max_size=4).map(
    " ".join
)


@pytest.mark.filterwarnings("ignore:rows that can't be read")
@given(rows=st.lists(st.none() | TEXTS, min_size=1, max_size=8), shape=st.sampled_from("dsf"))
@settings(max_examples=30)
def test_whatever_holds_the_rows_each_text_is_cleaned_as_it_is_alone(
    rows: list[str | None], shape: str
) -> None:
    table = Dataset.from_dict(
        {"text": rows, "id": list(range(len(rows)))},
        features=Features({"text": Value("string"), "id": Value("int64")}),
    )
    holder: dict[str, Callable[[], Any]] = {
        "d": lambda: table,
        "s": table.to_iterable_dataset,
        "f": lambda: pd.DataFrame({"text": pd.array(rows, dtype="string"), "id": range(len(rows))}),
    }
    picky = replace(STUCK, infiller=Replacer({"idiot": ["person"]}))
    wanted = []
    for number, text in enumerate(rows):
        [record] = picky.run([text or ""])
        if text is not None and record.output is not None:
            wanted.append((number, record.output))
    if shape == "f" and not any(isinstance(text, str) for text in rows):
        return  # a frame without a text holds no column of texts
    cleaned = clean_dataset(holder[shape](), recipe=picky)
    found = cleaned.dataset
    rows_left = found.to_dict("records") if shape == "f" else found
    assert [(row["id"], row["text"]) for row in rows_left] == wanted
    counts = cleaned.counts
    assert counts.read == len(rows) == counts.written + counts.dropped + counts.quarantined
    assert counts.quarantined == rows.count(None)
