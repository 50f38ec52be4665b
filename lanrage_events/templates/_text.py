"""The length of texts, as JavaScript counts it."""

from __future__ import annotations


def utf16_units(text: str) -> int:
    """Return the length of a text in UTF-16, as JavaScript counts: an emoji is 2 units long.

    It is never less than the number of code points, so a limit that is kept in these units is kept
    whichever of the two it means.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
