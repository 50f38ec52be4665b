"""Lines of a file or pipe, read in a thread that keeps nobody from exiting."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass

import anyio
import anyio.from_thread
from anyio.lowlevel import current_token

LINE_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input."""

    number: int
    """1 for the first"""
    data: bytes | None
    """without its newline; None if it is too long to be read"""
    end: int
    """how many bytes of the input there are up to its end"""


class InputBroken(Exception):
    """Raised when an input cannot be read any more, with the reason."""


class LineSplitter:
    """Cuts chunks of bytes into lines, and keeps no more of one than it may have.

    :param max_bytes: how long a line may be, without its newline
    """

    def __init__(self, max_bytes: int = LINE_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._lines = 0
        self._end = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end within a chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._finish(newline=1)

        self._add(rest)

    def finish(self) -> Iterator[Line]:
        """Yield the last line if it has no newline."""
        if self._size:
            yield self._finish(newline=0)

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._max_bytes:
            self._parts.append(part)

    def _finish(self, *, newline: int) -> Line:
        self._lines += 1
        self._end += self._size + newline
        data = None if self._size > self._max_bytes else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return Line(self._lines, data, self._end)


async def read_lines(fd: int) -> AsyncGenerator[list[Line]]:
    """Read a file to its end; yields the lines that one read completes, at least one at a time.

    :param fd: its file descriptor, which stays open
    :raises InputBroken: if it cannot be read any more
    """
    splitter = LineSplitter()
    while chunk := await _in_thread(lambda: os.read(fd, _CHUNK_BYTES)):
        lines = list(splitter.feed(chunk))
        if lines:
            yield lines

    lines = list(splitter.finish())
    if lines:
        yield lines


async def _in_thread(read: Callable[[], bytes]) -> bytes:
    # A daemon thread, since nothing can end a read; anyio's worker threads are waited for.
    answers: list[bytes | OSError] = []
    answered = anyio.Event()
    token = current_token()

    def work() -> None:
        try:
            answers.append(read())
        except OSError as error:
            answers.append(error)

        try:
            anyio.from_thread.run_sync(answered.set, token=token)
        except anyio.RunFinishedError:
            return

    threading.Thread(target=work, name="lines", daemon=True).start()
    await answered.wait()
    [answer] = answers
    if isinstance(answer, OSError):
        raise InputBroken(answer.strerror or str(answer))

    return answer
