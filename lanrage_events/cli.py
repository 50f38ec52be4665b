"""What the command line writes: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TextIO

from ._redaction import escape_controls

_COLUMN_GAP = "  "


class ExitCode(IntEnum):
    """What the process returns. One that a second signal killed looks like 130 or 143 in a shell."""

    DONE = 0
    FAILED = 1
    """a plugin could not start, a line of input was bad, an event could not be delivered"""
    MISUSE = 2
    """the command line is wrong"""
    BAD_CONFIG = 78
    """the configuration is wrong; EX_CONFIG of sysexits.h, which Windows' ``os`` lacks"""
    INTERRUPTED = 130
    """SIGINT before anything ran that could be stopped in order"""


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of data to stdout.

    :param lines: each without its newline; what would make more of them is escaped
    """
    sys.stdout.writelines(f"{escape_controls(line)}\n" for line in lines)


def write_errors(lines: Iterable[str]) -> None:
    """Write lines for people to stderr.

    :param lines: each without its newline; what would make more of them is escaped
    """
    sys.stderr.writelines(f"{escape_controls(line)}\n" for line in lines)


def write_json(data: object) -> None:
    """Write data as indented JSON to stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return one line a row, with its cells below each other; the last column may be ragged.

    :param rows: the cells, as many in each row
    """
    escaped = [[escape_controls(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*escaped, strict=True)]
    return [
        _COLUMN_GAP.join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in escaped
    ]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1,000 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class LiveLine:
    """A line at the end of a terminal that is written over again and again.

    :param stream: the terminal
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""

    def show(self, text: str) -> None:
        """Put a text in place of the one before.

        :param text: one line without control characters; what is too wide is cut off
        """
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text.ljust(len(self._shown))}")
        self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        """Remove the line, so that something else can be written."""
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""


def discard_stdout() -> None:
    """Have nothing more written to a stdout whose reader is gone, not even at the exit."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
