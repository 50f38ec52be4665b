"""The outbox as an administrator sees it, and what it shares with its owner."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from weakref import WeakSet

import anyio
from anyio import to_thread

from .._exceptions import OutboxError
from .._threads import ThreadCall, is_in_virtual_time
from . import _queries as queries
from ._file import open_shared, resolved
from ._lock import LockText, lock_path
from ._notification import notify
from ._records import DeadLetter, OutboxEntry, OutboxLane
from ._store import Store, Transaction
from ._tables import CHUNK, NO_LIMITS, Limits, Tables, Which
from ._worker import OutboxWorker

P = ParamSpec("P")
CLOSED = "the outbox is closed: use it inside its 'async with', or open another one"

T = TypeVar("T")


_open: WeakSet[OutboxBase] = WeakSet()


def close_outboxes(timeout: float) -> list[Path]:
    """Close every outbox of this process, before it is ended without leaving their contexts.

    Call it in any thread: what is written just now is completed first, and nothing is written
    afterwards.

    :param timeout: seconds that it may take
    :returns: the files that could not be closed within that time
    """
    boxes = [box for box in _open if box._pid == os.getpid()]
    calls = [(box.path, ThreadCall(box._close_once, "closing an outbox")) for box in boxes]
    deadline = time.monotonic() + timeout
    return [
        path
        for path, call in calls
        if not call.wait(max(0.0, deadline - time.monotonic())) and path is not None
    ]


class OutboxBase:
    """What both the owner of an outbox and an administrator can do: list, retry and drop.

    :param path: the file; None in memory
    :param inline: whether to run transactions in the event loop instead of a worker thread; None
        for only in memory and in virtual time
    """

    def __init__(self, path: Path | None, *, inline: bool | None) -> None:
        self.path = path
        """the file; None in memory"""
        self._inline = inline
        self._opened: Store | None = None
        self._worker: OutboxWorker | None = None
        self._pid: int | None = None
        self._closed = False
        self._is_shut = False
        self._in_use = threading.Lock()
        """held while the store is used"""

    async def __aenter__(self) -> Self:
        if self._pid is not None:
            raise RuntimeError("an outbox can be entered only once: make a new one")

        self._pid = os.getpid()
        inline = self._inline
        if inline is None:
            inline = self.path is None or is_in_virtual_time()

        worker = OutboxWorker(self._execute, self._after, inline=inline)
        try:
            await worker.call(self._open)
        except BaseException as error:
            self._stop()
            with suppress(sqlite3.Error):
                await worker.call(self._close_once)

            worker.stop()
            if isinstance(error, sqlite3.Error):
                raise OutboxError(f"outbox {self.path}: {error}") from error

            raise

        self._worker = worker
        _open.add(self)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # In a forked child the file still belongs to the parent.
        if os.getpid() != self._pid or self._worker is None:
            return

        self._closed = True
        self._stop()
        try:
            await self._worker.call(self._close_once)
        finally:
            self._worker.stop()

    def _open(self) -> None:
        """Open the file and set the store."""

    def _use(
        self,
        connection: sqlite3.Connection,
        file: Path | None,
        limits: Limits,
        *,
        keeps_room: bool = False,
    ) -> None:
        try:
            self._opened = Store(connection, file, limits, keeps_room=keeps_room)
        except BaseException:
            connection.close()
            raise

    def _stop(self) -> None:
        """Stop what runs in the event loop."""

    def _close_once(self) -> None:
        with self._in_use:
            if not self._is_shut:
                self._is_shut = True
                self._close()

    def _close(self) -> None:
        """Close what was opened so far."""
        if self._opened is not None:
            self._opened.close()

    def _execute(self, group: Sequence[Transaction[Any]]) -> None:
        with self._in_use:
            if not self._is_shut:
                self._run_group(group)
                return

        for transaction in group:
            transaction.error = anyio.ClosedResourceError()

    def _run_group(self, group: Sequence[Transaction[Any]]) -> None:
        """Run a group of transactions while nobody else uses the store."""
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

    async def _run(self, transaction: Transaction[T]) -> T:
        if self._worker is None:
            raise RuntimeError("use the outbox in its context: async with outbox")

        if os.getpid() != self._pid:
            raise RuntimeError("this process was forked: open another outbox in it")

        if self._closed:
            raise anyio.ClosedResourceError(CLOSED)

        return await self._worker.run(transaction)

    async def _query(
        self,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return await self._run(
            Transaction(lambda tables: query(tables.connection, *args, **kwargs), writes=False)
        )

    async def lanes(self) -> list[OutboxLane]:
        """Return every lane that holds something or is postponed, by name."""
        return await self._query(queries.lanes)

    async def pending(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[OutboxEntry]:
        """Return the entries that wait, in order, whether or not they may be delivered now.

        :param lane: only of this lane
        :param after: only with higher ids, such as the last one of the page before
        :param limit: how many at most
        """
        return await self._query(queries.pending, lane, after, limit)

    async def dead_letters(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Return dead letters in the order in which they were put.

        :param lane: only of this lane
        :param after: only with higher ids, such as the last one of the page before
        :param limit: how many at most
        """
        return await self._query(queries.dead_letters, lane, after, limit)

    async def show(self, id: int) -> OutboxEntry | None:
        """Return the entry or :class:`DeadLetter` of an id, None if it does not exist (any more)."""
        return await self._query(queries.show, id)

    async def retry(self, ids: Iterable[int]) -> int:
        """Let dead letters and postponed entries be delivered again, and return how many.

        They keep their ids, so they come first in their lane. Their lanes are resumed, and a dead
        letter does not expire again.

        :param ids: which; unknown ids are ignored
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = list(ids)
        return await self._change(lambda tables: tables.retry(chosen))

    async def retry_lane(self, lane: str, *, limit: int | None = None) -> int:
        """Let all dead letters and postponed entries of a lane be delivered again, return how many.

        :param lane: its name
        :param limit: how many at most, such as to show progress between calls; None for all
        :raises OutboxError: if it cannot be written; some may have been changed then
        """
        return await self._in_chunks(limit, lambda tables, count: tables.retry_lane(lane, count))

    async def drop(self, ids: Iterable[int]) -> int:
        """Remove entries and dead letters for ever, and return how many.

        :param ids: which; unknown ids are ignored
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = list(ids)
        return await self._change(lambda tables: tables.drop(chosen))

    async def drop_lane(self, lane: str, which: Which = "all", *, limit: int | None = None) -> int:
        """Remove the content of a lane for ever, the oldest first, and return how many.

        :param lane: its name
        :param which: ``pending`` entries, ``dead`` letters or ``all``
        :param limit: how many at most, such as to show progress between calls; None for all
        :raises OutboxError: if it cannot be written; some may have been removed then
        """
        return await self._in_chunks(
            limit, lambda tables, count: tables.drop_lane(lane, which, count)
        )

    async def rename_lane(self, lane: str, to: str) -> int:
        """Give all entries and dead letters of a lane to another one, and return how many.

        They keep their ids, and so their order. What the other lane holds stays there, and it stays
        postponed or not; a lane that is new takes that over, too.

        :param lane: its name
        :param to: the other one's name
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        return await self._change(lambda tables: tables.rename_lane(lane, to))

    async def compact(self) -> None:
        """Rewrite the file, so that what was delivered or removed cannot be read in it any more.

        It takes a while if much waits, and as much room on the disk.

        :raises OutboxError: if that is not possible, such as when there is no room
        """
        if self._worker is None or self._closed:
            raise anyio.ClosedResourceError(CLOSED)

        await self._worker.call(self._compact)

    def _compact(self) -> None:
        with self._in_use:
            if not self._is_shut:
                self._store.compact()

    async def _in_chunks(self, limit: int | None, action: Callable[[Tables, int], int]) -> int:
        total = 0
        while limit is None or total < limit:
            wanted = CHUNK if limit is None else min(CHUNK, limit - total)
            count = await self._change(lambda tables: action(tables, wanted))  # noqa: B023
            total += count
            if count < wanted:
                break

        return total

    async def _change(self, action: Callable[[Tables], T]) -> T:
        return await self._run(Transaction(action, then=self._on_change))

    def _on_change(self) -> None:
        """React to a retry, a drop or a lane that was resumed."""


class OutboxAdmin(OutboxBase):
    """An outbox that another process may have open, to list, retry and drop entries.

    Use it as an async context manager. On leaving, it notifies the owner of its changes.

    :param path: the file
    :raises OutboxUnreadable: on entering, if the file is not an outbox of this version
    :raises OutboxError: on entering, if there is no file or it cannot be opened
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(Path(path), inline=None)
        self._real_path = Path(path)
        self._changed = False

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            if self._changed:
                await self.notify_owner()

        finally:
            await super().__aexit__(*exc_info)

    async def notify_owner(self) -> bool:
        """Notify the process that owns the outbox of changes, and return whether it answered.

        If it does not answer within a second, the outbox has no owner, or its owner does not listen
        or cannot be reached (in another container, for example). The changes then take effect at
        the owner's next transaction or start.
        """
        self._changed = False
        lock = lock_path(self._real_path)
        is_virtual = is_in_virtual_time()
        owner = LockText.read(lock) if is_virtual else await to_thread.run_sync(LockText.read, lock)
        return owner.port is not None and await notify(owner.port, owner.token)

    def _open(self) -> None:
        self._real_path = resolved(self._real_path)
        self._use(open_shared(self._real_path), self._real_path, NO_LIMITS)

    def _on_change(self) -> None:
        self._changed = True
