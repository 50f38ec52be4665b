"""The reader: the lines of one open file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from .._parsing import Written
from .checkpoint import Checkpoint, tail_of
from .file import OpenedFile
from .lines import Line, LineSplitter

CHUNK_BYTES = 32_768
_LAST_BYTES = 2048
_END_SEARCHED_BYTES = 1_048_576


class LogReader:
    """Read the lines of an open file.

    Nothing in here waits. A method that raises :exc:`OSError` leaves everything as it was.

    :param file: the file; the reader closes it
    :param offset: the beginning of a line
    """

    def __init__(self, file: OpenedFile, offset: int) -> None:
        self.file = file
        self._begin(offset)

    @classmethod
    def open(cls, path: Path, encoding: str, begin: int | None = 0) -> Self:
        """Open a file.

        :param encoding: the configured encoding
        :param begin: begin with the line in which this offset is; None to begin with the line that has
            no newline yet
        """
        file = OpenedFile(path, encoding)
        try:
            return cls(file, _begin_of_line(file, file.size() if begin is None else begin))
        except OSError:
            file.close()
            raise

    def _begin(self, offset: int) -> None:
        newline = "\n".encode(self.file.encoding)
        # The version before has split a file in UTF-16 between its bytes, if another was configured.
        self.offset = offset + -offset % len(newline)
        """the end of the last line that is done"""
        self._tail = tail_of(self.file, self.offset)
        self._zeros = 0
        self._splitter = LineSplitter(newline, self.offset, self._tail)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def end(self) -> int:
        """How many bytes of the file were read, also of an incomplete line."""
        return self._splitter.position + self._zeros

    @property
    def lag_bytes(self) -> int:
        """How many bytes of the file are not read yet, as far as known."""
        if not self.file.packed:
            with suppress(OSError):
                return max(0, self.file.size() - self.end)

        return 0

    def read(
        self, mark: Checkpoint | None = None, *, end: int | None = None
    ) -> Iterator[Line] | None:
        """Return the lines that end in the next bytes of the file.

        :param mark: the last checkpoint in the file
        :param end: read no byte from here on; None for the end of the file
        :return: None at the end of the file, or if its content was replaced
        """
        if self.was_replaced(mark):
            return None

        if self.file.detect_encoding():
            self._begin(0)

        position = self._splitter.position
        count = CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - position)
        data = self.file.read_at(position, count) if count > 0 else b""
        self._zeros = 0
        if len(data) < CHUNK_BYTES:
            # Some file systems show zeros where the bytes of another machine have not arrived yet.
            zeros = len(data) - len(data.rstrip(b"\0"))
            self._zeros = zeros - zeros % len("\n".encode(self.file.encoding))
            data = data[: len(data) - self._zeros]

        return self._splitter.feed(data) if data else None

    def written(self) -> Written:
        """Return what the file says about when its lines were written."""
        status = self.file.stat()
        last_lines: list[str] = []
        if not self.file.packed:
            width = len("\n".encode(self.file.encoding))
            begin = max(0, status.st_size - _LAST_BYTES) // width * width
            data = self.file.read_at(begin, _LAST_BYTES)
            last_lines = data.decode(self.file.encoding, "replace").splitlines()

        modified = datetime.fromtimestamp(status.st_mtime)
        return Written(self.file.path.name, modified, last_lines)

    def advance(self, line: Line) -> None:
        """Record that a line is done."""
        self.offset, self._tail = line.end, line.tail

    def was_replaced(self, mark: Checkpoint | None) -> bool:
        """Return whether the file has other content now than what was read.

        :param mark: the last checkpoint in the file
        """
        if self.file.packed:
            return False

        return self.file.size() < self._splitter.position or (
            mark is not None and not mark.matches_content(self.file)
        )

    def finish(self) -> Line | None:
        """Return the last line, without a newline, of a file that is no longer written to."""
        return self._splitter.finish()

    def decode(self, line: Line) -> str | None:
        """Return the text of a line, None if it was too long."""
        if line.text is None:
            return None

        text = line.text.decode(self.file.encoding, "replace").removesuffix("\r")
        return text.removeprefix("\ufeff") if line.begin == 0 else text

    def mark(self, before: Checkpoint | None) -> Checkpoint:
        """Return the checkpoint at the end of the last line that is done.

        :param before: the last checkpoint in the same file
        """
        return Checkpoint.of(self.file, self.offset, self._tail, before)


def _begin_of_line(file: OpenedFile, offset: int) -> int:
    """Return where the line begins in which an offset is, or the offset if the line is very long."""
    newline = "\n".encode(file.encoding)
    width = len(newline)
    size = offset - offset % width
    end = size
    while end > 0:
        if size - end >= _END_SEARCHED_BYTES:
            return size

        begin = max(0, end - CHUNK_BYTES)
        data = file.read_at(begin, end - begin)
        found = data.rfind(newline)
        while found > 0 and found % width:
            found = data.rfind(newline, 0, found + width - 1)

        if found >= 0:
            return begin + found + width

        end = begin

    return 0
