"""The lines of a file or pipe, in groups of those that one read completes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lanrage_events.cli import ChunkReader, Line, LineSplitter


class InputError(Exception):
    """Raised when an input cannot be read, with the reason."""


async def read_lines(fd: int) -> AsyncGenerator[list[Line]]:
    """Read a file to its end; yield the lines that each read completes, at least one.

    :param fd: its file descriptor, which stays open
    :raises InputError: if it cannot be read
    """
    splitter = LineSplitter()
    chunks = ChunkReader(fd)
    while True:
        try:
            chunk = await anext(chunks, b"")
        except OSError as error:
            raise InputError(error.strerror or str(error)) from None

        lines = list(splitter.feed(chunk) if chunk else splitter.finish())
        if lines:
            yield lines

        if not chunk:
            return
