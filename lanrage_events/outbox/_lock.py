"""The lock file of an outbox: who owns it, and how to notify the owner."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .._exceptions import OutboxError, OutboxInUse
from ..state import open_regular
from ._notification import ChangeNotifier

# Far behind the text: on Windows a locked byte cannot be read, and other processes read the text.
_LOCKED_BYTE = 0x7FFF_0000
_MAX_TEXT_BYTES = 4096

_held: WeakSet[OwnerLock] = WeakSet()


@dataclass(frozen=True, slots=True)
class LockText:
    """The content of a lock file; empty if it cannot be parsed."""

    pid: int | None = None
    """the process that owns the outbox, or the last one that did"""
    host: str = ""
    since: str = ""
    """when it became the owner, ISO 8601"""
    port: int | None = None
    """where the owner is notified of changes, on the loopback address"""
    token: str = ""
    """proof for the owner that a process may read this file"""
    closed: tuple[int, int] | None = None
    """the fingerprint of the outbox's file when its last owner closed it properly"""

    @classmethod
    def read(cls, path: Path) -> LockText:
        """Read a lock file of any origin."""
        try:
            with open(open_regular(path, os.O_RDONLY), "rb") as file:
                return cls.parse(file.read(_MAX_TEXT_BYTES))

        except OSError:
            return cls()

    @classmethod
    def parse(cls, text: bytes) -> LockText:
        """Parse the text of a lock file as far as possible."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.get("closed") is not None:
                data["closed"] = (data["closed"][0], data["closed"][1])

            return cls(**{name: data[name] for name in cls.__slots__ if name in data})
        except (ValueError, AttributeError, LookupError, TypeError):
            return cls()


def lock_path(path: Path) -> Path:
    """Return the lock file of an outbox."""
    return path.with_name(path.name + ".lock")


class OwnerLock:
    """Keeps a second process from owning the same outbox, until it is released or we exit.

    The operating system holds the lock, so it is never left over. The file stays: if it were
    removed, two processes could each lock a file of that name.

    :param path: the file of the outbox
    :raises OutboxInUse: if another process owns it
    :raises OutboxError: if the lock file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self._path = lock_path(path)
        try:
            self._file = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise OutboxError(f"outbox {path}: {self._path.name}: {error.strerror}") from error

        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            owner = LockText.read(self._path)
            raise OutboxInUse(path, owner.pid, owner.host, owner.since) from error

        _held.add(self)
        self.previous = LockText.parse(os.read(self._file, _MAX_TEXT_BYTES))

    def announce(self, notifier: ChangeNotifier | None) -> None:
        """Write who the owner is, and where it is notified of changes."""
        self._write(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
                "port": notifier and notifier.port,
                "token": notifier.token if notifier else "",
            }
        )

    def release(self, closed: tuple[int, int] | None) -> None:
        """Let another process own the outbox, and leave it the fingerprint of the file."""
        self._write({} if closed is None else {"closed": closed})
        self.abandon()

    def abandon(self) -> None:
        """Close the file without writing to it, such as in a forked child."""
        _held.discard(self)
        os.close(self._file)

    def _write(self, data: dict[str, object]) -> None:
        text = json.dumps(data).encode()
        # Written before it is shortened, which needs no room on a full disk.
        with suppress(OSError):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.truncate(self._file, os.write(self._file, text))


def _abandon_all() -> None:
    # A child that outlives us would hold our locks: they belong to the open file, not the process.
    for lock in list(_held):
        lock.abandon()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    os.register_at_fork(after_in_child=_abandon_all)

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
