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

# Far behind the text: on Windows a locked byte cannot be read, and others want to read the text.
_LOCKED_BYTE = 0x7FFF_0000

_held: WeakSet[OwnerLock] = WeakSet()


@dataclass(frozen=True, slots=True)
class LockText:
    """What a lock file says; empty if it says nothing that can be understood."""

    pid: int | None = None
    """the process that owns the outbox or did so last"""
    host: str = ""
    since: str = ""
    """when it became the owner, ISO 8601"""
    port: int | None = None
    """where the owner hears of changes, on the loopback address"""
    token: str = ""
    """what proves that somebody may read this file"""
    closed: tuple[int, int] | None = None
    """the fingerprint of the outbox's file when its last owner closed it in order"""

    @classmethod
    def read(cls, path: Path) -> LockText:
        """Read a lock file, whoever wrote it."""
        try:
            return cls.parse(path.read_bytes())
        except OSError:
            return cls()

    @classmethod
    def parse(cls, text: bytes) -> LockText:
        """Make sense of the text of a lock file as far as possible."""
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
    """Keeps a second process from owning the same outbox, until it is released or we die.

    The operating system holds the lock, so none is ever left over. The file stays: if it were
    removed, two processes could each lock a file of that name.

    :param path: the file of the outbox
    :raises OutboxInUse: if somebody else owns it
    :raises OutboxError: if the lock file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self._path = lock_path(path)
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutboxError(f"outbox {path}: {self._path.name}: {error.strerror}") from error

        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            owner = LockText.read(self._path)
            raise OutboxInUse(path, owner.pid, owner.host, owner.since) from error

        _held.add(self)
        self.previous = LockText.parse(os.read(self._file, 4096))

    def announce(self, port: int | None, token: str) -> None:
        """Say who the owner is, and where it hears of changes."""
        self._write(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
                "port": port,
                "token": token,
            }
        )

    def release(self, closed: tuple[int, int] | None) -> None:
        """Let others own the outbox, and leave the fingerprint of its file for them."""
        self._write({} if closed is None else {"closed": closed})
        self.abandon()

    def abandon(self) -> None:
        """Close the file and say nothing, such as in a forked child."""
        _held.discard(self)
        os.close(self._file)

    def _write(self, data: dict[str, object]) -> None:
        text = json.dumps(data).encode()
        # On a full disk the lock holds all the same.
        with suppress(OSError):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.truncate(self._file, 0)
            os.write(self._file, text)


def _abandon_all() -> None:
    # A child that outlives us would hold our locks: they belong to the open file, not to us.
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
