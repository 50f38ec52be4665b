from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Self

import anyio

from .._exceptions import OutboxError
from . import _queries as queries
from ._admin import OutboxAdmin, OutboxBase
from ._file import fingerprint, open_file, open_memory
from ._lock import OwnerLock
from ._notification import ChangeNotifier
from ._records import (
    UNTIL_RESUMED,
    ExpiredEntries,
    OutboxEntry,
    OutboxItem,
    OutboxStatistics,
    from_microseconds,
    to_microseconds,
)
from ._store import Completion, Transaction
from ._tables import Failure, Limits

logger = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Outbox(OutboxBase):
    """A durable list of what is not yet delivered, in lanes.

    Use it as an async context manager, in the process that delivers; it starts no task. Whoever
    has something to deliver puts it; whoever delivers reads a lane, tries, and then acknowledges
    or postpones the entries or makes dead letters of them. An entry whose put has returned
    survives the end of the process at any moment, and is read again until it is acknowledged:
    what was delivered right before a crash is delivered twice.

    :param path: the file, on a local disk; its folder is created. None keeps everything in memory
    :param max_entries: how many entries may wait; what is put on top is refused
    :param max_bytes: how many bytes their bodies may have in UTF-8, all together
    :param max_entries_per_lane: how many entries may wait in one lane, so that one that is stuck
        leaves room for the others; None for no bound of its own
    :param max_dead: how many dead letters are kept; the oldest ones make room for new ones
    :param survives_power_loss: whether each put waits until the disk has it. Otherwise what was
        put in the last half minute or so may be lost when the machine (not just the process) dies
    :param inline: whether to run transactions in the event loop instead of a worker thread, for
        tests in virtual time; None for only in memory
    :param now: what the time is, aware, for tests
    :raises OutboxInUse: on entering, if another process owns the file
    :raises OutboxUnreadable: on entering, if a newer version wrote the file
    :raises OutboxError: on entering, if the file cannot be created or opened
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_entries: int = 100_000,
        max_bytes: int = 256 * 1024 * 1024,
        max_entries_per_lane: int | None = None,
        max_dead: int = 10_000,
        survives_power_loss: bool = False,
        inline: bool | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        file = None if path is None else Path(path)
        super().__init__(file, inline=file is None if inline is None else inline)
        self.moved_aside: Path | None = None
        """where an unreadable file is now that was found at the path on entering"""
        self._limits = Limits(max_entries, max_bytes, max_entries_per_lane, max_dead)
        self._survives_power_loss = survives_power_loss
        self._now = now
        self._file: Path | None = None
        self._lock: OwnerLock | None = None
        self._notifier: ChangeNotifier | None = None
        self._arrivals: dict[str, anyio.Event] = {}

    @classmethod
    def administer(cls, path: str | os.PathLike[str]) -> OutboxAdmin:
        """Return an outbox to look into, retry and drop, while another process may own it.

        :param path: the file
        """
        return OutboxAdmin(path)

    async def __aenter__(self) -> Self:
        self._changed = anyio.Event()
        return await super().__aenter__()

    @property
    def problem(self) -> OutboxError | None:
        """What the last attempt to write failed with; None if it succeeded."""
        return self._store.problem

    def statistics(self) -> OutboxStatistics:
        """Return what the outbox holds and what happened since it was opened."""
        return self._store.statistics()

    async def put(
        self, lane: str, body: str, *, label: str = "", expires: datetime | None = None
    ) -> int:
        """Add one entry to the end of a lane, and return its id when it is safe.

        :param lane: the name of the lane, which need not exist before
        :param body: text that means something to whoever delivers it, such as JSON
        :param label: what a person sees in lists, such as the event type
        :param expires: when it is no longer worth delivering, aware; None for never
        :raises OutboxFull: if there is no room; it was not put
        :raises OutboxError: if it cannot be written; it was not put
        """
        return (await self.put_many([OutboxItem(lane, body, label, expires)]))[0]

    async def put_many(self, items: Iterable[OutboxItem]) -> Sequence[int]:
        """Add entries, all or none, and return their ids when all are safe.

        :param items: the entries, of one or several lanes
        :raises OutboxFull: if there is not enough room; none was put
        :raises OutboxError: if they cannot be written; none was put
        """
        chosen = list(items)
        now = to_microseconds(self._now())
        return await self._transact(
            lambda tables: tables.put(chosen, now),
            puts=len(chosen),
            then=lambda: self._put(chosen),
        )

    async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """Return what of a lane may be delivered now, in order.

        Entries that are postponed or whose time is over are left out, and so is everything while
        the lane is postponed. Reading takes nothing away: pass the last id to go on behind it, and
        begin at the start again when nothing is on its way, since what was retried or postponed
        comes in at its old place.

        :param lane: its name
        :param after: only with higher ids
        :param limit: how many at most
        """
        now = to_microseconds(self._now())
        return await self._transact(
            lambda tables: queries.read(
                tables.connection, lane, after, limit, now, self._store.completed
            ),
            writes=False,
        )

    async def next_due(self, lane: str) -> datetime | None:
        """Return when the next entry of a lane may be delivered.

        The answer is not in the future if there is something to read now, and None if nothing
        waits or the lane waits until it is resumed.

        :param lane: its name
        """
        now = to_microseconds(self._now())
        due = await self._transact(
            lambda tables: queries.next_due(tables.connection, lane, now, self._store.completed),
            writes=False,
        )
        return None if due is None else from_microseconds(due)

    async def wait(self, lane: str) -> None:
        """Wait until there is something to read in a lane.

        It also returns when the end of a postponement has come. Waiting costs nothing.

        :param lane: its name
        """
        while True:
            arrival = self._arrivals.setdefault(lane, anyio.Event())
            due = await self.next_due(lane)
            if due is None:
                await arrival.wait()
                continue

            seconds = (due - self._now()).total_seconds()
            if seconds <= 0:
                return

            with anyio.move_on_after(seconds):
                await arrival.wait()
                continue

            return

    async def acknowledge(self, ids: Iterable[int]) -> None:
        """Remove entries that were delivered.

        If the file cannot be written, that is no error here: they are remembered, not read again
        and removed as soon as possible. Only if the process ends before, they are read again.

        :param ids: which; those that do not exist are passed over
        """
        completion = Completion(frozenset(ids))
        await self._transact(completion.apply, completion=completion)

    async def dead_letter(self, ids: Iterable[int], reason: str, detail: str = "") -> None:
        """Give entries up and keep them as dead letters.

        If the file cannot be written, they are remembered as by :meth:`acknowledge`.

        :param ids: which; those that do not exist are passed over
        :param reason: why, in one line, without secrets
        :param detail: what the receiver said exactly, without secrets
        """
        failure = Failure(reason, detail, to_microseconds(self._now()))
        completion = Completion(frozenset(ids), failure)
        await self._transact(completion.apply, completion=completion)

    async def postpone(self, ids: Iterable[int], until: datetime, error: str = "") -> None:
        """Leave entries out until some time; the rest of their lane may overtake them.

        :param ids: which; those that do not exist are passed over
        :param until: when they may be read again, aware
        :param error: why, without secrets; kept with them and counted as an attempt
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = frozenset(ids)
        now, then = to_microseconds(self._now()), to_microseconds(until)
        await self._transact(lambda tables: tables.postpone(chosen, then, error, now))

    async def postpone_lane(
        self, lane: str, until: datetime = UNTIL_RESUMED, error: str = ""
    ) -> None:
        """Leave a whole lane alone until some time, in order not to change the order.

        :param lane: its name
        :param until: when it may be read again, aware; without it, when :meth:`resume_lane` or
            somebody's :meth:`retry` says so
        :param error: why, without secrets; kept with the lane and counted as an attempt
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        then = to_microseconds(until)
        await self._transact(lambda tables: tables.postpone_lane(lane, then, error))

    async def resume_lane(self, lane: str) -> None:
        """Take back the postponement of a lane and forget its attempts.

        :param lane: its name
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        await self._transact(lambda tables: tables.resume_lanes([lane]), then=self._retried)

    async def expire(self, lane: str | None = None) -> list[ExpiredEntries]:
        """Remove what is no longer worth delivering, and return what that was, for telling.

        If the file cannot be written, that is no error here: it is removed and returned by a later
        call, and not read meanwhile.

        :param lane: only of this lane; None for all
        """
        found: dict[tuple[str, str], ExpiredEntries] = {}
        now = to_microseconds(self._now())
        while await self._transact(
            lambda tables: queries.is_overdue(tables.connection, lane, now, self._store.completed),
            writes=False,
        ):
            try:
                chunk = await self._transact(lambda tables: tables.expire(lane, now))
            except OutboxError:
                break

            for expired in chunk:
                key = (expired.lane, expired.label)
                found[key] = expired.merged(found[key]) if key in found else expired

        return list(found.values())

    async def listen(self, changed: Callable[[], object] | None = None) -> NoReturn:
        """Hear of what was retried, resumed or dropped, until it is cancelled; run it in a task.

        That may be done through this outbox or, by an administrator, through another one. It wakes
        whoever waits for a lane. Nothing is polled: an administrator says so through a
        loopback socket, or else the next transaction notices it.

        :param changed: called after each change
        :raises anyio.ClosedResourceError: if the outbox is closed meanwhile
        """
        async with anyio.create_task_group() as task_group:
            if self._notifier is not None:
                task_group.start_soon(self._answer, self._notifier)

            while not self._closed:
                await self._changed.wait()
                self._changed = anyio.Event()
                if changed is not None and not self._closed:
                    changed()

            task_group.cancel_scope.cancel()

        raise anyio.ClosedResourceError

    async def _answer(self, notifier: ChangeNotifier) -> None:
        with suppress(anyio.ClosedResourceError):
            while True:
                await notifier.wait()
                self._retried()

    def _dropped(self) -> None:
        self._changed.set()

    def _retried(self) -> None:
        self._changed.set()
        for arrival in self._arrivals.values():
            arrival.set()

        self._arrivals.clear()

    def _put(self, items: Sequence[OutboxItem]) -> None:
        if self._arrivals:
            for item in items:
                arrival = self._arrivals.pop(item.lane, None)
                if arrival is not None:
                    arrival.set()

    def _after(self, group: Sequence[Transaction[Any]]) -> None:
        super()._after(group)
        if self._store.changed_elsewhere:
            self._store.changed_elsewhere = False
            self._retried()

    def _open(self) -> None:
        if self.path is None:
            self._use(open_memory(), None, self._limits)
            return

        file = Path(os.path.realpath(self.path))
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutboxError(f"outbox {file}: cannot create its folder: {error}") from error

        self._lock = OwnerLock(file)
        try:
            self._notifier = ChangeNotifier()
        except OSError as error:
            logger.warning("outbox %s cannot hear of changes at once: %s", file, error)

        connection, self.moved_aside = open_file(
            file,
            survives_power_loss=self._survives_power_loss,
            closed=self._lock.previous.closed,
        )
        self._use(connection, file, self._limits)
        self._file = file
        if self._notifier is None:
            self._lock.announce(None, "")
        else:
            self._lock.announce(self._notifier.port, self._notifier.token)

    def _stop(self) -> None:
        self._retried()
        if self._notifier is not None:
            self._notifier.close()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            if self._lock is not None:
                if self._file is None:
                    self._lock.abandon()
                else:
                    self._lock.release(None if self._store.damaged else fingerprint(self._file))

                self._lock = None
