"""The file that says which process runs a configuration, and what its reloads did."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._exceptions import format_error
from .._file_lock import FileLock, LockedError, is_locked
from ..config._load import identity_of
from ..config._models import DaemonConfig
from ..state import open_regular

logger = logging.getLogger(__name__)

_MAX_BYTES = 512 * 1024
_READ_TRIES = 20  # it may be half written
_LOCK_TRIES = 3  # a command that looks for a daemon holds the lock for a moment
_TRY_SECONDS = 0.02
_MAX_MESSAGES = 100
_MAX_CHARACTERS = 1000
"""of a message"""


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A daemon that runs, as its file describes it."""

    pid: int
    host: str
    """the name of its machine or container"""
    since: str
    """when it began, ISO 8601"""
    begun: int = 0
    """reloads that have begun"""
    done: int = 0
    """reloads that have ended"""
    is_complete: bool = True
    """whether the last one succeeded in full"""
    is_invalid: bool = False
    """whether the configuration that it read has errors"""
    messages: tuple[str, ...] = ()
    """what it did, in lines, without secrets"""


def instance_path(state_folder: Path, file: Path) -> Path:
    """Return the file of the daemon that runs a configuration.

    :param file: the configuration; several may share a state folder
    """
    return state_folder / f"daemon-{identity_of(file)}.lock"


def find_daemon(path: Path) -> RunningDaemon | None:
    """Return the daemon that runs, None if there is none.

    What a process left that was killed is recognized by the lock, which it does not hold any more.

    :param path: from :func:`instance_path`
    :raises OSError: if the file cannot be read, such as that of another user
    """
    for _ in range(_READ_TRIES):
        try:
            if not is_locked(path):
                return None

            with open(open_regular(path, os.O_RDONLY), "rb") as file:
                daemon = _parse(file.read(_MAX_BYTES))

        except FileNotFoundError:
            return None

        if daemon is not None:
            return daemon

        time.sleep(_TRY_SECONDS)

    return None


def _parse(text: bytes) -> RunningDaemon | None:
    try:
        data: dict[str, Any] = json.loads(text)
        known = {name: data[name] for name in RunningDaemon.__slots__ if name in data}
        return RunningDaemon(**{**known, "messages": tuple(known.get("messages", ()))})
    except (ValueError, TypeError, AttributeError):
        return None  # half of it is written


def _lock(path: Path) -> FileLock:
    for _ in range(_LOCK_TRIES - 1):
        try:
            return FileLock(path)
        except LockedError:
            time.sleep(_TRY_SECONDS)

    return FileLock(path)


class Instance:
    """Keeps the file of this daemon, by which others find it.

    :param lock: the file; its lock is held until :meth:`close`
    """

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._data = RunningDaemon(os.getpid(), socket.gethostname(), since)
        self._write()

    @classmethod
    def open(cls, config: DaemonConfig) -> Instance | None:
        """Return that of a daemon; None if it cannot be kept, which is logged.

        The daemon then runs all the same, but is not found.
        """
        path = instance_path(config.state_folder, config.file)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(_lock(path))
        except LockedError:
            other = find_daemon(path)
            logger.warning(
                "another daemon%s runs with %s: 'lanrage-events reload' reloads only that one",
                "" if other is None else f", process {other.pid},",
                config.file,
            )
        except OSError as error:
            logger.warning(
                "'lanrage-events reload' does not find this daemon, since %s cannot be written: %s",
                path,
                error.strerror or format_error(error),
            )

        return None

    def begin_reload(self) -> None:
        """Record that a reload begins, which reads the configuration after this."""
        self._change(begun=self._data.begun + 1)

    def end_reload(self, *, is_complete: bool, is_invalid: bool, messages: Sequence[str]) -> None:
        """Record what the reload did.

        :param messages: lines without secrets; many and long ones are cut
        """
        kept = [message[:_MAX_CHARACTERS] for message in messages[:_MAX_MESSAGES]]
        if len(messages) > len(kept):
            kept.append(f"and {len(messages) - len(kept)} more, which the daemon's log has")

        self._change(
            done=self._data.begun,
            is_complete=is_complete,
            is_invalid=is_invalid,
            messages=tuple(kept),
        )

    def _change(self, **changes: Any) -> None:
        self._data = replace(self._data, **changes)
        self._write()

    def _write(self) -> None:
        self._lock.write(asdict(self._data))

    def close(self) -> None:
        """Release the file, and leave nothing in it."""
        self._lock.write({})
        self._lock.release()
