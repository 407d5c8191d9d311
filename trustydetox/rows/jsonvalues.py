"""JSON rows: parsing that notices what others mend silently, and edits that touch one value.

`json.loads` keeps the last of two equal keys and lone surrogates, neither of which can be written
back; both make the row bad here. Integers are exact at any size. NaN and Infinity are kept in
columns that nobody edits, as the bytes they were.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from trustydetox.errors import InputError
from trustydetox.rows.pointers import parts_of

MAX_DEPTH = 500
"""Deepest nesting of a row; the parser's own limit varies with the depth of the call."""

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_STEP = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_MEMBER = re.compile(rb"[\s,]*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_ITEM = re.compile(rb"[\s,]*+(?!\])")
_SCALAR = re.compile(_STRING + rb"|[^,\]}\s]++", re.DOTALL)
_LINE_BREAKS = re.compile(rb"(" + _STRING + rb")|\s*[\r\n]\s*", re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise InputError(f"key {twice[:80]!r} occurs twice")
    return found


_decode = json.JSONDecoder(object_pairs_hook=_unique).decode


def parse_row(raw: bytes) -> dict[str, Any]:
    """The members of the JSON object that `raw` is; InputError says why it isn't one."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"invalid UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise InputError(f"a raw NUL at character {text.index(chr(0))}")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        values = _decode(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg.strip()} (character {error.pos})") from error
    except InputError:
        raise
    except ValueError as error:
        # Python's guard against quadratic conversion; such a number can't be an id.
        raise InputError("a number of more than 4300 digits") from error
    if not isinstance(values, dict):
        raise InputError(f"expected a JSON object, got {kind_of_value(values)}")
    if _SURROGATE.search(text) and not _is_encodable(values):
        raise InputError("a lone surrogate, which no UTF-8 text can hold")
    return values


def kind_of_value(value: Any) -> str:
    """A JSON value's type in words."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    names |= {list: "an array", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")


def _is_encodable(values: Any) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for step in _STEP.finditer(raw):
        sign = raw[step.start()]
        if sign in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in b"}]":
            depth -= 1
    return deepest


def value_span(raw: bytes, parts: Sequence[str]) -> tuple[int, int]:
    """Where in `raw` the value at `parts` is; `raw` must be a row that parses and has it."""
    start, end = raw.index(b"{"), len(raw)
    for part in parts:
        start, end = _children(raw, start)[part]
    return start, end


def _children(raw: bytes, start: int) -> dict[str, tuple[int, int]]:
    """Where the values of an object or an array are, by key or by position."""
    spans: dict[str, tuple[int, int]] = {}
    at = start + 1
    if raw[start] == ord("{"):
        while member := _MEMBER.match(raw, at):
            at = _value_end(raw, member.end())
            spans[json.loads(member[1])] = (member.end(), at)
        return spans
    while item := _ITEM.match(raw, at):
        at = _value_end(raw, item.end())
        spans[str(len(spans))] = (item.end(), at)
    return spans


def _value_end(raw: bytes, start: int) -> int:
    if raw[start] not in b"{[":
        scalar = _SCALAR.match(raw, start)
        assert scalar is not None  # the row parses
        return scalar.end()
    depth = 0
    for step in _STEP.finditer(raw, start):
        sign = raw[step.start()]
        depth += (sign in b"{[") - (sign in b"}]")
        if not depth:
            return step.end()
    raise AssertionError("the row parses, so every bracket is closed")


def replace_values(raw: bytes, edits: Mapping[str, str]) -> bytes:
    r"""`raw` with the values at some paths replaced by strings, all other bytes kept.

    A row in plain ASCII stays so (`\u00e9`), any other gets UTF-8.
    """
    spans = {path: value_span(raw, parts_of(path)) for path in edits}
    ascii_only = raw.isascii()
    for path in sorted(edits, key=spans.__getitem__, reverse=True):
        start, end = spans[path]
        value = json.dumps(edits[path], ensure_ascii=ascii_only).encode()
        raw = raw[:start] + value + raw[end:]
    return raw


def without_line_breaks(raw: bytes) -> bytes:
    """A JSON value on one line: line breaks between tokens become one space."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    return _LINE_BREAKS.sub(lambda match: match[1] or b" ", raw)


def encode_row(values: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON; InputError where JSON can't hold a value as it is."""
    for name, value in values.items():
        _require_json(name, value)
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def _require_json(name: str, value: Any) -> None:
    if value is None or type(value) in (str, int, bool):
        return
    if type(value) is float:
        if not math.isfinite(value):
            raise InputError(f"JSON can't hold {value} (column {name!r})")
    elif type(value) is list:
        for item in value:
            _require_json(name, item)
    elif type(value) is dict and all(type(key) is str for key in value):
        for item in value.values():
            _require_json(name, item)
    else:
        raise InputError(f"JSON can't hold a {type(value).__name__} (column {name!r})")
