"""Text made safe to show: nothing in it can steer a terminal or reorder a line."""

from __future__ import annotations

import unicodedata

_SHOWN = {"\n", "\t"}


def visible(text: str) -> str:
    """`text` with control, direction-changing and unpaired surrogate characters spelled out.

    An escape becomes `\\x1b`, a right-to-left override `\\u202e`; line breaks and tabs stay.
    Joiners stay too: emoji and many scripts need them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    if character in _SHOWN or character in "\u200c\u200d":
        return character
    if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return _code(character)
    if unicodedata.bidirectional(character) in _STEERING:
        return _code(character)
    return character


_STEERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
