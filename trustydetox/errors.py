"""The errors a user can meet, as a tree; each knows the exit code of the command line.

DetoxError                      1
├── ConfigError                 2   a setting, a name or a combination of them is wrong
│   └── MissingExtraError       2   an optional dependency is not installed
├── ContractError               1   a step broke a promise of its role (a bug in that step)
├── SpanError                   1   offsets outside a text, out of order or overlapping
├── InputError                  3   the input can't be read at all, or lacks the field
├── ResourceError               5   out of memory or disk
├── ModelError                  6   a model can't be loaded or reached
└── ConflictError               7   the run folder holds something else than this run would write

Messages never contain training text: they give row, position and length.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec


class DetoxError(Exception):
    """Root of every expected error; the command line prints it as one line."""

    exit_code = 1


class ConfigError(DetoxError, ValueError):
    """A setting, a name or a combination of them is wrong."""

    exit_code = 2


class MissingExtraError(ConfigError, ImportError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the {extra!r} extra: pip install 'trustydetox[{extra}]'")


def require_extra(module: str, feature: str, extra: str) -> None:
    """Raise MissingExtraError unless `module`, which comes with `extra`, is installed."""
    if find_spec(module) is None:
        raise MissingExtraError(feature, extra)


class ContractError(DetoxError):
    """A step broke a promise of its role."""


class SpanError(DetoxError, ValueError):
    """Offsets outside a text, out of order or overlapping."""


class InputError(DetoxError, ValueError):
    """The input can't be read at all, or lacks the field."""

    exit_code = 3


class ResourceError(DetoxError, OSError):
    """Out of memory or disk."""

    exit_code = 5


class ModelError(DetoxError, OSError):
    """A model can't be loaded or reached."""

    exit_code = 6


class ConflictError(DetoxError):
    """The run folder holds something else than this run would write."""

    exit_code = 7


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the nearest known word, else `"; known: …"`."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names) or 'none'}"
