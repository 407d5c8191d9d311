from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import detoxifier
from trustydetox.corpus import clean_file, read_manifest, revert_file, run_folder
from trustydetox.errors import ConfigError, ConflictError, InputError
from trustydetox.roles import Action

ROOT = Path(__file__).parents[3]
DATA = b'{"text": "you idiot"}\n{"text": "fine"}\nbad\n'
LEFT = b'{"text": "you"}\n{"text": "fine"}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(DATA)
    return tmp_path / "in.jsonl"


@pytest.fixture
def output(source: Path) -> Path:
    """The output of a finished run."""
    target = source.with_name("out.jsonl")
    clean_file(source, target, detoxifier=detoxifier(), settings={"recipe": "mini", "list": ["a"]})
    return target


def test_the_run_folder_lies_beside_the_output() -> None:
    assert run_folder("a/out.jsonl") == Path("a/out.jsonl.detox")


def _state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


SETTINGS = {"recipe": "mini", "list": ["a"]}


def test_a_run_that_is_done_is_not_done_again(source: Path, output: Path) -> None:
    before = _state(source.parent)
    counts = clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS)
    assert (counts.read, counts.written, counts.rewritten) == (3, 2, 1)
    assert _state(source.parent) == before
    clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS, fresh=True)
    after = _state(source.parent)
    assert after["out.jsonl"][1] != before["out.jsonl"][1]
    plan = "out.jsonl.detox/ledger/plan.json"
    assert {name: content for name, (content, _) in after.items() if name != plan} == {
        name: content for name, (content, _) in before.items() if name != plan
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda output: output.unlink(),
        lambda output: output.write_text(""),
        lambda output: (run_folder(str(output)) / "records.jsonl").unlink(),
    ],
)
def test_a_run_that_lost_something_is_done_again(
    source: Path, output: Path, damage: Callable[[Path], object]
) -> None:
    folder = run_folder(str(output))
    records = (folder / "records.jsonl").read_bytes()
    damage(output)
    clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS)
    assert output.read_bytes() == LEFT
    assert (folder / "records.jsonl").read_bytes() == records


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"settings": {"recipe": "other", "list": ["a"]}}, "recipe ('mini', now 'other')"),
        ({"settings": {"recipe": "mini", "list": ["b"]}}, "settings: list (['a'], now ['b'])"),
        ({"fields": ["text"]}, "fields ([], now ['text'])"),
        ({"detoxifier": detoxifier(threshold=0.6)}, "threshold (0.5, now 0.6)"),
        ({"detoxifier": detoxifier(fallback="keep")}, "fallback ('drop', now 'keep')"),
    ],
)
def test_a_finished_run_with_other_settings_is_a_conflict_that_names_the_difference(
    source: Path, output: Path, changed: dict[str, object], message: str
) -> None:
    given: dict[str, object] = {
        "detoxifier": detoxifier(),
        "settings": {"recipe": "mini", "list": ["a"]},
    }
    with pytest.raises(ConflictError) as caught:
        clean_file(source, output, **{**given, **changed})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert output.read_bytes() == LEFT
    clean_file(source, output, **{**given, **changed}, fresh=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"roles": {"user": Action.REWRITE}}, "roles: user ('rewrite', now None)"),
        ({"thresholds": {"assistant": 0.2}}, "thresholds: assistant (0.2, now None)"),
        ({"settings": {"recipe": "mini", "review": "abc"}}, "settings: review ('abc', now None)"),
    ],
)
def test_a_finished_run_with_more_settings_is_a_conflict_too(
    source: Path, more: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"detoxifier": detoxifier(), "settings": {"recipe": "mini"}}
    target = source.with_name("out.jsonl")
    clean_file(source, target, **{**given, **more})
    with pytest.raises(ConflictError) as caught:
        clean_file(source, target, **given)
    assert message in str(caught.value)


def test_an_unfinished_run_with_more_settings_is_a_conflict_too(source: Path) -> None:
    def stop(rows: int, share: float | None) -> None:
        if rows > 1:
            raise KeyboardInterrupt

    target, roles = source.with_name("out.jsonl"), {"user": Action.REWRITE}
    with pytest.raises(KeyboardInterrupt):
        clean_file(
            source, target, detoxifier=detoxifier(), roles=roles, shard_rows=1, progress=stop
        )
    with pytest.raises(ConflictError, match="was begun by a run with another roles: user"):
        clean_file(source, target, detoxifier=detoxifier(), shard_rows=1)


