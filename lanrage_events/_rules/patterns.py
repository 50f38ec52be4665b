"""Texts in which an asterisk stands for any characters."""

from __future__ import annotations

import unicodedata

WILDCARD = "*"


def fold(text: str) -> str:
    """Return what the ways to write a name have in common, whatever its case."""
    text = text.strip()
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


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
