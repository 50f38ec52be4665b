"""Events from standard input, one JSON object a line."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token

from .._bus import EventBus
from .._exceptions import EventDecodeError

logger = logging.getLogger(__name__)

LINE_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input."""

    number: int
    """1 for the first"""
    data: bytes | None
    """without its newline; None if it is too long to be read"""


class LineSplitter:
    """Cuts chunks of bytes into lines, and keeps no more of one than it may have.

    :param max_bytes: how long a line may be, without its newline
    """

    def __init__(self, max_bytes: int = LINE_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._lines = 0

    @property
    def is_within_line(self) -> bool:
        """Whether a line has begun and not ended yet."""
        return self._size > 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end within a chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._finish()

        self._add(rest)

    def finish(self) -> Iterator[Line]:
        """Yield the last line if it has no newline."""
        if self.is_within_line:
            yield self._finish()

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._max_bytes:
            self._parts.append(part)

    def _finish(self) -> Line:
        self._lines += 1
        data = None if self._size > self._max_bytes else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return Line(self._lines, data)


class LineFeed:
    """Publishes the events of an input, tells of bad lines and goes on.

    :param bus: where they are published
    """

    def __init__(self, bus: EventBus) -> None:
        self.published = 0
        """events that the bus has taken"""
        self.bad = 0
        """lines that are no event, blank ones aside"""
        self.finished = False
        """whether the input was read to its end"""
        self.activity = anyio.Event()
        """set when a line was read; whoever waits for it puts a new one in its place"""
        self._bus = bus
        self._splitter = LineSplitter()
        self._in_hand = False

    @property
    def interrupted(self) -> bool:
        """Whether something was read, and then not published since it was cancelled."""
        return not self.finished and (self._in_hand or self._splitter.is_within_line)

    async def run(self, chunks: AsyncIterable[bytes]) -> None:
        """Publish every event, waiting for room in ``block`` mailboxes.

        :param chunks: the input, cut anywhere
        """
        try:
            async for chunk in chunks:
                self._in_hand = True
                for line in self._splitter.feed(chunk):
                    await self._take(line)

                self._in_hand = False
        except OSError as error:
            self.bad += 1
            logger.error("stdin cannot be read any more: %s", error.strerror or error)

        self._in_hand = True
        for line in self._splitter.finish():
            await self._take(line)

        self.finished = True
        self.activity.set()

    async def _take(self, line: Line) -> None:
        try:
            text = _decode(line)
            if not text.isspace() and text:
                await self._bus.publish(self._bus.events.from_json(text))
                self.published += 1
        except (EventDecodeError, _BadLine) as error:
            self.bad += 1
            logger.error("stdin line %d: %s", line.number, error)

        self.activity.set()


class _BadLine(Exception):
    """Raised when a line is not even text."""


def _decode(line: Line) -> str:
    if line.data is None:
        raise _BadLine(f"longer than {LINE_MAX_BYTES} bytes")

    try:
        # Some programs, Windows' among them, begin a file with a mark.
        return line.data.decode("utf-8-sig" if line.number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        byte = line.data[error.start]
        raise _BadLine(f"not UTF-8: byte 0x{byte:02x} at position {error.start + 1}") from None


class StandardInput(AsyncIterator[bytes]):
    """Reads standard input in chunks, in a thread that keeps nobody from exiting.

    It reads only when it is asked for a chunk, so a slow reader slows the writer down.

    :param fd: the file descriptor; the default is that of standard input
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._demand = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._arrived = anyio.Event()
        self._chunk: bytes | OSError = b""

    async def __anext__(self) -> bytes:
        if self._thread is None:
            self._start()

        self._arrived = anyio.Event()
        self._demand.release()
        await self._arrived.wait()
        if isinstance(self._chunk, OSError):
            raise self._chunk

        if not self._chunk:
            raise StopAsyncIteration

        return self._chunk

    def _start(self) -> None:
        if self._fd is None:
            if sys.stdin is None:
                raise OSError("this process has no standard input")

            self._fd = sys.stdin.fileno()

        # A daemon thread, since nothing can end a read; anyio's worker threads are waited for.
        self._thread = threading.Thread(
            target=self._read, args=(self._fd, current_token()), name="stdin", daemon=True
        )
        self._thread.start()

    def _read(self, fd: int, token: EventLoopToken) -> None:
        chunk: bytes | OSError = b"more"
        while chunk and not isinstance(chunk, OSError):
            self._demand.acquire()
            try:
                chunk = os.read(fd, _CHUNK_BYTES)
            except OSError as error:
                chunk = error

            try:
                anyio.from_thread.run_sync(self._deliver, chunk, token=token)
            except anyio.RunFinishedError:
                return

    def _deliver(self, chunk: bytes | OSError) -> None:
        self._chunk = chunk
        self._arrived.set()
