from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

from .._exceptions import OutboxError
from . import _queries as queries
from ._file import open_shared
from ._lock import LockText, lock_path
from ._notification import notify
from ._records import DeadLetter, OutboxEntry, OutboxLane
from ._store import Completion, Store, Transaction
from ._tables import CHUNK, NO_LIMITS, Limits, Tables, Which
from ._worker import OutboxWorker

T = TypeVar("T")


class OutboxBase:
    """What the owner of an outbox and an administrator can both do: look, retry and drop.

    :param path: the file; None in memory
    :param inline: whether to run transactions in the event loop instead of a worker thread
    """

    def __init__(self, path: Path | None, *, inline: bool) -> None:
        self.path = path
        """the file; None in memory"""
        self._inline = inline
        self._opened: Store | None = None
        self._worker: OutboxWorker | None = None
        self._pid: int | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        if self._pid is not None:
            raise RuntimeError("an outbox can be entered only once: make a new one")

        self._pid = os.getpid()
        worker = OutboxWorker(self._execute, self._after, inline=self._inline)
        try:
            await worker.call(self._open)
        except BaseException as error:
            self._stop()
            with suppress(sqlite3.Error):
                await worker.call(self._close)

            worker.stop()
            if isinstance(error, sqlite3.Error):
                raise OutboxError(f"outbox {self.path}: {error}") from error

            raise

        self._worker = worker
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # In a forked child the file is its parent's.
        if os.getpid() != self._pid or self._worker is None:
            return

        self._closed = True
        self._stop()
        try:
            await self._worker.call(self._close)
        finally:
            self._worker.stop()

    def _open(self) -> None:
        """Open the file and set the store."""

    def _use(self, connection: sqlite3.Connection, file: Path | None, limits: Limits) -> None:
        try:
            self._opened = Store(connection, file, limits)
        except BaseException:
            connection.close()
            raise

    def _stop(self) -> None:
        """Stop what runs in the event loop."""

    def _close(self) -> None:
        """Close what was opened so far."""
        if self._opened is not None:
            self._opened.close()

    def _execute(self, group: Sequence[Transaction[Any]]) -> None:
        self._store.run(group)

    def _after(self, group: Sequence[Transaction[Any]]) -> None:
        """Do what has to follow a group of transactions, in the event loop."""
        for transaction in group:
            if transaction.then is not None and transaction.error is None:
                transaction.then()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise RuntimeError("use the outbox in its context: async with outbox")

        return self._opened

    async def _transact(
        self,
        action: Callable[[Tables], T],
        *,
        writes: bool = True,
        completion: Completion | None = None,
        puts: int = 0,
        then: Callable[[], object] | None = None,
    ) -> T:
        if self._worker is None:
            raise RuntimeError("use the outbox in its context: async with outbox")

        if os.getpid() != self._pid:
            raise RuntimeError("this process was forked: open an outbox of its own here")

        if self._closed:
            raise anyio.ClosedResourceError

        return await self._worker.run(
            Transaction(action, writes=writes, completion=completion, puts=puts, then=then)
        )

    async def lanes(self) -> list[OutboxLane]:
        """Return every lane that holds something or is postponed, by name."""
        return await self._transact(lambda tables: queries.lanes(tables.connection), writes=False)

    async def pending(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[OutboxEntry]:
        """Return what waits, in order, whether or not it may be delivered now.

        :param lane: only of this lane
        :param after: only with higher ids, such as the last one of the page before
        :param limit: how many at most
        """
        return await self._transact(
            lambda tables: queries.pending(tables.connection, lane, after, limit), writes=False
        )

    async def dead_letters(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Return dead letters in the order in which they were put.

        :param lane: only of this lane
        :param after: only with higher ids, such as the last one of the page before
        :param limit: how many at most
        """
        return await self._transact(
            lambda tables: queries.dead_letters(tables.connection, lane, after, limit),
            writes=False,
        )

    async def show(self, id: int) -> OutboxEntry | None:
        """Return the entry or :class:`DeadLetter` of an id, None if there is none (any more)."""
        return await self._transact(
            lambda tables: queries.show(tables.connection, id), writes=False
        )

    async def retry(self, ids: Iterable[int]) -> int:
        """Have dead letters and postponed entries tried again, and return how many.

        They keep their ids, so they come first in their lane. Postponements of their lanes are
        taken back, and a dead letter does not expire again.

        :param ids: which; those that do not exist are passed over
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = list(ids)
        return await self._transact(lambda tables: tables.retry(chosen), then=self._retried)

    async def retry_lane(self, lane: str, *, limit: int | None = None) -> int:
        """Have all dead letters and postponed entries of a lane tried again, return how many.

        :param lane: its name
        :param limit: how many at most, such as to show progress between calls; None for all
        :raises OutboxError: if it cannot be written; some may have been changed then
        """
        return await self._in_chunks(
            limit,
            lambda tables, count: tables.retry_lane(lane, count),
            self._retried,
        )

    async def drop(self, ids: Iterable[int]) -> int:
        """Remove entries and dead letters for ever, and return how many.

        :param ids: which; those that do not exist are passed over
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = list(ids)
        return await self._transact(lambda tables: tables.drop(chosen), then=self._dropped)

    async def drop_lane(self, lane: str, which: Which = "all", *, limit: int | None = None) -> int:
        """Remove what a lane holds for ever, the oldest first, and return how many.

        :param lane: its name
        :param which: ``pending`` entries, ``dead`` letters or ``all``
        :param limit: how many at most, such as to show progress between calls; None for all
        :raises OutboxError: if it cannot be written; some may have been removed then
        """
        return await self._in_chunks(
            limit,
            lambda tables, count: tables.drop_lane(lane, which, count),
            self._dropped,
        )

    async def _in_chunks(
        self,
        limit: int | None,
        action: Callable[[Tables, int], int],
        then: Callable[[], object],
    ) -> int:
        total = 0
        while limit is None or total < limit:
            wanted = CHUNK if limit is None else min(CHUNK, limit - total)
            count = await self._transact(lambda tables: action(tables, wanted), then=then)  # noqa: B023
            total += count
            if count < wanted:
                break

        return total

    def _retried(self) -> None:
        """Do what has to follow a retry."""

    def _dropped(self) -> None:
        """Do what has to follow a drop."""


class OutboxAdmin(OutboxBase):
    """An outbox that another process may have open, to look into it, to retry and to drop.

    Use it as an async context manager. Leaving it tells the owner of what was changed.

    :param path: the file
    :raises OutboxUnreadable: on entering, if the file is no outbox of this version
    :raises OutboxError: on entering, if there is no file or it cannot be opened
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(Path(path), inline=False)
        self._real_path = Path(path)
        self._changed = False

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._changed:
                await self.notify_owner()

        finally:
            await super().__aexit__(exc_type, exc_value, traceback)

    async def notify_owner(self) -> bool:
        """Tell the process that owns the outbox that it was changed, and say whether it answered.

        If it does not answer within a second, nobody owns the outbox, or its owner does not listen
        or cannot be reached (in another container, say). Then what was changed takes effect at the
        owner's next transaction or start.
        """
        self._changed = False
        owner = await anyio.to_thread.run_sync(self._read_lock)
        return owner.port is not None and await notify(owner.port, owner.token)

    def _read_lock(self) -> LockText:
        return LockText.read(lock_path(self._real_path))

    def _open(self) -> None:
        self._real_path = Path(os.path.realpath(self._real_path))
        self._use(open_shared(self._real_path), self._real_path, NO_LIMITS)

    def _retried(self) -> None:
        self._changed = True

    def _dropped(self) -> None:
        self._changed = True
