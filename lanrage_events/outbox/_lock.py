"""The lock file of an outbox: who owns it, and how to notify the owner."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._exceptions import OutboxError, OutboxInUse
from .._file_lock import FileLock, LockedError
from ..state import open_regular
from ._notification import ChangeNotifier

_MAX_TEXT_BYTES = 4096


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

    :param path: the file of the outbox
    :raises OutboxInUse: if another process owns it
    :raises OutboxError: if the lock file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        file = lock_path(path)
        try:
            self._lock = FileLock(file)
        except OSError as error:
            raise OutboxError(f"outbox {path}: {file.name}: {error.strerror}") from error
        except LockedError as error:
            owner = LockText.read(file)
            raise OutboxInUse(path, owner.pid, owner.host, owner.since) from error

        self.previous = LockText.parse(self._lock.read(_MAX_TEXT_BYTES))

    def announce(self, notifier: ChangeNotifier | None) -> None:
        """Write who the owner is, and where it is notified of changes."""
        self._lock.write(
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
        self._lock.write({} if closed is None else {"closed": closed})
        self.abandon()

    def abandon(self) -> None:
        """Close the file without writing to it, such as in a forked child."""
        self._lock.release()
