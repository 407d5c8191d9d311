"""Several processes share the shards of one run, and one of them puts the output together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus.files.test_shards import Unasked, run, tree, undisturbed
from tests.corpus.files.test_shards import source as source  # a fixture
from trustydetox.corpus.files.pieces import Share
from trustydetox.corpus.runs.folder import part_folder, run_folder
from trustydetox.errors import ConfigError, ConflictError


def done(source: Path) -> list[str]:
    folder = part_folder(run_folder(str(source.with_name("out.jsonl")))) / "ledger" / "shards"
    return sorted(path.stem for path in folder.glob("*.json"))


def test_a_share_does_its_shards_and_writes_no_output(source: Path) -> None:
    run(source, share=Share(1, 4))
    assert done(source) == ["000001", "000005"]
    assert sorted(path.name for path in source.parent.iterdir()) == [
        ".out.jsonl.detox.part",
        "in.jsonl",
    ]


def test_shares_in_any_order_make_the_bytes_of_one_run(source: Path) -> None:
    expected = undisturbed(source)
    for index in (2, 0, 1):
        run(source, share=Share(index, 3))
    run(source, detoxifier=Unasked())
    assert tree(source.parent) == expected


def test_what_no_share_did_the_last_run_does(source: Path) -> None:
    expected = undisturbed(source)
    run(source, share=Share(1, 3))
    run(source)
    assert tree(source.parent) == expected


def test_a_share_that_is_done_again_asks_nobody(source: Path) -> None:
    run(source, share=Share(1, 3))
    run(source, share=Share(1, 3), detoxifier=Unasked())


def test_a_share_of_another_run_is_a_conflict(source: Path) -> None:
    run(source, share=Share(0, 2))
    with pytest.raises(ConflictError, match="was begun by a run with another fields"):
        run(source, share=Share(1, 2), fields=["text"])


def test_shares_run_side_by_side_and_the_last_run_waits_for_none(source: Path) -> None:
    def meanwhile(rows: int, share: float | None) -> None:
        run(source, share=Share(1, 2))
        with pytest.raises(ConflictError, match="another run is writing"):
            run(source)

    run(source, share=Share(0, 2), progress=meanwhile)
    assert len(done(source)) == 9


def test_a_share_of_a_finished_run_has_nothing_to_do(source: Path) -> None:
    run(source)
    before = tree(source.parent)
    run(source, share=Share(0, 2), detoxifier=Unasked())
    assert tree(source.parent) == before


def test_a_share_beside_a_finished_run_of_another_setting_names_it(source: Path) -> None:
    run(source)
    with pytest.raises(ConflictError, match=r"another fields.*--fresh without --shard-index"):
        run(source, share=Share(0, 2), fields=["text"])
    assert not part_folder(run_folder(str(source.with_name("out.jsonl")))).exists()


def test_a_finished_run_that_lost_its_output_can_be_shared_again(source: Path) -> None:
    run(source)
    expected = tree(source.parent)
    source.with_name("out.jsonl").unlink()
    for index in (0, 1):
        run(source, share=Share(index, 2))
    run(source, detoxifier=Unasked())
    assert tree(source.parent) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fresh": True}, "use --fresh without --shard-index, or --run"),
        ({"dry_run": True}, "--dry-run does no shards"),
    ],
)
def test_jobs_cant_share_what_each_would_do_alone(
    source: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(source, share=Share(0, 2), **changes)
    assert list(source.parent.iterdir()) == [source]


def test_a_run_without_shares_gets_jobs_out_of_another_one(source: Path) -> None:
    run(source, share=Share(0, 2))
    with pytest.raises(ConflictError, match="--fresh without --shard-index"):
        run(source, share=Share(0, 2), fields=["text"])
    run(source, fields=["text"], fresh=True)
    run(source, share=Share(0, 2), fields=["text"], detoxifier=Unasked())
