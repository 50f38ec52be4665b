"""The file of an outbox: how it is created, checked, moved aside and opened."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .._exceptions import OutboxError, OutboxUnreadable
from ..state import reject_link
from ._damage import find_damage, identify, is_damage
from ._reserve import lacks_room, release_for_opening
from ._reserve import side_file as _side_file
from ._salvage import Salvaged, salvage
from ._schema import MIGRATIONS, Migration, migrate, pragma

logger = logging.getLogger(__name__)

_BUSY_TIMEOUT_SECONDS = 10.0
# Four times SQLite's default, since each checkpoint flushes to the disk.
_CHECKPOINT_PAGES = 4000
_LOG_KEPT_BYTES = 16 * 1024 * 1024
_ALWAYS_CHECKED_BYTES = 16 * 1024 * 1024

_SALVAGED = ".salvaged"
# What an outbox needs beside the copy.
_ROOM_MEGABYTES = 6
_FILES = ("", "-wal", "-shm", "-journal", ".reserve", _SALVAGED)

Fingerprint = tuple[int, int]
"""the size and the modification time of a file, which show that it is unchanged"""


def resolved(path: Path) -> Path:
    """Return the path of a file without links in the path of its folder."""
    return Path(os.path.realpath(path.parent)) / path.name


def fingerprint(path: Path) -> Fingerprint | None:
    """Return the fingerprint of a file; None if it was not closed properly."""
    try:
        if _side_file(path, "-wal").exists():
            return None

        status = path.stat()
    except OSError:
        return None

    return status.st_size, status.st_mtime_ns


def open_memory() -> sqlite3.Connection:
    """Open an outbox that lasts as long as its connection."""
    connection = _connect(":memory:")
    migrate(connection, MIGRATIONS)
    return connection


def open_file(
    path: Path,
    *,
    survives_power_loss: bool = False,
    closed: Fingerprint | None = None,
    damage: str | None = None,
    next_id: int = 1,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> tuple[sqlite3.Connection, Path | None]:
    """Open the file of an outbox, for its owner: create, check, move aside or migrate it.

    :param path: the file, which only the caller owns
    :param survives_power_loss: whether each commit waits for the disk
    :param closed: the fingerprint of the file when it was last closed properly; a large file that
        still has it is not read through
    :param damage: what is wrong with it, if that is known
    :param next_id: an id that was not used yet, as far as is known
    :param migrations: lead to the newest schema version
    :return: the connection, and the new path of an unreadable file that was found
    :raises OutboxUnreadable: if the file belongs to a newer version; it is not touched
    :raises OutboxError: if the file cannot be created, opened or moved
    """
    moved_aside = None
    try:
        for suffix in _FILES:
            reject_link(_side_file(path, suffix))

        release_for_opening(path)
        _adopt_salvaged(path)
        problem = damage or _find_problem(path, migrations, closed)
        if problem is not None:
            moved_aside = _replace(path, problem, next_id)

        if not path.exists():
            _create(path)

        try:
            connection = _open(path, survives_power_loss, migrations)
        except sqlite3.Error as error:
            if not is_damage(error) or moved_aside is not None:
                raise

            moved_aside = _replace(path, str(error), next_id)
            if not path.exists():
                _create(path)

            connection = _open(path, survives_power_loss, migrations)

        return connection, moved_aside
    except (OSError, sqlite3.Error) as error:
        raise OutboxError(f"outbox {path}: {_reason(error)}") from error


def _create(path: Path) -> None:
    # SQLite would create it readable for other users.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def open_shared(path: Path) -> sqlite3.Connection:
    """Open the file of an outbox beside its owner, without creating or repairing anything.

    :raises OutboxUnreadable: if the file is not an outbox of this version
    :raises OutboxError: if there is no file or it cannot be opened
    """
    if not path.exists():
        raise OutboxError(f"outbox {path}: there is no such file; nothing was ever put into it")

    _expect_file(path)
    try:
        for suffix in _FILES:
            reject_link(_side_file(path, suffix))

        problem = identify(path, MIGRATIONS)
        if problem is not None:
            raise OutboxUnreadable(f"outbox {path}: {problem}")

        connection = _connect(path)
        version = pragma(connection, "user_version")
    except (OSError, sqlite3.Error) as error:
        raise OutboxError(f"outbox {path}: {_reason(error)}") from error

    if version != len(MIGRATIONS):
        connection.close()
        raise OutboxUnreadable(
            f"outbox {path} has schema version {version}, expected {len(MIGRATIONS)}: start the"
            " program that owns it once with this version of lanrage-events"
        )

    return connection


def _expect_file(path: Path) -> None:
    if not path.is_file():
        raise OutboxError(f"outbox {path}: expected a file, but this is something else")


def _reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)

    return f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"


def _connect(database: Path | str, **options: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database,
        timeout=_BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        **options,
    )
    connection.row_factory = sqlite3.Row
    return connection


def _open(
    path: Path, survives_power_loss: bool, migrations: Sequence[Migration]
) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise OutboxError(
                f"outbox {path}: its file system has no shared memory for SQLite's write-ahead"
                " log; give a path on a local disk"
            )

        synchronous = "FULL" if survives_power_loss else "NORMAL"
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT_BYTES}")
        connection.execute("PRAGMA secure_delete = FAST")
        migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise

    return connection


def _find_problem(
    path: Path, migrations: Sequence[Migration], closed: Fingerprint | None
) -> str | None:
    """Return why a file must be moved aside; None if it can be used or created."""
    wal = _side_file(path, "-wal")
    if not path.exists():
        # SQLite would apply the log of another file to the new one.
        return "it is a write-ahead log without its file" if wal.exists() else None

    _expect_file(path)
    problem = identify(path, migrations)
    if problem is not None:
        return problem

    is_small = path.stat().st_size <= _ALWAYS_CHECKED_BYTES
    is_unchanged = closed is not None and fingerprint(path) == closed
    return find_damage(path, thoroughly=is_small or not is_unchanged)


def _adopt_salvaged(path: Path) -> None:
    """Finish what a process that was killed between two renamings has begun."""
    salvaged = _side_file(path, _SALVAGED)
    if not path.exists() and salvaged.exists():
        salvaged.rename(path)


def _replace(path: Path, problem: str, next_id: int) -> Path:
    """Move a file aside as a whole, and let a new one have what can be read of it."""
    new = _side_file(path, _SALVAGED)
    salvaged = _salvage(path, new, problem, next_id)
    target = _move_aside(path)
    if isinstance(salvaged, str):
        logger.error(
            "outbox %s cannot be read: %s. It was renamed to %s, and a new outbox was created; the"
            " entries of the old one are not delivered, since they cannot be copied: %s",
            path,
            problem,
            target,
            salvaged,
        )
        return target

    new.rename(path)
    logger.error(
        "outbox %s is damaged: %s. It was renamed to %s. The new one has all of it that can be"
        " read: %d entries and %d dead letters; %d entries that cannot be read are dead letters now",
        path,
        problem,
        target,
        salvaged.entries,
        salvaged.dead_letters,
        salvaged.unreadable,
    )
    return target


def _salvage(path: Path, new: Path, problem: str, next_id: int) -> Salvaged | str:
    """Copy what can be read of a damaged file, or return why that is not possible.

    :raises OutboxError: if there is no room for the copy
    """
    new.unlink(missing_ok=True)
    if not path.exists():
        return "there is no file"

    try:
        _create(new)
        return salvage(path, new, next_id=next_id)
    except (OSError, sqlite3.Error) as error:
        new.unlink(missing_ok=True)
        if lacks_room(error):
            # It is not lost as long as it stays where it is.
            raise OutboxError(
                f"outbox {path} is damaged: {problem}. There is no room on its disk to copy what"
                f" can be read of it: free {path.stat().st_size / 1e6 + _ROOM_MEGABYTES:.0f} MB"
            ) from error

        return _reason(error)


def _move_aside(path: Path) -> Path:
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    target = _side_file(path, f".corrupt-{time}")
    while any(_side_file(target, suffix).exists() for suffix in ("", "-wal", "-shm")):
        number += 1
        target = _side_file(path, f".corrupt-{time}-{number}")

    # The log first: alone it is harmless, but a new file must not find it.
    for suffix in ("-wal", "-shm", ""):
        source = _side_file(path, suffix)
        if source.exists():
            source.rename(_side_file(target, suffix))

    return target
