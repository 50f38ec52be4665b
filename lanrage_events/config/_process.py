"""The process that uses a state folder, such as a daemon."""

from __future__ import annotations

from pathlib import Path

from .._file_lock import is_locked


def is_running(state_folder: Path) -> bool:
    """Return whether a process uses a state folder: a daemon, or another program with an outbox.

    :raises OSError: if that cannot be read, such as a folder of another user
    """
    return any(map(is_locked, state_folder.glob("*.lock")))
