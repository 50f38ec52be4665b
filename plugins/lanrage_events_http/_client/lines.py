"""Lines of a file or pipe, as many together as came together."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lanrage_events.cli import ChunkReader, Line, LineSplitter


class InputBroken(Exception):
    """Raised when an input cannot be read any more, with the reason."""


async def read_lines(fd: int) -> AsyncGenerator[list[Line]]:
    """Read a file to its end; yields the lines that one read completes, at least one at a time.

    :param fd: its file descriptor, which stays open
    :raises InputBroken: if it cannot be read any more
    """
    splitter = LineSplitter()
    chunks = ChunkReader(fd)
    while True:
        try:
            chunk = await anext(chunks, b"")
        except OSError as error:
            raise InputBroken(error.strerror or str(error)) from None

        lines = list(splitter.feed(chunk) if chunk else splitter.finish())
        if lines:
            yield lines

        if not chunk:
            return
