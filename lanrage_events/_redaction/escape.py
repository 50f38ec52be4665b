"""Escaping of characters that could forge a line or control a terminal."""

from __future__ import annotations

import json
import unicodedata

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # harmless: they join emoji and letters of some scripts


def escape_controls(text: str) -> str:
    r"""Escape characters that could forge a line or control a terminal, as JSON's ``\u`` escapes.

    These are control characters, line and paragraph separators, and characters that are invisible
    or change the direction of text. In JSON they occur only in strings, so its meaning stays.

    :param text: any text, such as the name of a player
    """
    if text.isprintable():
        return text

    return "".join(_escape_character(character) for character in text)


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character

    return json.dumps(character)[1:-1]
