from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from trustydetox.records import Attempt, Finding, MaskedText, Record, Rewrite, Toxicity, Verdict
from trustydetox.report import RowCounts, Summary, render_page
from trustydetox.report.visible import visible
from trustydetox.spans import Edit, Span

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</bdi></p><iframe src=//x></iframe>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)",
    "<!-- x --><a href=javascript:alert(1)>x</a>",
]


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(payload: str) -> str:
    """A page with `payload` wherever a row, a recipe or a version can put text."""
    text = f"{payload} you {payload}"
    summary = Summary()
    summary.add(
        0,
        payload,
        Record(
            text,
            Verdict.REWRITTEN,
            payload + text[len(payload) :],
            Toxicity(0.9),
            edits=(Edit(Span(0, len(payload)), payload),),
            masked=MaskedText(text, (Span(0, len(payload)),)),
            toxicity_after=Toxicity(0.1),
        ),
    )
    finding = Finding(payload, False, 0.9, 0.5)
    miss = Attempt(Rewrite(text, (Edit(Span(0, 1), payload),)), Toxicity(0.9), (finding,))
    summary.add(
        1,
        payload,
        Record(
            text,
            Verdict.UNRESOLVED,
            None,
            Toxicity(0.9),
            reason=payload,
            findings=(finding,),
            misses=(miss,),
        ),
    )
    report = summary.report(
        RowCounts(read=2, written=1, dropped=1),
        recipe={"name": payload, "threshold": 0.5},
        versions={payload: payload},
    )
    return render_page(report, summary.samples(), summary.top_words(), title=payload)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_of_a_row_makes_no_element_and_no_attribute(payload: str) -> None:
    harmless = Page(page_of("plain"))
    page = Page(page_of(payload))

    # Several words make several lines in the table of words, of elements that exist anyway.
    assert set(page.tags) == set(harmless.tags)
    assert {name for name, _ in page.attributes} == {name for name, _ in harmless.attributes}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_of_a_row_is_shown_as_it_is(payload: str) -> None:
    assert payload in "".join(Page(page_of(payload)).words)


def test_the_page_has_no_handler_no_inline_style_and_no_link_out_of_it() -> None:
    page = Page(page_of("plain"))

    assert not {"iframe", "object", "embed", "link", "img"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not [name for name in names if name.startswith("on") or name in {"src", "style"}]
    assert {str(value)[0] for name, value in page.attributes if name == "href"} == {"#"}


def digest(html: str, tag: str) -> str:
    content = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert content is not None
    return base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()


def policies(html: str) -> list[str]:
    return [
        str(value)
        for name, value in Page(html).attributes
        if name == "content" and "src" in str(value)
    ]


def test_the_policy_allows_nothing_but_the_page_s_own_style_and_script() -> None:
    html = page_of("plain")
    assert policies(html) == [
        f"default-src 'none'; style-src 'sha256-{digest(html, 'style')}'; "
        f"script-src 'sha256-{digest(html, 'script')}'; base-uri 'none'; form-action 'none'"
    ]


def test_a_page_without_texts_has_no_script_and_allows_none() -> None:
    html = render_page(Summary().report(RowCounts()))
    assert "script" not in Page(html).tags
    assert policies(html) == [
        f"default-src 'none'; style-src 'sha256-{digest(html, 'style')}'; "
        "base-uri 'none'; form-action 'none'"
    ]


def test_a_page_without_samples_and_words_holds_no_text_of_a_row() -> None:
    summary = Summary()
    text = "you idiot"
    summary.add(0, "text", Record(text, Verdict.UNRESOLVED, text, Toxicity(0.9), reason="limit"))
    report = summary.report(RowCounts(read=1, written=1))

    assert "idiot" not in render_page(report)
    assert "idiot" in render_page(report, summary.samples())


def test_what_was_cut_and_what_was_put_are_marked() -> None:
    text = "what an idiot he is"
    summary = Summary()
    record = Record(
        text,
        Verdict.REWRITTEN,
        "what a man he is",
        Toxicity(0.9),
        edits=(Edit(Span(5, 13), "a man"),),
        toxicity_after=Toxicity(0.1),
    )
    summary.add(0, "text", record)

    html = render_page(summary.report(RowCounts(read=1, written=1)), summary.samples())

    assert "what <del>an idiot</del> he is" in html
    assert "what <ins>a man</ins> he is" in html


def test_what_was_found_measured_and_tried_stands_there() -> None:
    text = "what an idiot he is"
    finding = Finding("less-toxic", False, 0.75, 0.5)
    record = Record(
        text,
        Verdict.UNRESOLVED,
        None,
        Toxicity(0.9),
        reason="checks",
        masked=MaskedText(text, (Span(8, 13),), (0.625,)),
        findings=(finding,),
        misses=(Attempt(Rewrite(text, (Edit(Span(8, 13), "moron"),)), Toxicity(0.8), (finding,)),),
    )
    summary = Summary()
    summary.add(0, "text", record)

    html = render_page(summary.report(RowCounts(read=1, dropped=1)), summary.samples())

    words = " ".join(" ".join(Page(html).words).split())
    assert "idiot 0.62" in words
    assert "less-toxic ✕ failed 0.75 limit 0.5" in words
    assert "what an moron he is 0.80 ✕ less-toxic" in words


def test_right_to_left_texts_keep_their_direction() -> None:
    summary = Summary()
    summary.add(0, "text", Record("أحمق", Verdict.UNRESOLVED, None, Toxicity(0.9), reason="checks"))
    page = Page(render_page(summary.report(RowCounts(read=1, dropped=1)), summary.samples()))
    assert ("dir", "auto") in page.attributes


def test_a_report_of_an_older_version_has_a_page() -> None:
    report = Summary().report(RowCounts())
    del report["length"], report["mentions"]
    assert "0 texts in 0 rows" in render_page(report)


def test_an_empty_run_has_a_page() -> None:
    assert "0 texts in 0 rows" in render_page(Summary().report(RowCounts()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("naïve 日本 👩‍🚀", "naïve 日本 👩‍🚀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("nul\x00", "nul\\x00"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("carriage\rreturn", "carriage\\x0dreturn"),
    ],
)
def test_nothing_that_steers_a_terminal_is_left(text: str, shown: str) -> None:
    assert visible(text) == shown
