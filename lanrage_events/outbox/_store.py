"""The transactions of an outbox, run on one SQLite connection."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, cast

from .._exceptions import OutboxError, OutboxFull, OutboxUnreadable
from . import _queries as queries
from ._damage import is_damage, primary_code
from ._records import OutboxStatistics
from ._reserve import (
    GROWTH_PAGES,
    DiskReserve,
    free_bytes,
    identity,
    lacks_room,
    open_files,
)
from ._schema import pragma
from ._tables import Changes, Failure, Limits, Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

_COMPLETIONS_PER_TRANSACTION = 1000
_COMPLETIONS_ON_A_FULL_DISK = 10
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Completion(NamedTuple):
    """Entries that are done: delivered, or failed for a reason."""

    ids: frozenset[int]
    failure: Failure | None


@dataclass(eq=False, slots=True)
class Transaction(Generic[T]):
    """A change or a query that is run with others in one transaction of SQLite, and its outcome."""

    action: Callable[[Tables], T]
    """makes the change; when it raises, nothing of it is kept"""
    writes: bool = field(default=True, kw_only=True)
    completion: Completion | None = field(default=None, kw_only=True)
    """what to remember if it cannot be written, instead of raising"""
    puts: int = field(default=0, kw_only=True)
    """how many entries are lost if it fails"""
    size: int = field(default=0, kw_only=True)
    """the length of their bodies together"""
    then: Callable[[], object] | None = field(default=None, kw_only=True)
    """called in the event loop after it has succeeded"""
    error: BaseException | None = field(default=None, init=False)
    _result: T | None = field(default=None, init=False)

    def perform(self, tables: Tables) -> None:
        """Run the action; a full outbox is its outcome, and does not fail the whole group."""
        self.error = None
        try:
            self._result = self.action(tables)
        except OutboxFull as error:
            self.error = error

    def outcome(self) -> T:
        """Return or raise the outcome."""
        if self.error is not None:
            raise self.error

        return cast(T, self._result)


class Store:
    """Runs transactions on one SQLite connection, in the thread of the caller.

    :param connection: an open file of the newest schema version, or one in memory
    :param path: the file; None in memory
    :param limits: how much it may hold
    :param keeps_room: whether to keep room on the disk, see :class:`DiskReserve`
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path | None,
        limits: Limits,
        *,
        keeps_room: bool = False,
    ) -> None:
        self.changed_elsewhere = False
        """whether another process changed the file since this was set to False"""
        self.damage: str | None = None
        """what is wrong with the file, if it turned out to be damaged"""
        self.completed: dict[int, Failure | None] = {}
        """entries that are done, but could not be removed from the file so far"""
        self._connection = connection
        self._path = path
        self._name = "in memory" if path is None else str(path)
        self._identity = None if path is None else identity(path)
        self._tables = Tables(connection, limits)
        self._reserve: DiskReserve | None = None
        self._is_abandoned = False
        self._problem: OutboxError | None = None
        self._is_full = False
        """whether the problem is that the disk is full"""
        self._totals = Changes()
        self._failed = 0
        self._version = pragma(connection, "data_version")
        self._oldest = queries.oldest(connection)
        self._take_snapshot()
        open_files.use(self._identity)
        if keeps_room and path is not None:
            self._reserve = self._keep_room(path)
            self._check_room()

    def _keep_room(self, path: Path) -> DiskReserve | None:
        if self._identity is None:
            return None

        try:
            descriptor = open_files.descriptor(path, self._identity)
        except OSError as error:
            logger.warning("outbox %s keeps no room on the disk: %s", path, error.strerror)
            return None

        return DiskReserve(self._connection, path, descriptor)

    def _check_room(self) -> None:
        """Notice at the start that entries could not be put."""
        if self._reserve is None:
            return

        try:
            self._reserve.prepare(0, 0)
        except (OSError, sqlite3.Error) as error:
            # Damage shows in the first transaction, which can be run again.
            if not is_damage(error) and primary_code(error) not in _BUSY:
                self._problem = self._describe(error)
                logger.error("%s", self._problem)

    @property
    def problem(self) -> OutboxError | None:
        """The error of the last transaction that writes; None if it succeeded.

        On a full disk, it stays until entries can be put again.
        """
        if self._is_full and self._reserve is not None and self._reserve.is_free():
            return None

        return self._problem

    def run(self, group: Sequence[Transaction[object]]) -> None:
        """Run a group in one transaction of SQLite, or each in its own if that fails."""
        if self._is_abandoned:
            for transaction in group:
                self._fail(transaction, OutboxUnreadable(f"outbox {self._name} is damaged"))

            return

        writes = any(transaction.writes for transaction in group)
        written = self._connection.total_changes
        try:
            if writes:
                self._check_in_place()
                if self.completed:
                    self._write_completed()

                self._make_room(group)

            self._transact(group, writes=writes)
        except Exception as error:  # noqa: BLE001 - re-raised to the caller
            if len(group) > 1 and primary_code(error) not in _BUSY:
                for transaction in group:
                    self.run([transaction])
            else:
                for transaction in group:
                    self._fail(transaction, error)

        else:
            if self._problem is not None and self._connection.total_changes != written:
                self._end_problem()

    def compact(self) -> None:
        """Rewrite the file, and empty its log.

        :raises OutboxError: if that is not possible
        """
        if self._path is None:
            return

        try:
            self._check_in_place()
            self._connection.execute("VACUUM")
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise self._describe(error) from error

        if busy:
            raise OutboxError(f"outbox {self._name}: another process reads it: try again")

        if self._reserve is not None:
            self._reserve.renew()

    @property
    def next_id(self) -> int:
        """An id that was not used yet."""
        return self._tables.next_id

    def is_of(self, path: Path) -> bool:
        """Return whether the file is still the one at a path."""
        return self._identity is not None and self._identity == identity(path)

    def abandon(self) -> None:
        """Close a damaged file without writing to it any more than SQLite does."""
        if not self._is_abandoned:
            self._is_abandoned = True
            with suppress(sqlite3.Error):
                self._connection.close()

            open_files.release(self._identity)

    def succeed(self, old: Store) -> None:
        """Continue what another store has counted and completed."""
        self._totals = old._totals
        self._failed = old._failed
        self.completed = old.completed
        self.changed_elsewhere = True

    def run_again(self, group: Sequence[Transaction[object]]) -> None:
        """Run those transactions again that failed because an earlier file was damaged."""
        for transaction in group:
            if isinstance(transaction.error, OutboxUnreadable):
                self._failed -= transaction.puts
                self.run([transaction])

        if self.completed:
            with suppress(sqlite3.Error):
                self._write_completed()

    def close(self) -> None:
        """Write what could not be written so far, and close the connection."""
        if self._is_abandoned:
            return

        try:
            self._write_completed()
            self._tables.release_ids()
        except sqlite3.Error as error:
            logger.error(
                "outbox %s: %d entries that are done could not be removed and will be read again: %s",
                self._name,
                len(self.completed),
                error,
            )

        self._connection.close()
        open_files.release(self._identity)

    def _make_room(self, group: Sequence[Transaction[object]]) -> None:
        if self._reserve is not None:
            entries = size = 0
            for transaction in group:
                entries += transaction.puts
                size += transaction.size

            if entries:
                self._reserve.prepare(entries, size)

    def _end_problem(self) -> None:
        """Log that it works again, unless the disk is still full."""
        if self._is_full and self._reserve is not None:
            try:
                self._reserve.prepare(0, GROWTH_PAGES * 1024)
            except (OSError, sqlite3.Error):
                return

        logger.warning("outbox %s can be written again", self._name)
        self._problem = None
        self._is_full = False

    def _transact(self, group: Sequence[Transaction[object]], *, writes: bool) -> None:
        """Run a group in one transaction, and once more with an empty log if there was no room."""
        try:
            self._transact_once(group, writes=writes)
        except sqlite3.Error as error:
            if not lacks_room(error) or self._reserve is None or not self._reserve.recover():
                raise

            self._transact_once(group, writes=writes)

    def _transact_once(self, group: Sequence[Transaction[object]], *, writes: bool) -> None:
        connection = self._connection
        tables = self._tables
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            tables.begin()
            version = pragma(connection, "data_version")
            if version != self._version:
                tables.load()

            for transaction in group:
                transaction.perform(tables)

            oldest = queries.oldest(connection) if tables.front_changed else self._oldest
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

            tables.restore()
            raise

        self._oldest = oldest
        if version != self._version:
            self._version = version
            self.changed_elsewhere = True

        self._totals.add(tables.changes)
        self._take_snapshot()
        if tables.changes.forgotten:
            logger.warning(
                "outbox %s: the %d oldest dead letters were removed because it keeps at most %d",
                self._name,
                tables.changes.forgotten,
                tables.limits.max_dead,
            )

    def _write_completed(self) -> None:
        try:
            self._write_completed_by(_COMPLETIONS_PER_TRANSACTION)
        except sqlite3.Error as error:
            if not lacks_room(error):
                raise

            self._write_completed_by(_COMPLETIONS_ON_A_FULL_DISK)

    def _write_completed_by(self, count: int) -> None:
        while self.completed:
            groups: dict[Failure | None, list[int]] = {}
            for id, failure in islice(self.completed.items(), count):
                groups.setdefault(failure, []).append(id)

            completions: list[Transaction[object]] = [
                Transaction(partial(Tables.complete, ids=ids, failure=failure))
                for failure, ids in groups.items()
            ]
            self._transact(completions, writes=True)
            for id in chain.from_iterable(groups.values()):
                del self.completed[id]

    def _fail(self, transaction: Transaction[object], error: Exception) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            error = self._describe(error)

        transaction.error = error
        if not isinstance(error, OutboxError):
            return

        self._failed += transaction.puts
        if transaction.writes:
            if self._problem is None:
                logger.error("%s", error)

            self._problem = error

        if transaction.completion is not None:
            self.completed.update(
                dict.fromkeys(transaction.completion.ids, transaction.completion.failure)
            )
            transaction.error = None
            if lacks_room(error.__cause__ or error) and len(self.completed) > 1:
                with suppress(sqlite3.Error):
                    self._write_completed_by(_COMPLETIONS_ON_A_FULL_DISK)

    def _describe(self, error: sqlite3.Error | OSError) -> OutboxError:
        if isinstance(error, OSError):
            text = f"outbox {self._name}: {error.strerror or error}"
        else:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            text = f"outbox {self._name}: {error} ({name})"

        described: OutboxError
        if is_damage(error):
            self.damage = str(error)
            described = OutboxUnreadable(
                f"{text}; the file is damaged, and its owner moves it aside when it notices"
            )
        else:
            described = OutboxError(text + self._describe_room(error))

        described.__cause__ = error
        return described

    def _describe_room(self, error: sqlite3.Error | OSError) -> str:
        """Say how much room is missing, if that is what an error is about."""
        free = None if self._path is None else free_bytes(self._path)
        if free is None or not lacks_room(error):
            return ""

        needed = 0 if self._reserve is None else self._reserve.needed_bytes()
        if needed <= free:
            return f"; {free / 1e6:.1f} MB are free on its disk"

        self._is_full = True
        more = math.ceil((needed - free) / 1e5) / 10
        return (
            ": new entries are rejected, and those in it are still delivered; it needs "
            f"{more:.1f} MB more than the {free / 1e6:.1f} MB that are free: free some, or set "
            "state_folder to another disk"
        )

    def _check_in_place(self) -> None:
        # SQLite would continue to write into a file that has no name any more.
        if self._path is None:
            return

        try:
            status = os.stat(self._path)
        except OSError:
            status = None

        if status is None or (status.st_dev, status.st_ino) != self._identity:
            raise OutboxError(
                f"outbox {self._name}: the file was removed or replaced while it was in use;"
                " restart to begin a new one"
            )

        if self._reserve is not None:
            self._reserve.check(status.st_size)

    def _take_snapshot(self) -> None:
        # Other threads ask for statistics in the middle of a transaction.
        tables = self._tables
        self._snapshot = (tables.pending, tables.bytes, tables.dead, self._oldest)

    def statistics(self) -> OutboxStatistics:
        """Return what the outbox holds as of the last transaction, and what happened so far."""
        pending, bytes, dead, oldest = self._snapshot
        return OutboxStatistics(
            pending=pending,
            bytes=bytes,
            oldest=oldest,
            dead=dead,
            **{name: getattr(self._totals, name) for name in Changes.__slots__},
            failed=self._failed,
            unwritten=len(self.completed),
        )
