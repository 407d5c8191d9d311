from __future__ import annotations

import subprocess
import sys
import types
from importlib.metadata import version
from typing import Any, cast

import pandas as pd
import pytest

import trustydetox
from tests.fakes import Replacer, WordMasker, detoxifier
from trustydetox.errors import ConfigError

HEAVY = ("torch", "transformers", "datasets", "numpy", "pyarrow", "pydantic", "typer", "yaml")


def printed(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_loads_no_heavy_library() -> None:
    code = f"import sys, trustydetox; print([n for n in {HEAVY} if n in sys.modules])"
    assert printed(code) == "[]"


def test_a_library_that_is_loaded_would_be_seen() -> None:
    code = f"import sys, trustydetox, yaml; print([n for n in {HEAVY} if n in sys.modules])"
    assert printed(code) == "['yaml']"


def test_importing_takes_less_than_300_ms_of_a_processor() -> None:
    code = "import time as t; a = t.process_time(); import trustydetox; print(t.process_time() - a)"
    assert min(float(printed(code)) for _ in range(3)) < 0.3


def test_what_is_exported_is_what_is_public() -> None:
    public = {
        name
        for name, value in vars(trustydetox).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "").startswith("trustydetox")
    }
    # A type alias has no module of its own, and some names are loaded when asked for.
    late = {"Fallback", "__version__", "Cleaned", "DetoxConfig", "clean_dataset"}
    assert public | late == set(trustydetox.__all__)
    assert sorted(trustydetox.__all__) == trustydetox.__all__


def test_the_version_is_that_of_the_installed_package() -> None:
    assert trustydetox.__version__ == version("trustydetox")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'detoxify'"):
        _ = trustydetox.detoxify


def test_a_str_gives_a_str() -> None:
    assert trustydetox.clean("you idiot", recipe=detoxifier()) == "you"


def test_a_list_gives_a_list_in_order() -> None:
    texts = ["you idiot", "hello", "", "that moron"]
    assert trustydetox.clean(texts, recipe=detoxifier()) == ["you", "hello", "", "that"]
    assert trustydetox.clean([], recipe=detoxifier()) == []


def test_what_cannot_be_mended_is_redacted() -> None:
    stuck = detoxifier(infiller=Replacer({}))
    assert trustydetox.clean(["you idiot", "hello"], recipe=stuck) == ["you [removed]", "hello"]


def test_what_cannot_be_mended_may_be_kept() -> None:
    stuck = detoxifier(masker=WordMasker(limit=2.0))
    assert trustydetox.clean("you idiot", recipe=stuck, fallback="keep") == "you idiot"


def test_dropping_would_misalign_a_list_and_is_refused() -> None:
    with pytest.raises(ConfigError, match="fallback 'drop' would misalign"):
        trustydetox.clean(["you idiot"], recipe=detoxifier(), fallback="drop")


def test_a_threshold_replaces_the_recipes() -> None:
    assert trustydetox.clean("damn it", recipe=detoxifier()) == "damn it"
    assert trustydetox.clean("damn it", recipe=detoxifier(), threshold=0.4) == " it"


def test_a_data_frame_gives_a_data_frame_without_what_cannot_be_mended() -> None:
    frame = pd.DataFrame({"text": ["you idiot", "hello"]})
    stuck = detoxifier(infiller=Replacer({}))
    cleaned = trustydetox.clean(frame, recipe=stuck)
    assert type(cleaned) is pd.DataFrame
    assert cleaned["text"].to_dict() == {1: "hello"}
    redacted = trustydetox.clean(frame, recipe=stuck, fallback="redact")
    assert redacted["text"].to_dict() == {0: "you [removed]", 1: "hello"}


@pytest.mark.parametrize("texts", [("you idiot",), {"text": ["you idiot"]}, None, 3])
def test_any_other_type_is_refused_by_name(texts: object) -> None:
    kind = type(texts).__name__
    with pytest.raises(ConfigError, match=f"a str or a list of str, got {kind}"):
        trustydetox.clean(cast(Any, texts), recipe=detoxifier())


def test_an_unknown_recipe_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="minni"):
        trustydetox.load_recipe("minni")
    with pytest.raises(ConfigError, match="minni"):
        trustydetox.clean("hello", recipe="minni")
