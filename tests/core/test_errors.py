from __future__ import annotations

import pytest

from trustydetox import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.DetoxError, 1),
        (errors.ConfigError, 2),
        (errors.MissingExtraError, 2),
        (errors.ContractError, 1),
        (errors.SpanError, 1),
        (errors.InputError, 3),
        (errors.ResourceError, 5),
        (errors.ModelError, 6),
        (errors.ConflictError, 7),
    ],
)
def test_each_error_knows_its_exit_code(kind: type[errors.DetoxError], code: int) -> None:
    assert kind.exit_code == code
    assert issubclass(kind, errors.DetoxError)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.MissingExtraError, ImportError),
        (errors.SpanError, ValueError),
        (errors.InputError, ValueError),
        (errors.ResourceError, OSError),
        (errors.ModelError, OSError),
    ],
)
def test_an_error_is_also_the_builtin_that_fits(
    kind: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(kind, builtin)


def test_an_extra_is_asked_for_only_where_its_module_is_missing() -> None:
    errors.require_extra("json", "reading", "train")
    with pytest.raises(errors.MissingExtraError, match="reading needs the 'train' extra"):
        errors.require_extra("no_such_module_here", "reading", "train")


def test_a_missing_extra_says_what_to_install() -> None:
    assert str(errors.MissingExtraError("the trainer", "train")) == (
        "the trainer needs the 'train' extra: pip install 'trustydetox[train]'"
    )


def test_a_near_miss_is_suggested() -> None:
    assert errors.did_you_mean("delet", ["rephrase", "delete"]) == "; did you mean 'delete'?"


def test_a_far_miss_lists_what_is_known_in_order() -> None:
    assert errors.did_you_mean("zzz", ["rephrase", "delete"]) == "; known: delete, rephrase"


def test_a_miss_among_nothing_says_so() -> None:
    assert errors.did_you_mean("zzz", []) == "; known: none"
