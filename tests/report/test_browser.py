"""The page in a real browser: it looks as it should, and what rows hold stays text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from trustydetox.records import MaskedText, Record, Toxicity, Verdict
from trustydetox.report import RowCounts, Summary, render_page
from trustydetox.spans import Edit, Span

pytestmark = pytest.mark.needs("chromium")

TAKES_OVER = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
)


@pytest.fixture(scope="module")
def html() -> str:
    text = f"you idiot {TAKES_OVER}"
    summary = Summary()
    summary.add(
        0,
        "text",
        Record(
            text,
            Verdict.REWRITTEN,
            text.replace(" idiot", ""),
            Toxicity(0.9),
            edits=(Edit(Span(3, 9), ""),),
            masked=MaskedText(text, (Span(4, 9),)),
            toxicity_after=Toxicity(0.1),
        ),
    )
    report = summary.report(
        RowCounts(read=1, written=1, dropped=0),
        recipe={"name": "mini", "threshold": 0.5},
        versions={"trustydetox": "0"},
    )
    return render_page(report, summary.samples(), summary.top_words())


def browse(chromium: str, html: str, folder: Path) -> tuple[str, str]:
    """The document after the browser has loaded it, and what its console said."""
    page = folder / "report.html"
    page.write_text(html, "utf-8")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",  # which root can't have; the page is ours
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


def title_of(document: str) -> str:
    found = re.search(r"<title>(.*?)</title>", document)
    assert found is not None
    return found[1]


def test_a_script_in_a_row_stays_text_and_the_own_style_is_applied(
    chromium: str, html: str, tmp_path: Path
) -> None:
    document, console = browse(chromium, html, tmp_path)
    assert title_of(document) == "trustydetox report"
    assert "&lt;script&gt;document.title" in document
    assert console == ""


def test_a_script_that_got_in_is_stopped_by_the_policy(
    chromium: str, html: str, tmp_path: Path
) -> None:
    document, console = browse(chromium, html.replace("</body>", f"{TAKES_OVER}</body>"), tmp_path)
    assert title_of(document) == "trustydetox report"
    assert "Content Security Policy" in console


def test_without_the_policy_that_script_would_run(chromium: str, html: str, tmp_path: Path) -> None:
    open_page = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", html)
    document, _ = browse(chromium, open_page.replace("</body>", f"{TAKES_OVER}</body>"), tmp_path)
    assert title_of(document) == "taken"


def test_a_style_that_is_not_the_own_is_refused(chromium: str, html: str, tmp_path: Path) -> None:
    _, console = browse(chromium, html.replace("</style>", "p { color: red }</style>"), tmp_path)
    assert "Content Security Policy" in console
