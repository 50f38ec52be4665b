"""Texts that are safe to show, wherever they come from."""

from __future__ import annotations

import json
import re
import unicodedata

from .characters import BLANK_LETTERS, limit_marks
from .webhook_urls import mask_webhook_urls

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BLANK = re.compile(f"[\u034f\u17b4\u17b5{BLANK_LETTERS.lstrip()}]")
_JOINERS = "\u200c\u200d"  # harmless: they join emoji and letters of some scripts


def safe_text(text: str) -> str:
    r"""Return a text that is safe to write into a line of a terminal or a log.

    Characters that could forge a line or control a terminal are escaped as JSON's ``\u`` escapes:
    control characters, line and paragraph separators, and characters that are invisible or change
    the direction of text, letters without ink, and all but three of the marks that are stacked over a
    character. In JSON they occur only in strings, so its meaning stays. The token of
    whatever looks like a webhook URL is replaced by ``**********``.

    :param text: any text, such as the name of a player
    """
    if not text.isascii():
        text = _BLANK.sub(lambda match: _escape(match.group()), limit_marks(text, _escape))

    if not text.isprintable():
        text = "".join(_escape_character(character) for character in text)

    return mask_webhook_urls(text)


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character

    return _escape(character)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]
