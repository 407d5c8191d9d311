"""The page in a real browser: what can be done on it, and that what rows hold stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.watching import TAKES_OVER, Watched, violations, watched
from trustydetox.records import Attempt, Finding, MaskedText, Record, Rewrite, Toxicity, Verdict
from trustydetox.report import RowCounts, Summary, render_page
from trustydetox.spans import Edit, Span

pytestmark = [
    pytest.mark.needs("chromium"),
    pytest.mark.needs("playwright"),
    pytest.mark.needs("axe_playwright_python"),
]

ARABIC = "أنت أحمق يا صديقي"


def rewritten(text: str, word: str, new: str) -> Record:
    span = Span(text.index(word), text.index(word) + len(word))
    rewrite = Rewrite(text, (Edit(span, new),))
    finding = Finding("less-toxic", True, 0.1, 0.5)
    return Record(
        text,
        Verdict.REWRITTEN,
        rewrite.text,
        Toxicity(0.9),
        edits=rewrite.edits,
        masked=MaskedText(text, (span,), (1.0,)),
        toxicity_after=Toxicity(0.1),
        findings=(finding,),
        misses=(Attempt(rewrite, Toxicity(0.6), (Finding("toxicity", False, 0.6, 0.5),)),),
    )


@pytest.fixture(scope="module")
def html() -> str:
    summary = Summary()
    summary.add(0, TAKES_OVER, rewritten(f"you idiot {TAKES_OVER}", "idiot", TAKES_OVER))
    summary.add(1, "text", rewritten(ARABIC, "أحمق", "شخص"))
    summary.add(
        2, "text", Record("a moron", Verdict.UNRESOLVED, None, Toxicity(0.8), reason="checks")
    )
    for row in range(3, 40):
        text = f"the women met on day {row}"
        summary.add(row, "text", Record(text, Verdict.CLEAN, text, Toxicity(row / 100)))
    report = summary.report(
        RowCounts(read=40, written=39, dropped=1),
        recipe={"name": "mini", "threshold": 0.5, "fallback": "drop"},
        versions={"trustydetox": "0"},
    )
    return render_page(report, summary.samples(), summary.top_words(), title=TAKES_OVER)


@pytest.fixture
def opened(chromium: Any, html: str, tmp_path: Path) -> Iterator[Watched]:
    with watched(chromium) as seen:
        browse(seen, html, tmp_path)
        yield seen


def browse(seen: Watched, html: str, folder: Path) -> None:
    page = folder / "report.html"
    page.write_text(html, "utf-8")
    seen.page.goto(page.as_uri())


def cards(seen: Watched) -> list[str]:
    """The texts that can be seen, by row."""
    left = seen.page.locator("#cards > article:visible .where").all_inner_texts()
    return [text.split(" · ")[0] for text in left]


def test_scripts_in_texts_columns_and_names_stay_text(opened: Watched) -> None:
    assert opened.page.title() == TAKES_OVER
    assert [url for url in opened.requests if not url.startswith("file:")] == []
    assert (opened.dialogs, opened.console) == ([], [])


def test_a_script_that_got_in_is_stopped_by_the_policy(
    chromium: Any, html: str, tmp_path: Path
) -> None:
    with watched(chromium) as seen:
        browse(seen, html.replace("</body>", f"{TAKES_OVER}</body>"), tmp_path)
        assert seen.page.title() == TAKES_OVER
        assert "Content Security Policy" in "\n".join(seen.console)


def test_without_the_policy_that_script_would_run(chromium: Any, html: str, tmp_path: Path) -> None:
    open_page = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", html)
    with watched(chromium) as seen:
        browse(seen, open_page.replace("</body>", f"{TAKES_OVER}</body>"), tmp_path)
        assert seen.page.title() == "taken"


def test_a_style_that_is_not_the_own_is_refused(chromium: Any, html: str, tmp_path: Path) -> None:
    with watched(chromium) as seen:
        browse(seen, html.replace("</style>", "p { color: red }</style>"), tmp_path)
        assert "Content Security Policy" in "\n".join(seen.console)


def test_texts_are_searched_and_filtered(opened: Watched) -> None:
    assert cards(opened) == ["row 2", "row 0", "row 1"]
    opened.page.fill("#search", "MORON")
    assert cards(opened) == ["row 2"]
    assert opened.page.inner_text("#shown") == "1 of 3"
    assert not opened.page.is_visible("#none")
    opened.page.fill("#search", "no such word")
    assert cards(opened) == []
    assert opened.page.is_visible("#none")
    opened.page.fill("#search", "")
    opened.page.check("input[name=action][value=rewritten]")
    assert cards(opened) == ["row 0", "row 1"]


def blur(seen: Watched, at: int) -> str:
    veil = seen.page.locator("#cards > article").nth(at).locator(".texts .veil")
    return str(veil.evaluate("one => getComputedStyle(one).filter"))


def test_an_original_is_blurred_until_it_is_revealed(
    chromium: Any, html: str, tmp_path: Path
) -> None:
    with watched(chromium, reduced_motion="reduce") as seen:
        browse(seen, html, tmp_path)
        assert blur(seen, 0).startswith("blur")
        seen.page.locator("#cards > article").first.get_by_label("Show original").check()
        assert (blur(seen, 0), blur(seen, 1)[:4]) == ("none", "blur")
        seen.page.check("#reveal")
        assert blur(seen, 1) == "none"


def test_a_mouse_is_not_needed(chromium: Any, html: str, tmp_path: Path) -> None:
    with watched(chromium, reduced_motion="reduce") as seen:
        browse(seen, html, tmp_path)
        for key in ("j", "j", "x"):
            seen.page.keyboard.press(key)
        assert (blur(seen, 0)[:4], blur(seen, 1)) == ("blur", "none")
        seen.page.keyboard.press("/")
        seen.page.keyboard.type("moron")
        assert cards(seen) == ["row 2"]
        seen.page.keyboard.press("Escape")
        seen.page.keyboard.press("j")
        assert seen.page.evaluate("document.activeElement.textContent.includes('moron')")


def test_all_can_be_read_where_scripts_are_off(chromium: Any, html: str, tmp_path: Path) -> None:
    with watched(chromium, java_script_enabled=False) as seen:
        browse(seen, html, tmp_path)
        assert cards(seen) == ["row 2", "row 0", "row 1"]
        assert not seen.page.locator("#filter").is_visible()


def test_right_to_left_texts_start_on_the_right(opened: Watched) -> None:
    text = opened.page.locator("#cards > article").nth(2).locator(".texts .text").first
    assert text.evaluate("one => getComputedStyle(one).direction") == "rtl"


def test_a_phone_needs_no_sideways_scrolling(chromium: Any, html: str, tmp_path: Path) -> None:
    with watched(chromium, viewport={"width": 360, "height": 800}) as seen:
        browse(seen, html, tmp_path)
        seen.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_seriously_hard_to_use(
    chromium: Any, html: str, tmp_path: Path, scheme: str
) -> None:
    with watched(chromium, color_scheme=scheme, reduced_motion="reduce") as seen:
        browse(seen, html, tmp_path)
        seen.page.check("#reveal")
        seen.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        assert violations(seen.page) == []


def test_axe_sees_what_is_hard_to_use(chromium: Any, html: str, tmp_path: Path) -> None:
    with watched(chromium) as seen:
        browse(seen, html.replace('<span class="unseen">Search the texts</span>', ""), tmp_path)
        seen.page.evaluate("document.getElementById('search').placeholder = ''")
        assert [one for one in violations(seen.page) if "#search" in one] != []