@pytest.mark.parametrize("is_fresh", [False, True])
def test_no_run_loses_what_people_decided_about_the_one_that_it_replaces(
    source: Path, output: Path, is_fresh: bool
) -> None:
    decisions = b'{"decision": "keep"}\n'
    review = run_folder(str(output)) / "review.jsonl"
    review.write_bytes(decisions)
    output.unlink()
    clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS, fresh=is_fresh)
    assert output.read_bytes() == LEFT
    assert review.read_bytes() == decisions
    assert review.stat().st_mode & 0o777 == 0o600


def test_a_run_that_is_killed_between_two_renames_keeps_what_people_decided(
    source: Path, output: Path
) -> None:
    folder = run_folder(str(output))
    (folder / "review.jsonl").write_bytes(b'{"decision": "keep"}\n')
    folder.rename(folder.with_name(f".{folder.name}.old"))
    clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS)
    assert (folder / "review.jsonl").read_bytes() == b'{"decision": "keep"}\n'


def test_a_finished_run_over_another_input_is_a_conflict(source: Path, output: Path) -> None:
    source.write_bytes(DATA + DATA)
    with pytest.raises(ConflictError, match="input"):
        clean_file(
            source, output, detoxifier=detoxifier(), settings={"recipe": "mini", "list": ["a"]}
        )
    clean_file(source, output, detoxifier=detoxifier(), fresh=True)
    assert output.read_bytes() == LEFT * 2


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_folder_that_is_no_run_is_never_replaced(source: Path, is_fresh: bool) -> None:
    folder = source.with_name("mine")
    folder.mkdir()
    (folder / "letter").write_text("dear")
    with pytest.raises(ConflictError, match="something else than a finished run"):
        clean_file(
            source,
            source.with_name("out.jsonl"),
            detoxifier=detoxifier(),
            run=folder,
            fresh=is_fresh,
        )
    assert (folder / "letter").read_text() == "dear"


def test_an_empty_folder_may_become_a_run_folder(source: Path) -> None:
    folder = source.with_name("mine")
    folder.mkdir(mode=0o755)
    clean_file(source, source.with_name("out.jsonl"), detoxifier=detoxifier(), run=folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert read_manifest(folder)["output"]["path"] == "out.jsonl"


def test_a_file_in_the_place_of_the_run_folder_is_refused(source: Path) -> None:
    source.with_name("mine").write_text("x")
    with pytest.raises(ConfigError, match="a file has that name"):
        clean_file(
            source,
            source.with_name("out.jsonl"),
            detoxifier=detoxifier(),
            run=source.with_name("mine"),
        )


def test_a_run_folder_needs_a_place(source: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere isn't there"):
        clean_file(
            source,
            source.with_name("out.jsonl"),
            detoxifier=detoxifier(),
            run=source.parent / "nowhere" / "run",
        )


def test_two_runs_on_one_folder_are_a_conflict(source: Path) -> None:
    part = source.with_name(".out.jsonl.detox.part")
    part.mkdir()
    handle = os.open(part, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ConflictError, match="another run is writing"):
        clean_file(source, source.with_name("out.jsonl"), detoxifier=detoxifier())
    os.close(handle)
    clean_file(source, source.with_name("out.jsonl"), detoxifier=detoxifier())


def test_what_a_killed_run_left_behind_is_cleared(source: Path, output: Path) -> None:
    folder = run_folder(str(output))
    part = folder.with_name(f".{folder.name}.part")
    (part / "ledger").mkdir(parents=True)
    (part / "records.jsonl").write_text("half a line")
    folder.rename(folder.with_name(f".{folder.name}.old"))
    clean_file(source, output, detoxifier=detoxifier(), settings=SETTINGS)
    assert sorted(path.name for path in source.parent.iterdir()) == [
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.detox",
    ]
    revert_file(folder, source.with_name("again.jsonl"))
    assert source.with_name("again.jsonl").read_bytes() == DATA


KILLED = """
import sys, time
from tests.fakes import detoxifier
from trustydetox.corpus import clean_file

def wait(rows, share):
    print("window", flush=True)
    time.sleep(60)

clean_file("in.txt", "out.txt", detoxifier=detoxifier(), progress=wait)
"""


def test_a_run_that_is_killed_leaves_no_output_and_runs_again(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"you idiot\n" * 3000)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"window\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out.txt").exists()
    assert not (tmp_path / "out.txt.detox").exists()
    clean_file(tmp_path / "in.txt", tmp_path / "out.txt", detoxifier=detoxifier())
    assert (tmp_path / "out.txt").read_bytes() == b"you\n" * 3000
    assert len(list(tmp_path.iterdir())) == 3


def test_an_output_that_was_changed_since_cant_be_undone(source: Path, output: Path) -> None:
    output.write_bytes(LEFT + b"\n")
    with pytest.raises(ConflictError, match=r"out\.jsonl was changed since the run"):
        revert_file(run_folder(str(output)), source.with_name("again.jsonl"))
    assert not source.with_name("again.jsonl").exists()


def test_an_output_that_is_gone_cant_be_undone(source: Path, output: Path) -> None:
    output.unlink()
    with pytest.raises(InputError, match="is needed to undo the run"):
        revert_file(run_folder(str(output)), source.with_name("again.jsonl"))


def test_a_copy_is_restored_without_the_output(source: Path) -> None:
    target = source.with_name("out.csv")
    clean_file(source, target, detoxifier=detoxifier())
    target.unlink()
    revert_file(run_folder(str(target)), source.with_name("again.jsonl"))
    assert source.with_name("again.jsonl").read_bytes() == DATA


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data.replace(b"bad", b"sad"), None),
        (lambda data: b"", "isn't the input of the run"),
        (lambda data: data[:30], "is damaged"),
        (lambda data: b"{}\n", "is damaged"),
        (lambda data: None, "is damaged"),
    ],
)
def test_a_damaged_ledger_restores_nothing(
    source: Path, output: Path, damage: object, message: str | None
) -> None:
    assert callable(damage)
    ledger = run_folder(str(output)) / "ledger" / "changes.jsonl"
    left = damage(ledger.read_bytes())
    if left is None:
        ledger.unlink()
    else:
        ledger.write_bytes(left)
    again = source.with_name("again.jsonl")
    if message is None:
        revert_file(run_folder(str(output)), again)
        assert again.read_bytes() == DATA
        return
    with pytest.raises(ConflictError, match=message):
        revert_file(run_folder(str(output)), again)
    assert not again.exists()


