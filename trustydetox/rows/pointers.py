"""Where in a row a text is: a column by its name, what lies deeper by a JSON Pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def pointer_of(*parts: str | int) -> str:
    """The path of a value: its column, then keys and positions inside."""
    first = str(parts[0])
    if len(parts) == 1 and not first.startswith("/"):
        return first
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts_of(pointer: str) -> list[str]:
    """The column, then keys and positions inside, all of them as strings."""
    if not pointer.startswith("/"):
        return [pointer]
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def replaced(value: Any, parts: Sequence[str], text: str) -> Any:
    """`value` with the text at `parts` inside it replaced; what lies on the way is copied."""
    if not parts:
        return text
    first, *rest = parts
    if isinstance(value, Mapping):
        return {**value, first: replaced(value[first], rest, text)}
    at = int(first)
    return [*value[:at], replaced(value[at], rest, text), *value[at + 1 :]]
