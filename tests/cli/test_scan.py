from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import FAKE, Run


def test_one_line_per_text_with_the_characters_that_make_it_toxic(run: Run, rows: Path) -> None:
    ran = run("scan", rows, "--recipe", FAKE)

    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line) for line in ran.out.splitlines()][:2] == [
        {
            "row": 0,
            "field": "text",
            "toxicity": 0.9,
            "toxic": True,
            "by_label": {"insult": 0.9},
            "spans": [{"start": 4, "end": 9, "weight": 1.0}],
        },
        {
            "row": 1,
            "field": "text",
            "toxicity": 0.0,
            "toxic": False,
            "by_label": {"insult": 0.0},
            "spans": [],
        },
    ]


def test_the_lines_may_go_into_a_file(run: Run, rows: Path) -> None:
    out = rows.with_name("found.jsonl")

    ran = run("scan", rows, "-o", out, "--recipe", FAKE)

    assert (ran.code, ran.out) == (0, "")
    assert len(out.read_text("utf-8").splitlines()) == 3


def test_a_bad_row_gives_its_number_and_the_reason(run: Run, rows: Path) -> None:
    rows.write_bytes(b'{"text": null}\n' + rows.read_bytes())

    ran = run("scan", rows, "--recipe", FAKE)

    first, *others = map(json.loads, ran.out.splitlines())
    assert first == {
        "row": 0,
        "error": "expected a string or a list of messages in 'text', got null",
    }
    assert [one["row"] for one in others] == [1, 2, 3]
    assert ran.code == 4
    assert ran.err == "error: 1 bad row is more than --max-bad 0\n"
    assert run("scan", rows, "--recipe", FAKE, "--max-bad", "1").code == 0


def test_a_scan_over_its_own_input_is_refused(run: Run, rows: Path) -> None:
    before = rows.read_bytes()
    ran = run("scan", rows, "-o", rows, "--recipe", FAKE)
    assert ran.code == 2
    assert "same file" in ran.err
    assert rows.read_bytes() == before


def test_a_scan_is_written_as_json_lines_only(run: Run, rows: Path) -> None:
    ran = run("scan", rows, "-o", rows.with_name("found.csv"), "--recipe", FAKE)
    assert ran.code == 2
    assert "expected a name in .jsonl" in ran.err


def test_a_text_can_t_steer_the_terminal_through_a_scan(run: Run, rows: Path) -> None:
    rows.write_text(json.dumps({"\x1b[31mtext\u202e": "idiot"}) + "\n", "utf-8")
    ran = run("scan", rows, "--recipe", FAKE)
    assert ran.out.isascii()
    assert "\x1b" not in ran.out
