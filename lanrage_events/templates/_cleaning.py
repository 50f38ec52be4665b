"""Cleans the text of values, so that each is legible and harms no text around it."""

from __future__ import annotations

import re
import unicodedata

from .._redaction import mask_webhook_urls

# No consumer shows more of one value.
VALUE_MAX_CHARACTERS = 20_000

UNKNOWN = "?"
"""for a value of which nothing can be seen or read"""

_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_BREAKS}]")
_BREAK_WITH_SPACE = re.compile(rf"[{_BREAKS}]\s*")
_EMPTY_LINES = re.compile(r"\n\s*\n\s*\n")
_EMPTY_LINES_BEFORE = re.compile(r"\A(?:[^\S\n]*\n)+")

# What has no ink is, by the Unicode Character Database
# (https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt), every code point with
# the property Default_Ignorable_Code_Point, and by general category what is a separator, a control
# character, a surrogate, for private use or no character; and two symbols whose picture is empty,
# U+2800 and U+1D159. Of these,
#
# - the separators stay, those that break lines as one break or space;
# - the letters and symbols become spaces, because they take room;
# - joiners and variation selectors stay, because emoji and scripts need them;
# - what else there is, of which direction controls change how the text around them is read, goes.
#   The flags of England, Scotland and Wales are made of tags, so these tags stay.
_REMOVED = (
    "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_BLANK_LETTERS = "\t\u115f\u1160\u2800\u3164\uffa0\U0001d159"
_JOINERS = "\u200c\u200d"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f"

_REMOVED_BUT_FLAGS = re.compile(
    f"(\U0001f3f4[\U000e0020-\U000e007e]{{1,6}}\U000e007f)|[{_REMOVED}]"
)
_BLANKS = re.compile(f"[{_BLANK_LETTERS}]")
_NO_INK = re.compile(rf"[\s{_REMOVED}{_BLANK_LETTERS}{_JOINERS}{_SELECTORS}]*")

# Of each, a character may have so many. More marks would be drawn over the lines above and below;
# the spacing ones, which take room beside their character, count apart: a Burmese syllable can have
# one of the former and three of the latter. Joiners and selectors do not start a new character.
_MARKS_MAX = 3
_JOINERS_MAX = 2
_SELECTORS_MAX = 1
# Marks, joiners and selectors are no word characters, so there is too much of them only in these.
_MAY_BE_STACKED = re.compile(r"[^\w\s\x00-\x7f]{2,}")
_IS_SELECTOR = re.compile(f"[{_SELECTORS}]")


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
        cleaned = _MAY_BE_STACKED.sub(_unstacked, cleaned)

    if lines:
        cleaned = _EMPTY_LINES.sub("\n\n", _EMPTY_LINES_BEFORE.sub("", cleaned).rstrip())

    return mask_webhook_urls(cleaned)


def has_ink(text: str) -> bool:
    """Return whether anything of a text can be seen."""
    # Nearly every text begins with a letter of ASCII.
    return "!" <= text < "\x7f" or _NO_INK.fullmatch(text) is None


def _unstacked(match: re.Match[str]) -> str:
    """Remove the marks, joiners and selectors of which a character has too many."""
    text = match.group()
    kept: list[str] = []
    counts: dict[str, int] = {}
    for character in text:
        kind, maximum = _kind(character)
        if maximum is None:
            counts.clear()
        else:
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] > maximum:
                continue

        kept.append(character)

    return text if len(kept) == len(text) else "".join(kept)


def _kind(character: str) -> tuple[str, int | None]:
    """Return what a character is to the one before it, and how many it may have; None for any."""
    if character in _JOINERS:
        return "joiner", _JOINERS_MAX

    if _IS_SELECTOR.match(character):
        return "selector", _SELECTORS_MAX

    category = unicodedata.category(character)
    if category in ("Mn", "Me"):
        return "stacked", _MARKS_MAX

    return ("spacing", _MARKS_MAX) if category == "Mc" else ("", None)
