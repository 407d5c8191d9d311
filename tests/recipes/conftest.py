from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = Path(__file__).with_name("plugin")


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package beside ours whose entry points are the tests' fakes."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    return PLUGIN
