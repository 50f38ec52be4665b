"""The outbox as the process that delivers uses it."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Self

import anyio
from anyio.lowlevel import checkpoint

from .._events import utc_now
from .._exceptions import OutboxError
from ..state import warn_of_other_writers
from . import _queries as queries
from ._admin import CLOSED, OutboxAdmin, OutboxBase
from ._damage import is_damage
from ._file import Fingerprint, fingerprint, open_file, open_memory, resolved
from ._lock import OwnerLock
from ._notification import ChangeNotifier
from ._records import (
    UNTIL_RESUMED,
    ExpiredEntries,
    OutboxEntry,
    OutboxItem,
    OutboxStatistics,
    from_microseconds,
    merge_expired,
    to_microseconds,
)
from ._reserve import keep_while_closed, lacks_room
from ._store import Completion, Transaction
from ._tables import CHUNK, Failure, Limits

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPLACEMENTS = 60.0


class Outbox(OutboxBase):
    """A durable list of what is not yet delivered, in lanes.

    Use it as an async context manager, in the process that delivers; it starts no task. One task
    puts entries. Another one reads a lane, tries to deliver, and then acknowledges, postpones or
    dead-letters each entry. An entry whose put has returned survives the end of the process at any
    moment, and is read again until it is acknowledged: what was delivered right before a crash is
    delivered twice.

    :param path: the file, on a local disk; its folder is created. None keeps everything in memory
    :param max_entries: how many entries may wait; a put beyond that raises
    :param max_bytes: how many bytes their bodies may have in UTF-8, all together
    :param max_entries_per_lane: how many entries may wait in one lane, so that a stuck lane leaves
        room for the others; None for no limit per lane
    :param max_dead: how many dead letters are kept; the oldest ones make room for new ones
    :param survives_power_loss: whether each put waits until the disk has it. Otherwise the puts of
        the last half minute or so may be lost when the machine (not just the process) crashes
    :param inline: whether to run transactions in the event loop instead of a worker thread; None
        for only in memory, and in the virtual time of tests, which would not wait for a thread
    :param now: returns the current time, aware; the default is the clock of :meth:`Bus.now`, which
        moves with the virtual time of tests
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
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        file = None if path is None else Path(path)
        super().__init__(file, inline=inline)
        self.moved_aside: Path | None = None
        """the new path of the last damaged file that was found, on entering or later"""
        self.drains = False
        """whether its owner delivers what it holds before closing it, so that a bus that stops
        need not wait for that"""
        self._limits = Limits(max_entries, max_bytes, max_entries_per_lane, max_dead)
        self._survives_power_loss = survives_power_loss
        self._now = now
        self._file: Path | None = None
        self._replace_at = 0.0
        self._lock: OwnerLock | None = None
        self._notifier: ChangeNotifier | None = None
        self._arrivals: dict[str, anyio.Event] = {}

    @classmethod
    def administer(cls, path: str | os.PathLike[str]) -> OutboxAdmin:
        """Return an outbox to list, retry and drop entries, while another process may own it.

        :param path: the file
        """
        return OutboxAdmin(path)

    async def __aenter__(self) -> Self:
        self._changed = anyio.Event()
        return await super().__aenter__()

    @property
    def durable(self) -> bool:
        """Whether what it holds survives the end of the process."""
        return self.path is not None

    @property
    def problem(self) -> OutboxError | None:
        """The error of the last attempt to write; None if it succeeded.

        If the disk is full, it stays until entries can be put again: acknowledgements, dead letters
        and expiry have room of their own.
        """
        return self._store.problem

    def statistics(self) -> OutboxStatistics:
        """Return what the outbox holds and counts since it was opened."""
        return self._store.statistics()

    async def claim(self, lane: str, seconds: float) -> bool:
        """Return whether this process may send what a lane holds: always, since it owns the file.

        :param lane: its name
        :param seconds: for how long
        """
        await checkpoint()
        return True

    async def put(
        self, lane: str, body: str, *, label: str = "", expires: datetime | None = None
    ) -> int:
        """Add one entry to the end of a lane, and return its id when it is stored.

        :param lane: the name of the lane, which need not exist
        :param body: what to deliver, as text, such as JSON
        :param label: what lists show, such as the event type
        :param expires: when it is no longer worth delivering, aware; None for never
        :raises OutboxFull: if there is no room; it was not put
        :raises OutboxError: if it cannot be written; it was not put
        """
        return (await self.put_many([OutboxItem(lane, body, label, expires)]))[0]

    async def put_many(self, items: Iterable[OutboxItem]) -> Sequence[int]:
        """Add entries, all or none, and return their ids when all are stored.

        :param items: the entries, of one or several lanes
        :raises OutboxFull: if there is not enough room; none was put
        :raises OutboxError: if they cannot be written; none was put
        """
        chosen = list(items)
        now = to_microseconds(self._now())
        return await self._run(
            Transaction(
                lambda tables: tables.put(chosen, now),
                puts=len(chosen),
                size=sum(len(item.body) for item in chosen),
                then=lambda: self._on_put(chosen),
            )
        )

    async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """Return the entries of a lane that may be delivered now, in order.

        Entries that are postponed or have expired are skipped, and a lane that is postponed returns
        none. Reading removes nothing: pass the last id to continue after it, and start from the
        beginning when no delivery is in progress, since entries that were retried or postponed
        return at their old place.

        :param lane: its name
        :param after: only with higher ids
        :param limit: how many at most
        """
        now = to_microseconds(self._now())
        return await self._query(queries.read, lane, after, limit, now, self._store.completed)

    async def next_due(self, lane: str) -> datetime | None:
        """Return when the next entry of a lane may be delivered.

        The time is not in the future if there is something to read now. It is None if nothing waits
        or the lane waits until it is resumed.

        :param lane: its name
        """
        now = to_microseconds(self._now())
        due = await self._query(queries.next_due, lane, now, self._store.completed)
        return None if due is None else from_microseconds(due)

    async def wait(self, lane: str) -> None:
        """Wait until there is something to read in a lane.

        It also returns when an entry or the lane is no longer postponed. Waiting costs nothing.

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

        If the file cannot be written, nothing is raised: they are remembered, not read again and
        removed as soon as possible. They are read again only if the process ends before that.

        :param ids: which; unknown ids are ignored
        """
        await self._complete(Completion(frozenset(ids), None))

    async def dead_letter(self, ids: Iterable[int], reason: str, detail: str = "") -> None:
        """Give entries up and keep them as dead letters.

        If the file cannot be written, they are remembered as by :meth:`acknowledge`.

        :param ids: which; unknown ids are ignored
        :param reason: why, in one line, without secrets
        :param detail: the exact answer of the receiver, without secrets
        """
        failure = Failure(reason, detail, to_microseconds(self._now()))
        await self._complete(Completion(frozenset(ids), failure))

    async def _complete(self, completion: Completion) -> None:
        await self._run(
            Transaction(lambda tables: tables.complete(*completion), completion=completion)
        )

    async def postpone(self, ids: Iterable[int], until: datetime, error: str = "") -> None:
        """Skip entries until a given time; the rest of their lane may overtake them.

        :param ids: which; unknown ids are ignored
        :param until: when they may be read again, aware
        :param error: why, without secrets; kept with them and counted as an attempt
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        chosen = frozenset(ids)
        now, then = to_microseconds(self._now()), to_microseconds(until)
        await self._run(Transaction(lambda tables: tables.postpone(chosen, then, error, now)))

    async def postpone_lane(
        self, lane: str, until: datetime = UNTIL_RESUMED, error: str = ""
    ) -> None:
        """Stop reading a whole lane until a given time, which keeps its order.

        :param lane: its name
        :param until: when it may be read again, aware; by default, after :meth:`resume_lane` or
            :meth:`retry`
        :param error: why, without secrets; kept with the lane and counted as an attempt
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        then = to_microseconds(until)
        await self._run(Transaction(lambda tables: tables.postpone_lane(lane, then, error)))

    async def note_error(self, lane: str, error: str) -> None:
        """Keep why a lane is not delivered at the moment, for those who list it.

        It is over once something of the lane is acknowledged or becomes a dead letter. Nothing else
        changes, and a lane that holds nothing or is postponed stays as it is.

        :param lane: its name
        :param error: why, in one line, without secrets; empty once it is delivered
        :raises OutboxError: if it cannot be written
        """
        await self._run(Transaction(lambda tables: tables.note_error(lane, error)))

    async def resume_lane(self, lane: str) -> None:
        """Make a lane that was postponed readable again, and reset its attempts.

        :param lane: its name
        :raises OutboxError: if it cannot be written; nothing was changed then
        """
        await self._change(lambda tables: tables.resume_lanes([lane]))

    async def expire(self, lane: str | None = None) -> list[ExpiredEntries]:
        """Remove entries that have expired, and return what they were, so it can be reported.

        If the file cannot be written, nothing is raised: they are removed and returned by a later
        call, and not read meanwhile.

        :param lane: only of this lane; None for all
        """
        expired: list[ExpiredEntries] = []
        now = to_microseconds(self._now())
        count = CHUNK
        while await self._query(queries.is_overdue, lane, now, self._store.completed):
            try:
                chunk = await self._run(
                    Transaction(lambda tables: tables.expire(lane, now, count))  # noqa: B023
                )
            except OutboxError as error:
                # On a full disk there is room for a smaller transaction.
                if count == 1 or not lacks_room(error.__cause__ or error):
                    break

                count //= 10
                continue

            expired = merge_expired([*expired, *chunk])

        return expired

    async def next_expiry(self, lane: str) -> datetime | None:
        """Return when the first entry of a lane expires, None if none does.

        :param lane: its name
        """
        first = await self._query(queries.next_expiry, lane)
        return None if first is None else from_microseconds(first)

    async def listen(self, changed: Callable[[], object] | None = None) -> NoReturn:
        """Wait for retried, resumed or dropped entries, until cancelled; run it in a task.

        They may be changed through this outbox or, by an administrator, through another one. Each
        change wakes the tasks that wait for a lane. Nothing is polled: an administrator notifies us
        through a loopback socket, or else the next transaction notices the change.

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

        raise anyio.ClosedResourceError(CLOSED)

    async def _answer(self, notifier: ChangeNotifier) -> None:
        with suppress(anyio.ClosedResourceError):
            while True:
                await notifier.wait()
                self._on_change()

    def _on_change(self) -> None:
        self._changed.set()
        for arrival in self._arrivals.values():
            arrival.set()

        self._arrivals.clear()

    def _on_put(self, items: Sequence[OutboxItem]) -> None:
        if self._arrivals:
            for item in items:
                arrival = self._arrivals.pop(item.lane, None)
                if arrival is not None:
                    arrival.set()

    def _after(self, group: Sequence[Transaction[Any]]) -> None:
        super()._after(group)
        if self._store.changed_elsewhere:
            self._store.changed_elsewhere = False
            self._on_change()

    def _open(self) -> None:
        if self.path is None:
            self._use(open_memory(), None, self._limits)
            return

        file = resolved(self.path)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutboxError(f"outbox {file}: cannot create its folder: {error}") from error

        warn_of_other_writers(file.parent)
        self._lock = OwnerLock(file)
        try:
            self._notifier = ChangeNotifier()
        except OSError as error:
            logger.warning("outbox %s cannot be notified of changes at once: %s", file, error)

        self._open_store(file, closed=self._lock.previous.closed)
        self._file = file
        self._lock.announce(self._notifier)

    def _run_group(self, group: Sequence[Transaction[Any]]) -> None:
        # This runs in the thread of the outbox.
        store = self._store
        store.run(group)
        if store.damage is None:
            return

        damage = store.damage
        # A disk that damages whatever is written must not be filled with copies.
        if self._file is not None and time.monotonic() >= self._replace_at:
            self._replace_at = time.monotonic() + _SECONDS_BETWEEN_REPLACEMENTS
            self._replace(self._file, damage)
            self._store.run_again(group)

    def _replace(self, file: Path, damage: str) -> None:
        """Go on with a new file, which has what can be read of the damaged one."""
        old = self._store
        old.abandon()
        try:
            damage_of_this = damage if old.is_of(file) else None
            self._open_store(file, damage=damage_of_this, next_id=old.next_id)
        except OutboxError as error:
            logger.error("%s", error)
            return

        self._store.succeed(old)

    def _open_store(
        self,
        file: Path,
        *,
        closed: Fingerprint | None = None,
        damage: str | None = None,
        next_id: int = 1,
    ) -> None:
        connection, moved_aside = open_file(
            file,
            survives_power_loss=self._survives_power_loss,
            closed=closed,
            damage=damage,
            next_id=next_id,
        )
        self.moved_aside = moved_aside or self.moved_aside
        try:
            self._use(connection, file, self._limits, keeps_room=True)
        except sqlite3.Error as error:
            if not is_damage(error) or damage is not None:
                raise OutboxError(f"outbox {file}: {error}") from error

            self._open_store(file, damage=str(error))

    def _stop(self) -> None:
        self._on_change()
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
                    keep_while_closed(self._file)
                    self._lock.release(fingerprint(self._file))

                self._lock = None
