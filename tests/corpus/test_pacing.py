from __future__ import annotations

import json
from pathlib import Path

from tests.fakes import detoxifier
from trustydetox.corpus import clean_file, scan_file
from trustydetox.corpus.pacing import Pace

Told = list[tuple[int, float | None]]


def pace(told: Told) -> Pace:
    return Pace(lambda rows, share: told.append((rows, share)))


def test_what_is_done_goes_by_the_size_of_the_texts() -> None:
    told: Told = []
    one = pace(told)
    one.begin(10, 400, 0.5)
    one.done(100)
    one.end()
    one.begin(20, 100, 1.0)
    one.done(50)
    one.end()
    assert told == [(2, 0.125), (10, 0.5), (20, 0.75), (30, 1.0)]


def test_a_size_that_is_unknown_stays_unknown() -> None:
    told: Told = []
    one = pace(told)
    one.begin(4, 0, None)
    one.end()
    assert told == [(4, None)]


def test_a_run_tells_more_than_its_windows(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": f"text {n:4}"}) + "\n" for n in range(1024)))
    cleaned: Told = []
    scanned: Told = []

    clean_file(
        path,
        tmp_path / "out.jsonl",
        detoxifier=detoxifier(),
        progress=lambda *at: cleaned.append(at),
    )
    list(scan_file(path, detoxifier=detoxifier(), progress=lambda *at: scanned.append(at)))

    assert cleaned == [(256, 0.25), (512, 0.5), (768, 0.75), (1024, 1.0), (1024, 1.0)]
    assert scanned == cleaned
