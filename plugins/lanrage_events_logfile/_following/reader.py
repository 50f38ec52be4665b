from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from .._encoding import newline_of
from .checkpoint import Mark, tail_of
from .file import OpenedFile
from .folder import Folder, Found
from .lines import Line, LineSplitter

CHUNK_BYTES = 32_768
_END_SEARCHED_BYTES = 1_048_576
_ANY_AGE = (-1, "")

What = Literal["same", "next", "emptied"]


class LogReader:
    """Reads lines of a configured file, and finds the file that they are in.

    Nothing in here waits. Each method may raise :exc:`OSError`, and leaves everything as it was.

    :param path: a file, or one with ``*`` or ``?`` in its name
    :param encoding: how text is written in it
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self._folder = Folder(path)
        self._encoding = encoding
        self._file: OpenedFile | None = None
        self._splitter = LineSplitter(newline_of(encoding))
        self._next: Found | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a file to read."""
        return self._file is not None

    @property
    def is_pattern(self) -> bool:
        """Whether the path means several files."""
        return self._folder.is_pattern

    @property
    def offset(self) -> int:
        """The end of the last line that was read."""
        return self._splitter.offset

    @property
    def behind(self) -> int:
        """How many bytes of the file are not read yet, as far as it is known."""
        if self._file is None or self._file.packed:
            return 0

        with suppress(OSError):
            return max(0, self._file.size() - self._splitter.position)

        return 0

    @property
    def folders(self) -> set[Path]:
        """The folders in which a change may matter."""
        folders = {self._folder.path.parent}
        with suppress(OSError, RuntimeError):  # a link that leads in circles
            folders.add(self._folder.path.resolve().parent)

        return folders

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # Which file

    def open_first(self, *, at_end: bool) -> bool:
        """Open the file that is written to now; return whether there is one.

        :param at_end: begin with the line that has no newline yet
        """
        return self._open(self._folder.current(), at_end=at_end)

    def open_marked(self, mark: Mark) -> bool:
        """Open the file in which a mark was set, at the mark; return whether it is there."""
        file = self._folder.find(mark, self._encoding)
        if file is None:
            return False

        self._adopt(file, mark.offset)
        return True

    def open_after(self, mark: Mark | None, done: Collection[Mark]) -> bool:
        """Open the file that comes after one that is gone; return whether it is there.

        :param mark: how far the one that is gone was read, None if there was none
        :param done: the ends of files that were read before
        """
        return self._open(self._folder.after(mark, done))

    def open_next(self) -> None:
        """Open what :meth:`look` found to be next."""
        file = self._opened()
        if self._open(self._next):
            file.close()

    def look(self, mark: Mark | None, done: Collection[Mark]) -> What:
        """Look whether the file that was read to its end is still the one to read.

        :param mark: the last one that was set in it
        :param done: the ends of files that were read before
        """
        file = self._opened()
        status = file.stat()
        ours = (status.st_dev, status.st_ino)
        matching = self._folder.matching()
        if self._was_emptied(mark):
            return "emptied"

        if not self._folder.is_pattern and any(found.key == ours for found in matching):
            return "same"

        written = mark.modified_ns if mark and file.packed else status.st_mtime_ns
        age = (written, file.path.name)
        self._next = self._folder.next(age if self._folder.is_pattern else _ANY_AGE, done)
        return "same" if self._next is None else "next"

    def _open(self, found: Found | None, *, at_end: bool = False) -> bool:
        if found is None:
            return False

        file = OpenedFile(found.path, self._encoding)
        try:
            self._adopt(file, _end_of_last_line(file) if at_end else 0)
        except OSError:
            file.close()
            raise

        return True

    def _adopt(self, file: OpenedFile, offset: int) -> None:
        tail = tail_of(file, offset)
        self._file = file
        # With a byte order mark the encoding may be another one than the configuration has.
        self._splitter = LineSplitter("\n".encode(file.encoding), offset, tail)

    def _opened(self) -> OpenedFile:
        if self._file is None:
            raise AssertionError("no file is open")

        return self._file

    # Its lines

    def read(self, mark: Mark | None) -> Iterator[Line] | None:
        """Return the lines that end in the next bytes of the file.

        :param mark: the last one that was set in it
        :returns: None at the end of the file, or if it has another content now
        """
        if self._was_emptied(mark):
            return None

        file = self._opened()
        if file.settle():
            self._adopt(file, 0)

        data = file.read_at(self._splitter.position, CHUNK_BYTES)
        return self._splitter.feed(data) if data else None

    def _was_emptied(self, mark: Mark | None) -> bool:
        file = self._opened()
        if file.packed:
            return False

        return file.size() < self._splitter.position or (mark is not None and not mark.fits(file))

    def finish(self) -> Line | None:
        """Return the line without a newline at the end of a file that nobody writes to any more."""
        return self._splitter.finish()

    def decode(self, line: Line, begin: int) -> str | None:
        """Return the text of a line, None if it is too long to be looked at.

        :param begin: where the line begins in the file
        """
        if line.text is None:
            return None

        file = self._opened()
        data = line.text[file.bom_bytes :] if begin == 0 else line.text
        return data.decode(file.encoding, "replace").removesuffix("\r")

    def mark(self, before: Mark | None) -> Mark:
        """Mark the end of the last line that was read.

        :param before: the last one that was set in the same file
        """
        return Mark.of(self._opened(), self._splitter.offset, self._splitter.tail, before)


def _end_of_last_line(file: OpenedFile) -> int:
    """Return where the line begins that has no newline yet, the end if that is far from it."""
    newline = "\n".encode(file.encoding)
    width = len(newline)
    size = file.size()
    size -= size % width
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
