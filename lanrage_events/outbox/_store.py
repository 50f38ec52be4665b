from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar, cast

from .._exceptions import OutboxError, OutboxFull, OutboxUnreadable
from . import _queries as queries
from ._records import OutboxStatistics
from ._tables import Changes, Failure, Limits, Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

_COMPLETIONS_PER_TRANSACTION = 1000
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Say whether an error means that the file is no sound SQLite database."""
    return primary_code(error) in _DAMAGED


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None

    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class Completion:
    """Entries that are done with: delivered, or failed for a reason."""

    ids: frozenset[int]
    failure: Failure | None = None

    def apply(self, tables: Tables) -> None:
        """Write it into the tables."""
        if self.failure is None:
            tables.acknowledge(self.ids)
        else:
            tables.dead_letter(self.ids, self.failure)


class Transaction(Generic[T]):
    """A change or a query that is run with others in one transaction of SQLite, and its outcome.

    :param action: does it; when it raises, nothing of it is kept
    :param writes: whether it changes anything
    :param completion: what to remember if it cannot be written, instead of raising
    :param puts: how many entries are lost if it fails
    :param then: called in the event loop when it has succeeded
    """

    __slots__ = ("_result", "action", "completion", "error", "puts", "then", "writes")

    def __init__(
        self,
        action: Callable[[Tables], T],
        *,
        writes: bool = True,
        completion: Completion | None = None,
        puts: int = 0,
        then: Callable[[], object] | None = None,
    ) -> None:
        self.action = action
        self.writes = writes
        self.completion = completion
        self.puts = puts
        self.then = then
        self.error: BaseException | None = None
        self._result: T | None = None

    def perform(self, tables: Tables) -> None:
        """Do it; a full outbox is an outcome like any other, and leaves its neighbours alone."""
        self.error = None
        try:
            self._result = self.action(tables)
        except OutboxFull as error:
            self.error = error

    def outcome(self) -> T:
        """Return or raise what came of it."""
        if self.error is not None:
            raise self.error

        return cast(T, self._result)


class Store:
    """Runs transactions on one SQLite connection, in whatever thread calls it.

    :param connection: an open file of the newest schema version, or one in memory
    :param path: the file; None in memory
    :param limits: how much it may hold
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None, limits: Limits) -> None:
        self.changed_elsewhere = False
        """whether another process changed the file since somebody set this to False"""
        self.problem: OutboxError | None = None
        """what the last transaction that writes failed with; None if it succeeded"""
        self.damaged = False
        """whether the file turned out not to be sound"""
        self.completed: dict[int, Failure | None] = {}
        """entries that are done with, which could not be written so far"""
        self._connection = connection
        self._path = path
        self._name = "in memory" if path is None else str(path)
        self._identity = None if path is None else _identity(path)
        self._tables = Tables(connection, limits)
        self._totals = Changes()
        self._failed = 0
        self._version = self._data_version()
        self._oldest = queries.oldest(connection)
        self._take_stock()

    def run(self, group: Sequence[Transaction[object]]) -> None:
        """Run a group in one transaction of SQLite, or each in one of its own if that fails."""
        writes = any(transaction.writes for transaction in group)
        written = self._connection.total_changes
        try:
            if writes:
                self._check_in_place()
                self._write_completed()

            self._transact(group, writes=writes)
        except Exception as error:  # noqa: BLE001 - re-raised to the caller
            if len(group) > 1 and primary_code(error) not in _BUSY:
                for transaction in group:
                    self.run([transaction])
            else:
                for transaction in group:
                    self._fail(transaction, error)

        else:
            if self.problem is not None and self._connection.total_changes != written:
                logger.warning("outbox %s can be written again", self._name)
                self.problem = None

    def close(self) -> None:
        """Write what is left to write, and close the connection."""
        try:
            self._write_completed()
            self._tables.give_back_ids()
        except sqlite3.Error as error:
            logger.error(
                "outbox %s: %d entries that are done with could not be removed and will be read"
                " again: %s",
                self._name,
                len(self.completed),
                error,
            )

        self._connection.close()

    def _transact(self, group: Sequence[Transaction[object]], *, writes: bool) -> None:
        connection = self._connection
        tables = self._tables
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            tables.begin()
            version = self._data_version()
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
        self._take_stock()
        if tables.changes.forgotten:
            logger.warning(
                "outbox %s: the %d oldest dead letters were removed, since it keeps at most %d",
                self._name,
                tables.changes.forgotten,
                tables.limits.max_dead,
            )

    def _data_version(self) -> int:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _write_completed(self) -> None:
        while self.completed:
            ids = list(islice(self.completed, _COMPLETIONS_PER_TRANSACTION))
            delivered = frozenset(id for id in ids if self.completed[id] is None)
            transactions: list[Transaction[object]] = [Transaction(Completion(delivered).apply)]
            for id in ids:
                failure = self.completed[id]
                if failure is not None:
                    transactions.append(Transaction(Completion(frozenset({id}), failure).apply))

            self._transact(transactions, writes=True)
            for id in ids:
                del self.completed[id]

    def _fail(self, transaction: Transaction[object], error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            error = self._describe(error)

        transaction.error = error
        if not isinstance(error, OutboxError):
            return

        self._failed += transaction.puts
        if transaction.writes:
            if self.problem is None:
                logger.error("%s", error)

            self.problem = error

        if transaction.completion is not None:
            self.completed.update(
                dict.fromkeys(transaction.completion.ids, transaction.completion.failure)
            )
            transaction.error = None

    def _describe(self, error: sqlite3.Error) -> OutboxError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        text = f"outbox {self._name}: {error} ({name})"
        described: OutboxError
        if is_damage(error):
            self.damaged = True
            described = OutboxUnreadable(
                f"{text}; the file is damaged and is moved aside at the next start"
            )
        else:
            with suppress(OSError):
                if self._path is not None:
                    free = shutil.disk_usage(self._path.parent).free
                    text = f"{text}; {free / 1e6:.1f} MB are free on its disk"

            described = OutboxError(text)

        described.__cause__ = error
        return described

    def _check_in_place(self) -> None:
        # SQLite would go on writing into a file that has no name any more.
        if self._path is not None and _identity(self._path) != self._identity:
            raise OutboxError(
                f"outbox {self._name}: the file was removed or replaced while it was in use;"
                " restart to begin a new one"
            )

    def _take_stock(self) -> None:
        tables = self._tables
        self._stock = (tables.pending, tables.bytes, tables.dead, self._oldest)

    def statistics(self) -> OutboxStatistics:
        """Return what it holds as of the last transaction, and what happened so far."""
        pending, bytes, dead, oldest = self._stock
        return OutboxStatistics(
            pending=pending,
            bytes=bytes,
            oldest=oldest,
            dead=dead,
            **asdict(self._totals),
            failed=self._failed,
            unwritten=len(self.completed),
        )
