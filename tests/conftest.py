from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import settings

# The same examples on every run, and no deadline: other work may hold the machine's cores.
settings.register_profile("suite", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("suite")

# No test asks a network; set before any library of the Hub is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "kubectl": ("kubectl",),
}


def _is_here(tool: str) -> bool:
    """Whether a program, or a package by the same name, is installed."""
    return any(map(shutil.which, PROGRAMS.get(tool, ()))) or find_spec(tool) is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-tools",
        action="store_true",
        help="fail, rather than skip, where a program that a test needs is not installed",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        tool = marker.args[0]
        if not _is_here(tool):
            message = f"{tool} is not installed: `make test-all` insists on it"
            if item.config.getoption("--require-tools"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A Chromium, driven by Playwright; mark the test as needing both.

    Not for the whole session: while Playwright is open its event loop runs, and no test of that
    thread may start another.
    """
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, PROGRAMS["chromium"])), None)
    assert path is not None
    with sync_playwright() as driver:
        # Root can't have the sandbox; what the tests open is ours.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
