"""Every registered step keeps the promises of its role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.building import LONGEST, build, reads_weights
from tests.contract.promises import (
    MASKER_PROMISES,
    PROMISES,
    TEXTS,
    gives_the_same_alone,
    long_text,
    wanted,
)
from trustydetox import embedded
from trustydetox.recipes import ROLES, step_names

WITHOUT_WEIGHTS = "THE EMBEDDED WEIGHTS ARE MISSING (trustydetox train embedded builds them)"
# A window costs a thousand times more with real weights, which add only their own float noise.
WORDS = {"tiny": 5_000, "embedded": 150}


def registered(*groups: str) -> Iterator[Any]:
    built = all((embedded.FOLDER / name).is_file() for name in embedded.WEIGHTS)
    for group in groups:
        for name in step_names(group):
            yield pytest.param(group, name, "tiny", id=f"{name}-tiny")
            if reads_weights(group, name):
                marks = () if built else pytest.mark.skip(reason=WITHOUT_WEIGHTS)
                yield pytest.param(group, name, "embedded", id=f"{name}-embedded", marks=marks)


@pytest.mark.parametrize(
    ("group", "name", "weights", "promise"),
    [
        pytest.param(*step.values, promise, id=f"{step.id}-{promise.__name__}", marks=step.marks)
        for group, promises in PROMISES.items()
        for step in registered(group)
        for promise in promises
        if "tiny" in step.values or promise is gives_the_same_alone
    ],
)
def test_a_step_keeps_its_promise(
    group: str, name: str, weights: str, promise: Callable[..., None]
) -> None:
    texts = wanted(min(WORDS[weights], LONGEST.get(name, WORDS[weights])))
    promise(group, build(group, name, weights), texts)


@pytest.mark.parametrize(
    ("name", "promise"),
    [
        pytest.param(name, promise, id=f"{name}-{promise.__name__}")
        for name in step_names("maskers")
        for promise in MASKER_PROMISES
    ],
)
def test_a_masker_keeps_its_promise(name: str, promise: Callable[..., None]) -> None:
    promise(build("maskers", name, "tiny"), (*TEXTS, long_text(500)))


def test_every_role_has_a_contract() -> None:
    assert {*PROMISES, "maskers"} == set(ROLES)
