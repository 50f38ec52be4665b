"""Cleans the text of values, so that each is legible and harms no text around it."""

from __future__ import annotations

import re

from .._redaction import BLANK_LETTERS, REMOVED, has_ink, limit_marks, mask_webhook_urls

# No consumer shows more of one value.
VALUE_MAX_CHARACTERS = 20_000

UNKNOWN = "?"
"""for a value of which nothing can be seen or read"""

_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_BREAKS}]")
_BREAK_WITH_SPACE = re.compile(rf"[{_BREAKS}]\s*")
_EMPTY_LINES = re.compile(r"\n\s*\n\s*\n")
_EMPTY_LINES_BEFORE = re.compile(r"\A(?:[^\S\n]*\n)+")
_REMOVED_BUT_FLAGS = re.compile(f"(\U0001f3f4[\U000e0020-\U000e007e]{{1,6}}\U000e007f)|[{REMOVED}]")
_BLANKS = re.compile(f"[{BLANK_LETTERS}]")


def clean(text: str, *, lines: bool = False) -> str:
    """Remove characters that are invisible or change the text around them, and mask webhook URLs.

    Each character keeps at most three combining marks, and a text without ink, unless it is empty,
    becomes a question mark.

    :param text: any text
    :param lines: keep line breaks, but those around the text, instead of replacing each by a space
    """
    if text.isprintable() and text.isascii() and not text.isspace():
        return mask_webhook_urls(text)

    if len(text) > VALUE_MAX_CHARACTERS:
        text = text[:VALUE_MAX_CHARACTERS]

    if not has_ink(text):
        return UNKNOWN

    cleaned = _BREAK.sub("\n", text) if lines else _BREAK_WITH_SPACE.sub(" ", text)
    if not cleaned.isascii() or not cleaned.isprintable():
        cleaned = _REMOVED_BUT_FLAGS.sub(r"\1", cleaned)
        cleaned = _BLANKS.sub(" ", cleaned)
        cleaned = limit_marks(cleaned)

    if lines:
        cleaned = _EMPTY_LINES.sub("\n\n", _EMPTY_LINES_BEFORE.sub("", cleaned).rstrip())

    return mask_webhook_urls(cleaned)
