"""Bytes from standard input or a file, cut into lines."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

LINE_MAX_BYTES = 1024 * 1024
"""how many bytes a line of an input may have, by default"""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an input."""

    number: int
    """1 for the first"""
    data: bytes | None
    """without its newline; None if it is too long"""
    end: int
    """the bytes of the input up to its end"""

    def text(self) -> str:
        """Decode it; the first line may begin with a byte order mark.

        :raises ValueError: if it is longer than :data:`LINE_MAX_BYTES` or is not UTF-8
        """
        if self.data is None:
            raise ValueError(f"longer than {LINE_MAX_BYTES} bytes")

        try:
            # Some programs, mostly on Windows, begin a file with a mark.
            return self.data.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{self.data[error.start]:02x} at position {error.start + 1}"
            raise ValueError(f"not UTF-8: {found}") from None


class LineSplitter:
    """Cuts chunks of bytes into lines, and discards what is beyond the limit of a line.

    :param max_bytes: how long a line may be, without its newline
    """

    def __init__(self, max_bytes: int = LINE_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._lines = 0
        self._end = 0

    @property
    def is_within_line(self) -> bool:
        """Whether a line has begun, but not ended yet."""
        return self._size > 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end within a chunk; it must be exhausted."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._finish(newline=1)

        self._add(rest)

    def finish(self) -> Iterator[Line]:
        """Yield the last line, if it has no newline."""
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


class ChunkReader(AsyncIterator[bytes]):
    """Reads a file or pipe in chunks, in threads that do not keep the process from exiting.

    It reads only on request, so a slow reader slows the writer down. A file is read to the end that
    it had when reading began, whatever is appended meanwhile. A read that fails raises
    :exc:`OSError`.

    :param fd: the file descriptor, which stays open; the default is that of standard input
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._left: int | None = None
        """how many bytes are still to be read, as far as that is known"""

    async def __anext__(self) -> bytes:
        chunk = await self._read()
        if not chunk:
            raise StopAsyncIteration

        return chunk

    async def _read(self) -> bytes:
        import threading

        import anyio
        import anyio.from_thread
        from anyio.lowlevel import current_token

        if self._fd is None:
            if sys.stdin is None:
                raise OSError("this process has no standard input")

            self._fd = sys.stdin.fileno()

        fd, token, done = self._fd, current_token(), anyio.Event()
        result: bytes | OSError = b""

        def work() -> None:
            nonlocal result
            try:
                result = self._read_from(fd)
            except OSError as error:
                result = error

            try:
                anyio.from_thread.run_sync(done.set, token=token)
            except anyio.RunFinishedError:
                return

        # A daemon thread, since a read cannot be cancelled; the exit waits for anyio's worker threads.
        threading.Thread(target=work, name="input", daemon=True).start()
        await done.wait()
        if isinstance(result, OSError):
            raise result

        return result

    def _read_from(self, fd: int) -> bytes:
        if self._left is None:
            self._left = _bytes_left(fd)

        chunk = os.read(fd, min(_CHUNK_BYTES, self._left))
        self._left -= len(chunk)
        return chunk


def _bytes_left(fd: int) -> int:
    """Return how many bytes of a file follow the current position; of a pipe, the most there are."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return sys.maxsize

    return max(0, status.st_size - os.lseek(fd, 0, os.SEEK_CUR))
