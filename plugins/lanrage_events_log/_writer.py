"""The writer: append lines to a file or to stderr and count the lost ones."""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import sys
from pathlib import Path

import anyio

from lanrage_events import Health
from lanrage_events.config import ConfigError
from lanrage_events.state import reject_link

logger = logging.getLogger(__name__)

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
# Without it, opening a named pipe waits for its reader.
_FLAGS |= getattr(os, "O_NONBLOCK", 0)
# Only the group may read, for log shippers: lines contain the names of players.
_FILE_MODE = 0o640
# How much a ready pipe takes without blocking the writer; POSIX guarantees 512.
_CHUNK_BYTES = getattr(select, "PIPE_BUF", 512)
_PATIENCE_SECONDS = 5.0
_NEWLINE = ord("\n")


class LineWriter:
    """Append whole lines to a file or to stderr, and count those that could not be written.

    Nothing is buffered in the process. If another program renames or removes the file, it is opened
    again. An outage is logged when it begins and when it ends.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._name = "stderr" if path is None else f"'{path}'"
        self._follows_links = True
        self._fd: int | None = None
        self._may_block = False
        self._partial = False
        self._problem = ""
        self._lost = 0
        self._lost_before = 0

    def open(self) -> None:
        """Open the file, so that errors are reported at the start.

        :raises ConfigError: if the file cannot be written
        """
        try:
            self._fileno()
        except OSError as exc:
            raise ConfigError([f"path: {self.explain(exc)}"]) from exc

    def find_error(self) -> OSError | None:
        """Return why the file cannot be written, None if it can; it is not created."""
        path = self._path
        if path is None:
            return None

        try:
            if not self._follows_links:
                reject_link(path)

            target = _target(path)
            if target.is_dir():
                raise _error(IsADirectoryError, errno.EISDIR)

            if target.is_socket():
                raise _error(OSError, errno.ENXIO)

            if not target.parent.exists():
                raise _error(FileNotFoundError, errno.ENOENT)

            if not target.parent.is_dir():
                raise _error(NotADirectoryError, errno.ENOTDIR)

            if not os.access(target if target.exists() else target.parent, os.W_OK):
                raise _error(PermissionError, errno.EACCES)
        except OSError as exc:
            return exc

        return None

    def explain(self, exc: OSError) -> str:
        """Return why the file cannot be written, and the remedy."""
        return f"cannot write to {self._name}: {_reason(exc)}; {self._remedy(exc)}"

    def files(self) -> list[Path | int]:
        """Return the file, by its path or its descriptor; nothing if there is no stderr."""
        if self._path is not None:
            return [self._path]

        try:
            return [] if sys.stderr is None else [sys.stderr.fileno()]
        except (OSError, ValueError):  # something that only looks like a file
            return []

    def protect(self, folder: Path | None) -> None:
        """Follow no link if the file is in a folder where anyone else could put one.

        :param folder: the state folder, None if there is none
        """
        if self._path is not None and folder is not None:
            parent = Path(os.path.realpath(self._path.parent))
            self._follows_links = not parent.is_relative_to(os.path.realpath(folder))

    def close(self) -> None:
        """Close the file; the next line opens it again. Stderr stays open."""
        if self._fd is not None and self._path is not None:
            os.close(self._fd)

        self._fd = None

    async def write(self, line: bytes) -> None:
        """Append a line that ends with a newline, or count it as lost."""
        try:
            await self._write(line)
        except OSError as exc:
            problem = _reason(exc)
            # While stderr is blocked, a log line would likely block there, too.
            if not self._problem and self._path is not None:
                logger.error("cannot write to %s: %s; events are not logged", self._name, problem)

            self._problem = problem
            self._lost += 1
        else:
            if self._problem:
                logger.warning("writing to %s works again; %s lost", self._name, _lines(self._lost))
                self._problem = ""
                self._lost_before += self._lost
                self._lost = 0

    def health(self) -> Health:
        """Report whether lines are being lost, and how many are."""
        if self._problem:
            detail = f"cannot write to {self._name}: {self._problem}; {_lines(self._lost)} lost"
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
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if poll.poll(0):
            return

        if self._problem:
            raise TimeoutError

        # A slow reader may slow us down, but one that hangs must not block the bus.
        with anyio.fail_after(_PATIENCE_SECONDS):
            await anyio.wait_writable(fd)

    def _fileno(self) -> int:
        """Return the descriptor to write to; open the file again if it was replaced."""
        if self._fd is not None and not self._was_replaced(self._fd):
            return self._fd

        self.close()
        if self._path is None:
            # Not just 2: without stderr, another file may have that number.
            if sys.stderr is None:
                raise OSError("this process has no stderr")

            fd = sys.stderr.fileno()
            self._partial = False
        else:
            flags = _FLAGS
            if not self._follows_links:
                reject_link(self._path)
                flags |= getattr(os, "O_NOFOLLOW", 0)

            fd = os.open(self._path, flags, _FILE_MODE)
            self._partial = _ends_within_line(self._path)

        self._may_block = hasattr(select, "poll") and not stat.S_ISREG(os.fstat(fd).st_mode)
        self._fd = fd
        return fd

    def _was_replaced(self, fd: int) -> bool:
        # On Windows, an open file cannot be renamed or removed.
        if self._path is None or sys.platform == "win32":
            return False

        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(fd))
        except OSError as exc:
            return isinstance(exc, FileNotFoundError)

    def _remedy(self, exc: OSError) -> str:
        if self._path is None:
            return "set 'path'"

        if isinstance(exc, FileNotFoundError):
            folder = Path(os.path.realpath(self._path)).parent if self._path.is_symlink() else None
            return f"create the folder '{folder or self._path.parent}' or change 'path'"

        if isinstance(exc, IsADirectoryError):
            return "'path' must name a file"

        if isinstance(exc, PermissionError):
            return "give the user who runs this the right to write there, or change 'path'"

        return "change 'path'"


def _target(path: Path) -> Path:
    """Return the file that opening a path opens or creates.

    :raises OSError: if there can be none, such as behind a link to itself
    """
    try:
        path.stat()
    except (FileNotFoundError, PermissionError):
        return Path(os.path.realpath(path))

    return path


def _error(kind: type[OSError], number: int) -> OSError:
    return kind(number, os.strerror(number))


def _ends_within_line(path: Path) -> bool:
    """Return whether the file ends with an incomplete line, as after a crash."""
    try:
        if not path.is_file() or not path.stat().st_size:
            return False

        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except OSError:
        return False


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "its reader does not read"

    return exc.strerror or str(exc)


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
