"""What the commands write: data to one stream, words for people to another."""

from __future__ import annotations

import shutil
from typing import TextIO

from lanrage_events import escape_controls

_BAR_COLUMNS = 20


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
        self._stream.write(f"{escape_controls(text)}\n")
        if shown:
            self.show(shown)

        self._stream.flush()

    def show(self, text: str) -> None:
        """Put a text in place of the live line before; what is too wide is cut off."""
        if not self.is_live:
            return

        text = escape_controls(text)[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text.ljust(len(self._shown))}")
        self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        """Remove the live line."""
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._stream.flush()
            self._shown = ""
