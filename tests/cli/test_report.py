from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import FAKE, Run


def test_the_page_of_a_run_can_be_rendered_without_texts_and_with_them_again(
    run: Run, rows: Path
) -> None:
    out = rows.with_name("out.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE)
    page = Path(f"{out}.detox") / "report.html"
    first = page.read_text("utf-8")

    bare = run("report", page.parent, "--no-text")

    assert (bare.code, bare.out, bare.err) == (0, f"{page}\n", "")
    assert "idiot" not in page.read_text("utf-8")
    assert "Toxicity before and after" in page.read_text("utf-8")
    assert run("report", page.parent).code == 0
    assert page.read_text("utf-8") == first


def test_a_damaged_report_is_one_line(run: Run, rows: Path) -> None:
    out = rows.with_name("out.jsonl")
    run("clean", rows, "-o", out, "--recipe", FAKE)
    numbers = Path(f"{out}.detox") / "report.json"
    numbers.write_text(json.dumps({"rows": 1})[:-1], "utf-8")

    ran = run("report", numbers.parent)

    assert ran.code == 3
    assert ran.err == f"error: {numbers} isn't JSON: it was cut short or changed\n"
