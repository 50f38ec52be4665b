"""Characters: which of them can be seen, and how many may be drawn over one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

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
REMOVED = (
    "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
BLANK_LETTERS = "\t\u115f\u1160\u2800\u3164\uffa0\U0001d159"
_JOINERS = "\u200c\u200d"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f"

_NO_INK = re.compile(rf"[\s{REMOVED}{BLANK_LETTERS}{_JOINERS}{_SELECTORS}]*")

# Of each, a character may have so many. More marks would be drawn over the lines above and below;
# the spacing ones, which take room beside their character, count apart: a Burmese syllable can have
# one of the former and three of the latter. Joiners and selectors do not start a new character.
_MARKS_MAX = 3
_JOINERS_MAX = 2
_SELECTORS_MAX = 1
# Marks, joiners and selectors are no word characters, so there is too much of them only in these.
_MAY_BE_STACKED = re.compile(r"[^\w\s\x00-\x7f]{2,}")
_IS_SELECTOR = re.compile(f"[{_SELECTORS}]")


def has_ink(text: str) -> bool:
    """Return whether anything of a text can be seen."""
    # Nearly every text begins with a letter of ASCII.
    return "!" <= text < "\x7f" or _NO_INK.fullmatch(text) is None


def limit_marks(text: str, write_excess: Callable[[str], str] = lambda character: "") -> str:
    """Return a text without the marks, joiners and selectors of which a character has too many.

    :param write_excess: writes one of these, as nothing by default
    """
    return _MAY_BE_STACKED.sub(lambda match: _limited(match.group(), write_excess), text)


def _limited(text: str, write_excess: Callable[[str], str]) -> str:
    kept: list[str] = []
    counts: dict[str, int] = {}
    for character in text:
        kind, maximum = _kind(character)
        if maximum is None:
            counts.clear()
        else:
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] > maximum:
                kept.append(write_excess(character))
                continue

        kept.append(character)

    return "".join(kept)


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
