from __future__ import annotations

import json
import unicodedata

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They join emoji and letters of some scripts, and do nothing else.
_JOINERS = "\u200c\u200d"


def escape(text: str) -> str:
    r"""Write what could forge a line or steer a terminal as JSON's ``\u`` escapes.

    :param text: any text, such as the name of a player
    """
    if text.isprintable():
        return text

    return "".join(_escape_character(character) for character in text)


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character

    return json.dumps(character)[1:-1]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1,000 lines``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
