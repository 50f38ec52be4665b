"""Splitting bytes of a file into lines, with their offsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TAIL_BYTES = 64
"""how many bytes before an offset identify the file"""
LINE_BYTES_MAX = 8192
"""longer lines are skipped: no game server writes them, and matching them could take long"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    text: bytes | None
    """without its newline, None if it was too long"""
    begin: int
    """its offset in the file, in bytes"""
    end: int
    """the offset of the next line, in bytes"""


class LineSplitter:
    """Split the bytes of a file into lines, and keep the incomplete last one.

    Unlike :class:`lanrage_events.cli.LineSplitter`, it splits any encoding, begins anywhere in a file,
    and says where each line begins and ends.

    :param newline: the bytes of a newline; each character takes a multiple of their number
    :param offset: the offset of the first bytes
    :param tail: up to :data:`TAIL_BYTES` bytes before the offset
    """

    def __init__(self, newline: bytes, offset: int = 0, tail: bytes = b"") -> None:
        self._newline = newline
        self._rest = b""
        self._before = tail
        self._too_long = False
        self.offset = offset
        """the offset of the incomplete line"""
        self.tail = tail
        """the bytes before that offset"""
        self.position = offset
        """the offset of the bytes to feed next"""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that end in the data; the iterator must be exhausted."""
        self.position += len(data)
        rest = self._rest + data
        begin = 0
        while (end := self._find(rest, begin)) >= 0:
            text = rest[begin:end]
            begin = end + len(self._newline)
            line_begin = self.offset
            self.offset = self.position - len(rest) + begin
            self.tail = self._before_rest(rest, begin)
            too_long = self._too_long or len(text) > LINE_BYTES_MAX
            self._too_long = False
            yield Line(None if too_long else text, line_begin, self.offset)

        if len(rest) - begin > LINE_BYTES_MAX:
            self._too_long = True

        if self._too_long:
            # Keep only a partial newline; the line's offset stays the same.
            begin = len(rest) - (len(rest) - begin) % len(self._newline)

        self._before = self._before_rest(rest, begin)
        self._rest = rest[begin:]

    def finish(self) -> Line | None:
        """Return the incomplete line, because its newline will not come."""
        text = self._rest
        if not text or self._too_long:
            return None

        line = Line(text, self.offset, self.position)
        self._rest = b""
        self.offset = self.position
        self.tail = self._before = self._before_rest(text, len(text))
        return line

    def _before_rest(self, rest: bytes, begin: int) -> bytes:
        if begin >= TAIL_BYTES:
            return rest[begin - TAIL_BYTES : begin]

        return (self._before + rest[:begin])[-TAIL_BYTES:]

    def _find(self, data: bytes, begin: int) -> int:
        width = len(self._newline)
        end = data.find(self._newline, begin)
        # In UTF-16, the bytes of a newline may be halves of two characters.
        while end >= 0 and (end - begin) % width:
            end = data.find(self._newline, end + 1)

        return end
