"""The output of commands: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TextIO

from .._redaction import mask_webhook_urls, safe_text

_COLUMN_GAP = "  "


class ExitCode(IntEnum):
    """The exit code of the process. A second signal kills it, which a shell shows as 130 or 143."""

    DONE = 0
    FAILED = 1
    """a plugin could not start or did not end, a line of input was bad, an event could not be
    delivered, or the daemon ended for a reason that nobody asked for"""
    MISUSE = 2
    """the command line is wrong"""
    BAD_CONFIG = 78
    """the configuration is wrong; EX_CONFIG of sysexits.h, which Windows' ``os`` lacks"""
    INTERRUPTED = 130
    """SIGINT before anything ran that could be stopped properly"""


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of data to stdout.

    :param lines: each without its newline; line breaks within them are escaped
    """
    sys.stdout.writelines(f"{safe_text(line)}\n" for line in lines)


def write_errors(lines: Iterable[str]) -> None:
    """Write lines for people to stderr.

    :param lines: each without its newline; line breaks within them are escaped
    """
    sys.stderr.writelines(f"{safe_text(line)}\n" for line in lines)


def write_json(data: object) -> None:
    """Write data as indented JSON to stdout."""
    sys.stdout.write(mask_webhook_urls(json.dumps(data, indent=2, ensure_ascii=False)) + "\n")


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return one line a row, with aligned columns even for wide characters.

    :param rows: the cells, the same number in each row
    """
    from rich.cells import cell_len, set_cell_size

    escaped = [[safe_text(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*escaped, strict=True)]
    return [_COLUMN_GAP.join(map(set_cell_size, row, widths)).rstrip() for row in escaped]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1,000 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def progress_bar(part: float, columns: int = 20) -> str:
    """Draw a progress bar, such as ``[#####...............]``.

    :param part: from 0 to 1
    :param columns: its width between the brackets
    """
    filled = int(columns * min(1.0, max(0.0, part)))
    return f"[{'#' * filled}{'.' * (columns - filled)}]"


class StatusLine:
    """A line at the end of a terminal that is overwritten again and again.

    Without a terminal, only the lines of :meth:`write` appear.

    :param stream: usually stderr
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        """Replace the text of the line.

        :param text: line breaks within it are escaped, and what is too wide is cut off
        """
        if not self._is_terminal:
            return

        from rich.cells import cell_len, set_cell_size

        text = safe_text(text)
        width = shutil.get_terminal_size().columns - 1
        text = set_cell_size(text, min(cell_len(text), width))
        self._stream.write(f"\r{set_cell_size(text, max(cell_len(text), cell_len(self._shown)))}")
        self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        """Remove the line, so that something else can be written."""
        if self._shown:
            from rich.cells import cell_len

            self._stream.write(f"\r{' ' * cell_len(self._shown)}\r")
            self._stream.flush()
            self._shown = ""

    def write(self, text: str) -> None:
        """Write a permanent line above this one.

        :param text: without its newline; line breaks within it are escaped
        """
        shown = self._shown
        self.clear()
        self._stream.write(f"{safe_text(text)}\n")
        if shown:
            self.show(shown)

        self._stream.flush()
