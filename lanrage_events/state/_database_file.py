"""The file of a database: how it is opened, checked, moved aside and written, in one thread."""

from __future__ import annotations

import errno
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from .._file_lock import FileLock, LockedError, is_own
from .._files import reject_link
from ._file import warn_of_other_writers

logger: logging.Logger = logging.getLogger("lanrage_events.state")

T = TypeVar("T")

_BUSY_SECONDS = 10.0
_SIDE_SUFFIXES = ("-wal", "-shm", "-journal")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DatabaseFile:
    """An SQLite file and the connection to it.

    :param path: the file; None for one in memory
    :param schema: see :class:`Database`
    """

    def __init__(self, path: Path | None, schema: Sequence[str]) -> None:
        self.losses = 0
        self._path = path
        self._schema = schema
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._lock: FileLock | None = None

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None or self._identity != _identity(self._path):
                raise self._lost("it was removed or replaced while it was in use", None)

            return _transact(self._connection, work)
        except sqlite3.Error as error:
            if _is_damage(error):
                raise self._lost(str(error), str(error)) from error

            raise _os_error(error, self._path) from error

    def compact(self) -> None:
        try:
            if self._connection is not None:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise _os_error(error, self._path) from error

    def _lost(self, why: str, problem: str | None) -> OSError:
        """Begin a new file, and return the error that says so."""
        self.close()
        self.open(problem)
        self.losses += 1
        logger.warning("%s: %s, so a new one was begun", self._path, why)
        return OSError(errno.EIO, f"{why}, so a new one was begun", str(self._path))

    def open(self, problem: str | None = None) -> None:
        """Open the file, and create it if it does not exist.

        :param problem: what is wrong with it, if that is known
        """
        path = self._path
        try:
            if path is not None:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                warn_of_other_writers(path.parent)
                _reject_links(path)
                self._lock = _owned(path)
                problem = problem or _find_damage(path)
                if problem is not None:
                    _move_aside(path, problem)

                # SQLite would create it readable for other users.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

            self._connection = self._connect()
            self._identity = _identity(path)
        except sqlite3.Error as error:
            self.close()
            raise _os_error(error, path) from error
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(self._schema):
                problem = "a newer version of lanrage-events has written it: run that one"
                raise OSError(errno.EINVAL, problem, str(self._path))

            def migrate(connection: sqlite3.Connection) -> None:
                for statement in self._schema[version:]:
                    connection.execute(statement)

                connection.execute(f"PRAGMA user_version = {len(self._schema)}")

            _transact(connection, migrate)
        except BaseException:
            connection.close()
            raise

        return connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file of a database to read it; see :meth:`Database.reading`."""
    _reject_links(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))

    try:
        # Read-only, it could not remove what SQLite puts beside the file.
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise _os_error(error, path) from error


def _transact(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")

        raise

    return result


def _owned(path: Path) -> FileLock | None:
    """Keep other processes from writing to the file, of which this one has a copy in memory."""
    file = _side(path, ".lock")
    if is_own(file):
        return None  # held by who called us

    try:
        lock = FileLock(file)
    except LockedError:
        pid = None
        with suppress(OSError, ValueError, TypeError):
            pid = json.loads(file.read_text("utf-8"))["pid"]

        owner = "another process" if pid is None else f"process {pid}"
        problem = f"{owner} uses it: stop that one, or give another state folder"
        raise OSError(errno.EBUSY, problem, str(path)) from None

    lock.write({"pid": os.getpid()})
    return lock


def _identity(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None

    try:
        status = path.stat()
    except FileNotFoundError:
        return None

    return status.st_dev, status.st_ino


def _find_damage(path: Path) -> str | None:
    if path.is_dir():
        raise OSError(errno.EISDIR, "it is a folder: move it away", str(path))

    if not path.exists():
        # SQLite would apply the log of another file to the new one.
        return "it is gone" if _side(path, "-wal").exists() else None

    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return str(found)

            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return "another program has written it" if tables and not version else None
    except sqlite3.Error as error:
        if _is_damage(error):
            return str(error)

        raise


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _os_error(error: sqlite3.Error, path: Path | None) -> OSError:
    return OSError(errno.EIO, str(error), str(path))


def _side(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _reject_links(path: Path) -> None:
    for suffix in ("", *_SIDE_SUFFIXES):
        reject_link(_side(path, suffix))


def _move_aside(path: Path, problem: str) -> None:
    """Rename a file with what stands beside it, so that the next one begins empty."""
    number = 1
    aside = _side(path, ".damaged")
    while any(_side(aside, suffix).exists() for suffix in ("", *_SIDE_SUFFIXES)):
        number += 1
        aside = _side(path, f".damaged-{number}")

    # The log first: alone it is harmless, but a new file must not find it.
    for suffix in (*_SIDE_SUFFIXES, ""):
        with suppress(FileNotFoundError):
            os.replace(_side(path, suffix), _side(aside, suffix))

    logger.error(
        "%s cannot be read: %s. It is %s now, and a new one was begun", path, problem, aside
    )
