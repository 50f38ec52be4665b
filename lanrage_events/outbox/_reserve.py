"""The room on the disk that an outbox keeps, so that entries can leave it when the disk is full."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from ..state import open_regular
from ._schema import pragma

LOG_BYTES = 4 * 1024 * 1024
"""how much of the write-ahead log is on the disk from the start: enough for some hundred
transactions between two checkpoints"""
KEPT_PAGES = 64
"""pages that no put may use: room for dead letters and for the indexes"""
GROWTH_PAGES = 256
"""how much room a file gets at least when it grows"""

# What else a transaction takes that makes room, at most.
_MARGIN_PAGES = 8
# What short entries take, with each of their indexes.
_PAGES_OF_A_FEW = 12
# The index of the log, which SQLite creates when it opens a file.
_LOG_INDEX_BYTES = 32 * 1024
# What an entry takes in the table and in three indexes, beside its body, at most.
_ENTRY_BYTES = 250

Identity = tuple[int, int]
"""the device and the number of a file on it"""


def identity(path: Path) -> Identity | None:
    """Return what distinguishes a file from any other, None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None

    return status.st_dev, status.st_ino


def free_bytes(path: Path) -> int | None:
    """Return how much room the disk of a file has, None if that is not known."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def lacks_room(error: BaseException) -> bool:
    """Return whether an error means that the disk, or the share of it that we may use, is full."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE


def allocate(descriptor: int, size: int) -> None:
    """Extend a file to a size so that the disk has room for all of it; it is never shortened.

    :raises OSError: if there is no room
    """
    start = os.fstat(descriptor).st_size
    if start >= size:
        return

    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, start, size - start)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                raise
        else:
            return

    os.lseek(descriptor, start, os.SEEK_SET)
    while start < size:
        start += os.write(descriptor, bytes(min(size - start, 1024 * 1024)))


