"""Files: those that are read whole, within limits, those that are opened safely, and which are the same."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

READ_SECONDS = 10.0
"""how long a pipe or a device may take to give its content, by default"""

_CHUNK_BYTES = 64 * 1024
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO that nobody writes to would block
)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
# A pipe would block until another program opens it.
_SAFELY = _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_file(
    path: str | os.PathLike[str], max_bytes: int, *, timeout: float = READ_SECONDS
) -> bytes:
    """Return the content of a file, which may be a pipe or a device.

    :param path: where it is
    :param max_bytes: how many bytes it may have; no more than one byte beyond is read
    :param timeout: seconds until its end must have come; Windows waits without limit
    :raises OSError: if it cannot be read, is larger than the limit or takes too long; ``strerror``
        says which
    """
    deadline = time.monotonic() + timeout
    fd = os.open(path, _FLAGS)
    try:
        content = bytearray()
        while len(content) <= max_bytes:
            size = min(_CHUNK_BYTES, max_bytes + 1 - len(content))
            try:
                chunk = _read(fd, size, deadline)
            except TimeoutError:
                is_silent = not content and stat.S_ISFIFO(os.fstat(fd).st_mode)
                what = "no program wrote to this pipe" if is_silent else "its end did not come"
                text = f"{what} within {timeout:.2g} seconds"
                raise TimeoutError(errno.ETIMEDOUT, text, os.fspath(path)) from None

            if not chunk:
                return bytes(content)

            content += chunk
    finally:
        os.close(fd)

    raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", os.fspath(path))


def is_same_file(one: Path | int, other: Path | int) -> bool:
    """Return whether two files are one, however they are named; a pipe or a device is none.

    :param one: its path, which need not exist, or its file descriptor
    """
    try:
        status = os.stat(one)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.stat(other))
    except (OSError, ValueError):
        return _location(one) == _location(other) is not None


def _location(file: Path | int) -> str | None:
    return None if isinstance(file, int) else os.path.realpath(file)


def _read(fd: int, size: int, deadline: float) -> bytes:
    # A FIFO without a writer is at its end at once, and one with a writer may have nothing yet.
    is_ready = os.path.isfile(fd)
    while True:
        if not is_ready and hasattr(select, "poll"):
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError

        try:
            return os.read(fd, size)
        except BlockingIOError:
            is_ready = False


def open_regular(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file in a state folder, and return its descriptor.

    Anyone who may write to the folder could put a link there, to let us read or overwrite another
    file. So links are not followed, and what is not a regular file is not opened either.

    :param path: the file; links in the path of its folder are followed
    :param flags: as for :func:`os.open`
    :param mode: the permissions of a new file
    :raises OSError: if it cannot be opened, or is a symbolic link or something else than a file
    """
    reject_link(path)
    descriptor = os.open(path, flags | _SAFELY, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))

    return descriptor


def reject_link(path: Path) -> None:
    """Raise an error if a path is a symbolic link, for what can only be opened by its name.

    :raises OSError: if it is one
    """
    if path.is_symlink():
        problem = f"it is a symbolic link to {os.readlink(path)}; give the path of the file itself"
        raise OSError(errno.ELOOP, problem, str(path))
