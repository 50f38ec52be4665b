"""Lengths of texts, and clusters: what people see as one character, such as an emoji with its skin tone."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"

# A cluster longer than this may be cut anywhere.
_CLUSTER_MAX_CHARACTERS = 32


def utf16_units(text: str) -> int:
    """Return the length of a text in UTF-16, as JavaScript counts: an emoji is 2 units long.

    It is never less than the number of code points, so a limit that is kept in these units is kept
    whichever of the two it means.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """Return the longest beginning of a text that fits together with an ellipsis.

    What looks like one character, such as an emoji with its skin tone, is never split.

    :param text: the text, which does not fit as it is
    :param fits: whether a text fits; if one fits, so does each of its beginnings
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[:middle] + ELLIPSIS):
            low = middle
        else:
            high = middle - 1

    return text[: character_boundary(text, low)].rstrip() + ELLIPSIS


def character_boundary(text: str, position: int) -> int:
    """Return the nearest place at or before a position that splits nothing that looks like one.

    An emoji with its skin tone, a flag, a family and a letter with its marks are never split, unless
    they are longer than 32 characters.

    :param text: any text
    :param position: from 0 to the length of the text
    """
    for place in range(position, max(0, position - _CLUSTER_MAX_CHARACTERS), -1):
        if place == len(text) or not _is_inside_cluster(text, place):
            return place

    return position if position > _CLUSTER_MAX_CHARACTERS else 0


def _is_inside_cluster(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if before == "\u200d" or after == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True

    # The second and third part of a Korean syllable that is written in letters.
    if "\u1160" <= after <= "\u11ff" and "\u1100" <= before <= "\u11ff":
        return True

    if _is_regional_indicator(before) and _is_regional_indicator(after):
        flags = place
        while flags and _is_regional_indicator(text[flags - 1]):
            flags -= 1

        return (place - flags) % 2 == 1

    return (
        unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U000e0020" <= after <= "\U000e007f"
    )


def _is_regional_indicator(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