def test_a_run_is_not_restored_over_itself(output: Path) -> None:
    folder = run_folder(str(output))
    for target in (output, folder / "records.jsonl"):
        with pytest.raises(ConfigError, match="belongs to the run"):
            revert_file(folder, target)


def test_a_run_and_its_output_can_be_moved_together(source: Path, output: Path) -> None:
    moved = source.parent / "moved"
    moved.mkdir()
    output.rename(moved / output.name)
    run_folder(str(output)).rename(moved / "out.jsonl.detox")
    revert_file(moved / "out.jsonl.detox", source.with_name("again.jsonl"))
    assert source.with_name("again.jsonl").read_bytes() == DATA


@pytest.mark.parametrize("content", [None, b"nope", b"[]", b'{"schema_version": 99}'])
def test_a_folder_without_a_readable_manifest_is_no_run(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        read_manifest(tmp_path)


MEASURED = """
import resource, sys
from tests.fakes import detoxifier
from trustydetox.corpus import clean_file

clean_file(sys.argv[1], sys.argv[2], detoxifier=detoxifier(), fields=["text"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak(tmp_path: Path, rows: int) -> int:
    name = f"{rows}.jsonl"
    line = json.dumps({"id": 1, "text": "quite an ordinary sentence about the weather " * 8}) + "\n"
    (tmp_path / name).write_text(line * rows)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, name, f"out{name}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return int(done.stdout)


def test_memory_doesnt_grow_with_the_file(tmp_path: Path) -> None:
    assert _peak(tmp_path, 15_000) <= 1.1 * _peak(tmp_path, 3_000)


def test_a_clean_row_costs_little(tmp_path: Path) -> None:
    line = json.dumps({"id": 1, "text": "quite an ordinary sentence about the weather"}) + "\n"
    (tmp_path / "in.jsonl").write_text(line * 5000)
    start = time.process_time()
    clean_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", detoxifier=detoxifier())
    # About 50 microseconds where measured, models excluded; ten times that would be a fault.
    assert time.process_time() - start < 5000 * 500e-6
