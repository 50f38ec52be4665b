"""Texts in which an asterisk stands for any characters."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, normalize

WILDCARD = "*"


def fold(text: str) -> str:
    """Return what the ways to write a name have in common: its case, its width, what is not seen."""
    if text.isascii():
        return text.strip().lower()

    return "".join(map(fold_character, normalize("NFC", text))).strip()


@lru_cache(4096)
def fold_character(character: str) -> str:
    """Return what :func:`fold` makes of a character, which may be several or none."""
    if category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""  # not seen, such as a space without width

    return normalize("NFKC", normalize("NFKC", character).casefold())


class Pattern:
    """A text in which ``*`` stands for any characters, also for none.

    Matching never goes back, so it takes linear time, whatever strangers call themselves.

    :param text: without ``*``, it matches only itself
    :param folded: whether it is compared with folded texts, see :func:`fold`
    """

    __slots__ = ("_first", "_inner", "_is_literal", "_last", "_length", "text")

    def __init__(self, text: str, *, folded: bool = False) -> None:
        self.text = text
        self._first, *rest = (fold(text) if folded else text).split(WILDCARD)
        self._is_literal = not rest
        *self._inner, self._last = rest or [""]
        self._length = len(self._first) + len(self._last)

    def matches(self, text: str) -> bool:
        """Return whether a text is what the pattern stands for."""
        if self._is_literal:
            return text == self._first

        if (
            len(text) < self._length
            or not text.startswith(self._first)
            or not text.endswith(self._last)
        ):
            return False

        position, end = len(self._first), len(text) - len(self._last)
        for part in self._inner:
            position = text.find(part, position, end)
            if position < 0:
                return False

            position += len(part)

        return True