class OpenFiles:
    """Descriptors of our own of files that SQLite has open.

    They are closed when no connection of this process uses the file any more: on POSIX, closing any
    descriptor of a file gives up all locks of the process on it, SQLite's too.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = Counter[Identity]()
        self._descriptors: dict[Identity, int] = {}

    def use(self, file: Identity | None) -> None:
        """Record that a connection uses a file."""
        if file is not None:
            with self._lock:
                self._users[file] += 1

    def release(self, file: Identity | None) -> None:
        """Record that a connection was closed."""
        if file is None:
            return

        with self._lock:
            self._users[file] -= 1
            if not self._users[file]:
                del self._users[file]
                descriptor = self._descriptors.pop(file, None)
                if descriptor is not None:
                    os.close(descriptor)

    def is_used(self, file: Identity | None) -> bool:
        """Return whether a connection of this process uses a file."""
        with self._lock:
            return file in self._users

    def descriptor(self, path: Path, file: Identity) -> int:
        """Return a descriptor of a file that is in use.

        :raises OSError: if it cannot be opened
        """
        with self._lock:
            if file not in self._descriptors:
                self._descriptors[file] = open_regular(path, os.O_RDWR)

            return self._descriptors[file]


open_files = OpenFiles()


class DiskReserve:
    """Keeps room for what makes entries leave an outbox.

    Everything that is written goes through the log first, and from there into the file. So this
    keeps

    - a log of :data:`LOG_BYTES`, which is written from its beginning again after each checkpoint;
    - room on the disk for every page of the file, so that each checkpoint succeeds: it grows only
      here, before the transaction that needs it;
    - :data:`KEPT_PAGES` pages in the file, for dead letters and for the indexes.

    A file system that never overwrites in place, such as Btrfs or ZFS, may need room all the same.

    :param connection: an open file
    :param path: the file
    :param descriptor: a descriptor of the file, which lasts as long as the connection
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, descriptor: int) -> None:
        self._connection = connection
        self._path = path
        self._log = side_file(path, "-wal")
        self._descriptor = descriptor
        self._page_size = pragma(connection, "page_size")
        self._allocated = 0
        """pages for which the disk has room"""
        self._budget = 0
        """pages that puts may use before they are counted again"""
        self._has_log = False
        self._has_pages = self._find_pages()

    def prepare(self, entries: int, size: int) -> None:
        """Make room for a transaction that puts entries.

        :param entries: how many it puts
        :param size: the length of their bodies together
        :raises OSError: if there is no room
        """
        wanted = self._pages_of(entries, size)
        self._budget -= wanted
        if self._budget < 0 or not self._has_pages:
            self._allocate_log()
            self._make_room(wanted + (0 if self._has_pages else KEPT_PAGES + _MARGIN_PAGES))
            self._keep_pages()
            self._budget = self._available_pages() - wanted

    def check(self, size: int) -> None:
        """Notice that SQLite shortened the file after a checkpoint; call it before each write.

        :param size: the present size of the file
        """
        if size < self._allocated * self._page_size:
            self._budget = 0
            try:
                self._allocate(self._allocated)
            except OSError:
                self._set_allocated()

    def recover(self) -> bool:
        """Empty the log after an error, and return whether trying again may help."""
        self._budget = 0
        try:
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self._available_pages() < KEPT_PAGES and self._has_pages:
                self._connection.execute("DELETE FROM reserve")
                self._has_pages = False
        except sqlite3.Error:
            return False

        return not busy

    def renew(self) -> None:
        """Keep room again before the next put, since the file and the log were shortened."""
        self._budget = 0
        self._has_log = False

    def is_free(self) -> bool:
        """Return whether the disk has room again, by what it says."""
        free = free_bytes(self._path)
        return free is None or free >= self.needed_bytes()

    def needed_bytes(self) -> int:
        """Return how much room the disk must have, so that entries can be put again."""
        return (0 if self._has_log else LOG_BYTES) + 2 * GROWTH_PAGES * self._page_size

    def _pages_of(self, entries: int, size: int) -> int:
        """Return how many pages entries take at most."""
        total = size + entries * _ENTRY_BYTES
        if total < 2 * self._page_size:
            return _PAGES_OF_A_FEW

        # Of rows longer than a quarter of a page, up to half of it remains unused.
        factor = 2 if total > entries * self._page_size // 4 else 1.35
        return _MARGIN_PAGES + int(factor * total) // self._page_size

    def _available_pages(self) -> int:
        """Return how many pages may be used without more room on the disk."""
        count = pragma(self._connection, "page_count")
        return self._allocated - count + pragma(self._connection, "freelist_count")

    def _make_room(self, wanted: int) -> None:
        self._set_allocated()
        missing = wanted - self._available_pages()
        if missing <= 0:
            # Earlier than necessary, so that the pages are seldom counted.
            if missing > -GROWTH_PAGES // 2:
                with suppress(OSError):
                    self._allocate(self._allocated + GROWTH_PAGES)

            return

        count = pragma(self._connection, "page_count")
        try:
            self._allocate(self._allocated + max(missing, GROWTH_PAGES))
        except OSError:
            # Without what a longer log has, or less at a time.
            if not self._shorten_log() and missing >= GROWTH_PAGES:
                raise

            self._allocate(max(self._allocated, count) + missing)

    def _find_pages(self) -> bool:
        try:
            found = self._connection.execute("SELECT 1 FROM reserve").fetchone()
        except sqlite3.OperationalError:
            return False

        return found is not None

    def _keep_pages(self) -> None:
        if self._has_pages:
            return

        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS reserve (pages BLOB NOT NULL)")
            if not self._find_pages():
                size = KEPT_PAGES * (self._page_size - 4)
                connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (size,))

            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

            raise

        self._has_pages = True

    def _allocate(self, pages: int) -> None:
        """Let the file have room for some pages."""
        allocate(self._descriptor, pages * self._page_size)
        self._set_allocated()

    def _set_allocated(self) -> None:
        """Keep SQLite from using pages for which the disk may have no room."""
        allocated = os.fstat(self._descriptor).st_size // self._page_size
        if allocated != self._allocated:
            self._allocated = allocated
            self._connection.execute(f"PRAGMA max_page_count = {max(1, allocated)}")

    def _allocate_log(self) -> None:
        if not self._has_log:
            # SQLite has no locks on this file.
            descriptor = open_regular(self._log, os.O_RDWR)
            try:
                side_file(self._path, ".reserve").unlink(missing_ok=True)
                allocate(descriptor, LOG_BYTES)
            finally:
                os.close(descriptor)

            self._has_log = True

    def _shorten_log(self) -> bool:
        """Return what the log has beyond its reserve to the disk; return whether it had any."""
        if self._log.stat().st_size <= LOG_BYTES:
            return False

        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._has_log = False
        self._allocate_log()
        return not busy


def side_file(path: Path, suffix: str) -> Path:
    """Return a file that belongs to another one, such as its log."""
    return path.with_name(path.name + suffix)


def keep_while_closed(path: Path) -> None:
    """Keep the room of a file that was closed, so that it can be opened on a full disk, too."""
    if side_file(path, "-wal").exists() or not path.exists():
        return

    reserve = side_file(path, ".reserve")
    with suppress(OSError):
        descriptor = open_regular(reserve, os.O_RDWR | os.O_CREAT)
        try:
            allocate(descriptor, LOG_BYTES + _LOG_INDEX_BYTES)
        finally:
            os.close(descriptor)


def release_for_opening(path: Path) -> None:
    """Give some of the room that was kept back to the disk, for what SQLite creates first."""
    with suppress(OSError):
        reserve = side_file(path, ".reserve")
        if reserve.stat().st_size > LOG_BYTES:
            os.truncate(reserve, LOG_BYTES)
