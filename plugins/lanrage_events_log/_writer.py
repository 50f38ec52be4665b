from __future__ import annotations

import logging
import os
import select
import stat
import sys
from pathlib import Path

import anyio

from lanrage_events import Health
from lanrage_events.config import ConfigError

logger = logging.getLogger(__name__)

# The owner writes, the group reads (log shippers do): lines hold the names of players.
_FILE_MODE = 0o640
# What a pipe that is ready takes without making the writer wait; POSIX promises 512.
_CHUNK_BYTES = getattr(select, "PIPE_BUF", 512)
_PATIENCE_SECONDS = 5.0
_NEWLINE = ord("\n")


class LineWriter:
    """Appends whole lines to a file or to stderr, and counts those that it could not write.

    Every line is written at once, with nothing buffered in the process. A file that was renamed
    or removed by another program is opened again. An error is logged once, when it begins, and once
    more when it is over.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd: int | None = None
        self._may_block = False
        self._partial = False
        self._problem = ""
        self._lost = 0
        self._lost_before = 0

    @property
    def name(self) -> str:
        """How messages call what is written to."""
        return "stderr" if self._path is None else f"'{self._path}'"

    def open(self) -> None:
        """Open the file, so that an error is reported at the start.

        :raises ConfigError: if it cannot be written to
        """
        try:
            self._fileno()
        except OSError as exc:
            problem = f"path: cannot write to {self.name}: {_reason(exc)}; {self._remedy(exc)}"
            raise ConfigError([problem]) from exc

    def close(self) -> None:
        """Close the file; the next line opens it again. Stderr is not ours to close."""
        if self._fd is not None and self._path is not None:
            os.close(self._fd)

        self._fd = None

    async def write(self, line: bytes) -> None:
        """Append a line, or count it as lost.

        :param line: ends with a newline
        """
        try:
            await self._write(line)
        except OSError as exc:
            self._count_loss(_reason(exc))
        else:
            if self._problem:
                self._report_recovery()

    def health(self) -> Health:
        """Report whether lines are being lost, and how many were."""
        if self._problem:
            detail = f"cannot write to {self.name}: {self._problem}; {_lines(self._lost)} lost"
            return Health("degraded", detail, self._lost + self._lost_before)

        if self._lost_before:
            detail = f"{_lines(self._lost_before)} lost since the start"
            return Health("ok", detail, self._lost_before)

        return Health()

    async def _write(self, line: bytes) -> None:
        fd = self._fileno()
        rest = memoryview(b"\n" + line if self._partial else line)
        while rest:
            chunk = rest
            if self._may_block:
                await self._wait_for_room(fd)
                chunk = rest[:_CHUNK_BYTES]

            try:
                written = os.write(fd, chunk)
            except BlockingIOError:  # another process filled the pipe first
                continue

            self._partial = rest[written - 1] != _NEWLINE
            rest = rest[written:]

    async def _wait_for_room(self, fd: int) -> None:
        if _has_room(fd):
            return

        if self._problem:
            raise TimeoutError

        # A reader that is only slow slows us down; one that is gone must not hold up the bus.
        with anyio.fail_after(_PATIENCE_SECONDS):
            await anyio.wait_writable(fd)

    def _fileno(self) -> int:
        """Return the descriptor to write to, opened again if the path now names another file."""
        if self._fd is not None and not self._was_replaced(self._fd):
            return self._fd

        self.close()
        if self._path is None:
            # Not simply 2: without stderr, that may be a database by now.
            if sys.stderr is None:
                raise OSError("this process has no stderr")

            fd = sys.stderr.fileno()
            self._partial = False
        else:
            fd = os.open(self._path, _open_flags(), _FILE_MODE)
            self._partial = _ends_within_line(self._path)

        self._may_block = hasattr(select, "poll") and not stat.S_ISREG(os.fstat(fd).st_mode)
        self._fd = fd
        return fd

    def _was_replaced(self, fd: int) -> bool:
        # Windows refuses to rename or remove a file that is open.
        if self._path is None or sys.platform == "win32":
            return False

        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(fd))
        except OSError as exc:
            return isinstance(exc, FileNotFoundError)

    def _count_loss(self, problem: str) -> None:
        # While stderr is blocked, a log line would likely go there too, and wait.
        if not self._problem and self._path is not None:
            logger.error("cannot write to %s: %s; events are not logged", self.name, problem)

        self._problem = problem
        self._lost += 1

    def _report_recovery(self) -> None:
        logger.warning("writing to %s works again; %s lost", self.name, _lines(self._lost))
        self._lost_before += self._lost
        self._lost = 0
        self._problem = ""

    def _remedy(self, exc: OSError) -> str:
        if self._path is None:
            return "set 'path'"

        if isinstance(exc, FileNotFoundError):
            return f"create the folder '{self._path.parent}' or change 'path'"

        if isinstance(exc, IsADirectoryError):
            return "'path' must name a file"

        if isinstance(exc, PermissionError):
            return "give the user who runs this the right to write there, or change 'path'"

        return "change 'path'"


def _open_flags() -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    # O_NONBLOCK: without it, opening a named pipe waits for its reader.
    for name in ("O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)

    return flags


def _ends_within_line(path: Path) -> bool:
    """Return whether the last program that wrote to the file was interrupted within a line."""
    try:
        if not path.is_file() or not path.stat().st_size:
            return False

        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except OSError:
        return False


def _has_room(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "nobody reads from it"

    return exc.strerror or str(exc)


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
