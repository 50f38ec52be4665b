"""Splitting bytes of a file into lines, with their offsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TAIL_BYTES = 64
"""how many bytes before an offset identify the file"""
LINE_BYTES_MAX = 8192
"""longer lines are skipped: no game server writes them, and matching them could take long"""
NUL_BLOCK = bytes(512)
"""what stands for bytes that were never written, such as after a power loss; longer than a line of chat,
so that nobody can end a line with it"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    text: bytes | None
    """without its newline, None if it was too long"""
    begin: int
    """its offset in the file, in bytes"""
    end: int
    """the offset of the next line, in bytes"""
    tail: bytes = b""
    """up to :data:`TAIL_BYTES` bytes before that offset"""


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
        self.position = offset
        """the offset of the bytes to feed next"""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that end in the data; the iterator must be exhausted."""
        self.position += len(data)
        rest = self._rest + data
        begin = 0
        while (end := self._find(rest, begin)) >= 0:
            text = self._after_nuls(rest[begin:end])
            begin = end + len(self._newline)
            line_begin = self.offset
            self.offset = self.position - len(rest) + begin
            too_long = self._too_long or len(text) > LINE_BYTES_MAX
            self._too_long = False
            tail = self._before_rest(rest, begin)
            yield Line(None if too_long else text, line_begin, self.offset, tail)

        if self._too_long or len(rest) - begin > LINE_BYTES_MAX:
            begin = len(rest) - len(self._after_nuls(rest[begin:]))
            self._too_long |= len(rest) - begin > LINE_BYTES_MAX

        if self._too_long:
            # Keep only a partial newline; the line's offset stays the same.
            begin = len(rest) - (len(rest) - begin) % len(self._newline)

        self._before = self._before_rest(rest, begin)
        self._rest = rest[begin:]

    def finish(self) -> Line | None:
        """Return the incomplete line, because its newline will not come."""
        text = self._after_nuls(self._rest)
        if not text or self._too_long:
            return None

        self._before = self._before_rest(self._rest, len(self._rest))
        line = Line(text, self.offset, self.position, self._before)
        self._rest = b""
        self.offset = self.position
        return line

    def _after_nuls(self, text: bytes) -> bytes:
        """Return what is behind the zeros in an incomplete or complete line, which then begins there."""
        if b"\0" not in text:
            return text

        block = text.rfind(NUL_BLOCK)
        if block >= 0:
            self._too_long = False

        begin = max(block, 0)
        zeros = len(text) - begin - len(text[begin:].lstrip(b"\0"))
        end = begin + zeros
        # In UTF-16, half a character may be zero.
        return text[end - end % len(self._newline) :]

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
