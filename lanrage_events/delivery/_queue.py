"""The queue of a lane: always in the outbox, and in memory as far as it fits."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import anyio

from .._events import utc_now
from ..outbox import ExpiredEntries, OutboxEntry, Storage
from ._outage import LONG_AGO

EntryT = TypeVar("EntryT")

ANY_TIME = datetime.min.replace(tzinfo=UTC)


# Not frozen, which would take three times as long: there is one for each event.
@dataclass(slots=True)
class Waiting(Generic[EntryT]):
    """An entry that waits in a lane."""

    id: int
    """its number in the outbox"""
    entry: EntryT
    expires: datetime | None
    arrived: float
    """when it came into the lane, on the clock of the event loop; long ago if an earlier process put
    it"""
    put_at: float = LONG_AGO
    """when it was put, on the same clock, also by an earlier process; never later than now"""


class LaneQueue(Generic[EntryT]):
    """The entries of one lane, in order.

    A subclass may let some wait for their time, see :meth:`admit`.

    :param storage: keeps them until the caller acknowledges them
    :param lane: its name there
    :param decode: returns an entry of the outbox as the lane sends it; one for which it raises
        ValueError becomes a dead letter
    :param logger: reports what cannot be read
    :param incoming_size: entries that wait in memory for the batch; more are read from the outbox
    :param batch_size: entries that a batch has at most
    """

    def __init__(
        self,
        storage: Storage,
        lane: str,
        decode: Callable[[OutboxEntry], EntryT],
        *,
        logger: logging.Logger,
        incoming_size: int = 1000,
        batch_size: int = 1000,
    ) -> None:
        self._storage = storage
        self._lane = lane
        self._decode_entry = decode
        self._logger = logger
        self._incoming_size = incoming_size
        self._batch_size = batch_size
        self._made = utc_now()
        self._made_at = anyio.current_time()
        self._incoming: list[Waiting[EntryT]] = []
        """what was put since the batch was filled, the oldest first"""
        self.batch: list[Waiting[EntryT]] = []
        """what is next, the oldest first"""
        self.held: dict[int, Waiting[EntryT]] = {}
        """what waits in memory for its time, by number, see :meth:`hold`"""
        self._must_read = True
        """whether the outbox may hold what is neither in the batch nor incoming"""
        self._is_stale = False
        """whether the outbox may lack what is in the batch, or hold what belongs before it"""
        self._expires: datetime | None = ANY_TIME
        """when the first of what the outbox holds expires, at the earliest; None if nothing does"""
        self._read_through = 0
        """the highest number that was read from the outbox: all below came into the batch then"""
        self.unreadable: int = 0
        """entries that became dead letters because they cannot be read"""
        self._is_mixed = False
        """whether the batch also holds what did not come from the outbox"""

    def append(self, number: int, entry: EntryT, expires: datetime | None) -> None:
        """Add an entry that was put into the outbox.

        :param number: its number there
        """
        if expires is not None:
            self._expires = expires if self._expires is None else min(self._expires, expires)

        if len(self._incoming) >= self._incoming_size:
            self._must_read = True

        if not self._must_read:
            now = anyio.current_time()
            self._incoming.append(Waiting(number, entry, expires, now, now))

    def mark_empty(self) -> None:
        """Record, before anything is put, that the outbox was seen to hold nothing."""
        # Unless something was put back since it was seen.
        if not (self._is_stale or self.batch or self.held):
            self._must_read = False

    def invalidate(self) -> None:
        """Record that the outbox may hold an entry whose put was cancelled."""
        self._must_read = True
        self._expires = ANY_TIME

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, as far as is known without reading the outbox."""
        return not (self.batch or self.held or self.has_more)

    @property
    def has_more(self) -> bool:
        """Whether :meth:`fill` may find something."""
        return self._must_read or bool(self._incoming)

    def __len__(self) -> int:
        """Return how many entries are in memory, without those that are held."""
        return len(self.batch) + len(self._incoming)

    @property
    def first_id(self) -> int | None:
        """The number of the oldest entry in the batch, None if it is empty."""
        return self.batch[0].id if self.batch else None

    def admit(self, waiting: Waiting[EntryT]) -> bool:
        """Return whether an entry goes into the batch, as each does unless a subclass decides.

        It is called with every entry, in order, and after :meth:`readmit` once more. What does not go
        into the batch may be held, or be left to the outbox, which :meth:`reload` reads again.
        """
        return True

    def readmit(self) -> None:
        """Forget what was admitted: everything comes again, since the outbox is read from its start."""

    def hold(self, waiting: Waiting[EntryT]) -> None:
        """Let an entry that is not in the batch wait in memory until :meth:`release`."""
        self.held[waiting.id] = waiting

    def release(self, ids: Iterable[int]) -> list[Waiting[EntryT]]:
        """Move entries that are held into the batch, as if they had come now, and return them."""
        found = [self.held.pop(one) for one in ids if one in self.held]
        for waiting in found:
            waiting.arrived = anyio.current_time()
            self._insert(waiting)

        return found

    def reload(self) -> None:
        """Read the outbox again, where entries may have been put back or dropped."""
        self._must_read = self._is_stale = True
        self._expires = ANY_TIME

    async def fill(self) -> None:
        """Move new entries into the batch, as far as there is room.

        :raises OutboxError: if the outbox cannot be read; nothing is lost by that
        """
        # Half a batch at a time: to read a few for each message would cost more than sending it.
        if self._must_read and (self._is_stale or len(self.batch) <= self._batch_size // 2):
            await self._read()

        if not self._must_read:
            room = max(0, self._batch_size - len(self.batch))
            arrived, self._incoming = self._incoming[:room], self._incoming[room:]
            for waiting in arrived:
                if waiting.id > self._read_through:
                    self._is_mixed = True
                    if self.admit(waiting):
                        self._insert(waiting)

    async def _read(self) -> None:
        """Fill the batch with what the outbox holds."""
        # What follows the batch, unless something may belong before its end.
        from_start = self._is_stale or self._is_mixed
        after = 0 if from_start else self._read_through
        room = self._batch_size - (0 if from_start else len(self.batch))
        # Cleared first: what is put while this reads comes in again. What came before is in the
        # outbox too.
        self._must_read = self._is_stale = self._is_mixed = False
        self._incoming.clear()
        try:
            entries = await self._storage.read(self._lane, after=after, limit=room + 1)
        except BaseException:
            self.reload()
            raise

        known: dict[int, Waiting[EntryT]] = {}
        if from_start:
            known = {waiting.id: waiting for waiting in self.batch} | self.held
            self.batch.clear()
            self.held.clear()
            self.readmit()

        unreadable = []
        now = anyio.current_time()
        if entries:
            # Less than before if what was put back has taken the place of what was in the batch.
            self._read_through = entries[:room][-1].id

        for found in entries[:room]:
            waiting = known.get(found.id) or self._decode(found, now)
            if waiting is None:
                unreadable.append(found)
            elif self.admit(waiting):
                self.batch.append(waiting)

        if len(entries) > room:
            self._must_read = True

        if unreadable:
            await self._dead_letter(unreadable)

    def _decode(self, found: OutboxEntry, now: float) -> Waiting[EntryT] | None:
        try:
            entry = self._decode_entry(found)
        except ValueError:
            return None

        age = (found.put_time - self._made).total_seconds()
        # The wall clock may have been set meanwhile.
        arrived = LONG_AGO if age < 0 else min(self._made_at + age, now)
        put_at = now - max(0.0, (utc_now() - found.put_time).total_seconds())
        return Waiting(found.id, entry, found.expires, arrived, put_at)

    def _insert(self, waiting: Waiting[EntryT]) -> None:
        if self.batch and waiting.id < self.batch[-1].id:
            # It was held, or two were put at the same time.
            insort(self.batch, waiting, key=lambda item: item.id)
        else:
            self.batch.append(waiting)

    async def _dead_letter(self, entries: list[OutboxEntry]) -> None:
        self.unreadable += len(entries)
        self._logger.error(
            "lane '%s': %d entries in the outbox are unreadable", self._lane, len(entries)
        )
        await self._storage.dead_letter((entry.id for entry in entries), "it cannot be read")

    def remove(self, count: int) -> list[Waiting[EntryT]]:
        """Remove the oldest entries from the batch; the caller updates the outbox."""
        removed = self.batch[:count]
        del self.batch[:count]
        return removed

    def remove_ids(self, ids: Container[int]) -> list[Waiting[EntryT]]:
        """Remove some entries from the batch, or that are held; the caller updates the outbox."""
        removed = [waiting for waiting in self.batch if waiting.id in ids]
        self.batch = [waiting for waiting in self.batch if waiting.id not in ids]
        removed += [self.held.pop(one) for one in [*self.held] if one in ids]
        return removed

    async def expire(self) -> list[ExpiredEntries]:
        """Remove what has expired, here and in the outbox, and return how much of which type.

        :raises OutboxError: if the outbox cannot be read; nothing is lost by that
        """
        now = utc_now()
        if self._expires is None or self._expires > now:
            return []

        expiries: list[ExpiredEntries] = []
        self._expires = None
        # Once the outbox has dropped them, only this lane reports them.
        with anyio.CancelScope(shield=True):
            try:
                expiries += await self._storage.expire(self._lane)
                first = await self._storage.next_expiry(self._lane)
            except BaseException:
                self._expires = ANY_TIME
                raise

            if first is not None:
                self._expires = first if self._expires is None else min(self._expires, first)

        now = utc_now()
        waiting = (*self.batch, *self.held.values())
        self.remove_ids({w.id for w in waiting if w.expires is not None and w.expires <= now})
        return expiries

    def nothing_expires(self) -> None:
        """Record that nothing waits, and that the outbox was asked for what had expired."""
        self._expires = None

    def close(self) -> None:
        """Forget incoming entries, which stay in the outbox."""
        # The next start reads what is put from now on.
        self._must_read = True
        self._incoming.clear()
