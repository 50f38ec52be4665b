"""What the commands write: data to one stream, words for people to another."""

from __future__ import annotations

import json
import shutil
import unicodedata
from typing import TextIO

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They join emoji and letters of some scripts, and do nothing else.
_JOINERS = "\u200c\u200d"
_BAR_COLUMNS = 20


def escape(text: str) -> str:
    r"""Write what could forge a line or steer a terminal as JSON's ``\u`` escapes.

    These are control characters, line and paragraph separators, and characters that change the
    direction of text or cannot be seen. In JSON they only occur in strings, so it stays the same.
    """
    if text.isprintable():
        return text

    return "".join(_escape_character(character) for character in text)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1,000 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bar(part: float) -> str:
    """Draw how much of something is done.

    :param part: from 0 to 1
    """
    filled = int(_BAR_COLUMNS * min(1.0, max(0.0, part)))
    return f"[{'#' * filled}{'.' * (_BAR_COLUMNS - filled)}] {100 * part:3.0f} %"


class Console:
    """Writes lines, and at the end of a terminal one that is written over again and again.

    :param stream: where to, usually stderr
    """

    def __init__(self, stream: TextIO) -> None:
        self.is_live = stream.isatty()
        self._stream = stream
        self._shown = ""

    def tell(self, text: str) -> None:
        """Write a line; what would make more of it is escaped."""
        shown = self._shown
        self.clear()
        self._stream.write(f"{escape(text)}\n")
        if shown:
            self.show(shown)

        self._stream.flush()

    def show(self, text: str) -> None:
        """Put a text in place of the live line before; what is too wide is cut off."""
        if not self.is_live:
            return

        text = escape(text)[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text.ljust(len(self._shown))}")
        self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        """Remove the live line."""
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._stream.flush()
            self._shown = ""


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character

    return json.dumps(character)[1:-1]
