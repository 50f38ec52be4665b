"""Files in a state folder that one process at a time owns, and that say who it is."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from ._files import is_same_file, open_regular

# Far behind the text: on Windows a locked byte cannot be read, and other processes read the text.
_LOCKED_BYTE = 0x7FFF_0000

_held: WeakSet[FileLock] = WeakSet()


class LockedError(Exception):
    """Raised when another process has locked the file."""


class FileLock:
    """Owns a file until it is released or the process exits.

    The operating system holds the lock, so it is never left over. The file stays: if it were
    removed, two processes could each lock a file of that name.

    :param path: created if it does not exist, readable only for its owner
    :raises LockedError: if another process owns it
    :raises OSError: if it cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            raise LockedError(str(path)) from error

        _held.add(self)

    def read(self, max_bytes: int) -> bytes:
        """Return what the file has, which the last owner wrote."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, max_bytes)

    def write(self, data: dict[str, object]) -> None:
        """Replace the content by JSON, as far as the disk has room for it.

        Others may read half of it meanwhile.
        """
        text = json.dumps(data, ensure_ascii=False).encode(errors="replace")
        # Written before it is shortened, which needs no room on a full disk.
        with suppress(OSError):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.truncate(self._file, os.write(self._file, text))

    def release(self) -> None:
        """Let another process own the file; do nothing if that was done already."""
        if self in _held:
            _held.discard(self)
            os.close(self._file)


def is_locked(path: Path) -> bool:
    """Return whether a process owns a file.

    :raises OSError: if it cannot be opened
    """
    file = open_regular(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        _lock(file, shared=True)
    except OSError:
        return True
    finally:
        os.close(file)

    return False


def is_own(path: Path) -> bool:
    """Return whether this process owns a file."""
    return any(is_same_file(lock.path, path) for lock in list(_held))


def _release_all() -> None:
    # A child that outlives us would hold our locks: they belong to the open file, not the process.
    for lock in list(_held):
        lock.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, *, shared: bool = False) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    os.register_at_fork(after_in_child=_release_all)

    def _lock(file: int, *, shared: bool = False) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
