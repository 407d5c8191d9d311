"""The pages under docs/: what they show is what happens, and what they name is there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from tests.readme import DOCS, ROOT, blocks, run, shown, with_card

PAGES = {page.stem: page.read_text("utf-8") for page in DOCS}
LINKS = [
    (name, link)
    for name, page in PAGES.items()
    for link in re.findall(r"\]\(([^)]+)\)", page)
    if not link.startswith("https://")
]


def agree(wanted: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "```console" in page])
def test_the_commands_print_what_the_page_shows(name: str, tmp_path: Path) -> None:
    for step in [step for block in blocks(PAGES[name], "console") for step in shown(block)]:
        got = run(step.command, tmp_path)
        assert agree(step.output, got), f"$ {step.command}\nshown:\n{step.output}\ngot:\n{got}"


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "```pycon" in page])
def test_the_python_of_the_page_gives_what_it_shows(name: str) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    for block in blocks(PAGES[name], "pycon"):
        test = doctest.DocTestParser().get_doctest(block, {}, name, f"{name}.md", 0)
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_python_that_is_not_run_is_at_least_python() -> None:
    for name, page in PAGES.items():
        for block in blocks(page, "python"):
            compile(block, name, "exec")


@pytest.mark.parametrize("name", PAGES)
def test_what_is_copied_from_the_card_is_what_the_card_says(name: str) -> None:
    assert with_card(PAGES[name]) == PAGES[name], "make readme copies it anew"


def test_a_table_that_was_changed_is_noticed() -> None:
    changed = PAGES["limits"].replace("0.8%", "0.1%", 1)
    assert changed != PAGES["limits"]
    assert with_card(changed) != changed


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_link_leads_somewhere(name: str, link: str) -> None:
    file, _, heading = link.partition("#")
    target = ROOT / "docs" / (file or f"{name}.md")
    assert target.exists()
    if heading:
        titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
        assert heading in slugs


def test_the_architecture_names_what_is_in_the_tree() -> None:
    named = set(re.findall(r"^\| \d \| `(\w+)` \|", PAGES["architecture"], re.MULTILINE))
    package = ROOT / "trustydetox"
    there = {
        path.stem
        for path in package.iterdir()
        if not path.name.startswith("_")
        and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }
    assert named == there


def test_every_picture_has_words_for_those_who_can_t_see_it() -> None:
    pictures = [found for page in PAGES.values() for found in re.findall(r"!\[(.*?)\]\(", page)]
    assert pictures
    assert [words for words in pictures if len(words) < 20] == []


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert sizes
    assert {name for name, size in sizes.items() if size > 150_000} == set()
