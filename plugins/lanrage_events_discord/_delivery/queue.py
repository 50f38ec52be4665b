"""What waits in a lane: in memory while it fits there, and always in the outbox."""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from lanrage_events.outbox import ExpiredEntries, Outbox, OutboxEntry

from .._rendering import Entry
from .outage import LONG_AGO

logger = logging.getLogger("lanrage_events.discord")

INCOMING_SIZE = 1000
"""entries that wait in memory to come into the batch; what is beyond is read from the outbox"""
BATCH_SIZE = 1000
"""entries that a batch is made of at most"""


# Not frozen, which would take three times as long: one is made of each event.
@dataclass(slots=True)
class Waiting:
    """An entry that waits in a lane."""

    id: int
    """its number in the outbox"""
    entry: Entry
    expires: datetime | None
    arrived: float
    """when it came into the lane, on the clock of the event loop; long ago if that was before this
    process"""


class LaneQueue:
    """The entries of one lane, in order.

    :param outbox: keeps them until they are taken out with :meth:`remove`
    :param lane: its name there
    """

    __slots__ = (
        "_incoming",
        "_is_stale",
        "_lane",
        "_made",
        "_made_at",
        "_may_expire",
        "_must_read",
        "_outbox",
        "_read_through",
        "batch",
    )

    def __init__(self, outbox: Outbox, lane: str) -> None:
        self._outbox = outbox
        self._lane = lane
        self._made = datetime.now(UTC)
        self._made_at = anyio.current_time()
        self._incoming: list[Waiting] = []
        """what was put since the batch was filled, the oldest first"""
        self.batch: list[Waiting] = []
        """what is next, the oldest first"""
        self._must_read = True
        """whether the outbox may hold what is neither in the batch nor incoming"""
        self._is_stale = False
        """whether the outbox may lack what is in the batch, or hold what belongs before it"""
        self._may_expire = True
        """whether something that the outbox holds may have an age at which it is not told"""
        self._read_through = 0
        """the highest number that was read from the outbox: all below came into the batch then"""

    def append(self, number: int, entry: Entry, expires: datetime | None) -> None:
        """Add an entry that was put into the outbox.

        :param number: its number there
        """
        if expires is not None:
            self._may_expire = True

        if len(self._incoming) >= INCOMING_SIZE:
            self._must_read = True

        if not self._must_read:
            self._incoming.append(Waiting(number, entry, expires, anyio.current_time()))

    def mark_empty(self) -> None:
        """Take note, before anything is put, that the outbox was seen to hold nothing."""
        # Unless somebody has put something back since it was seen.
        if not (self._is_stale or self.batch):
            self._must_read = False

    def invalidate(self) -> None:
        """Take note that the outbox may hold what was not taken, since its put was cancelled."""
        self._must_read = self._may_expire = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, as far as is known without looking into the outbox."""
        return not (self.batch or self._must_read or self._incoming)

    @property
    def first_id(self) -> int | None:
        """The number of the oldest entry in the batch, None if it is empty."""
        return self.batch[0].id if self.batch else None

    @property
    def is_urgent(self) -> bool:
        """Whether something in the batch is not to be gathered."""
        return any(waiting.entry.presentation.immediate for waiting in self.batch)

    def reload(self) -> None:
        """Look into the outbox again, where somebody may have put something back or dropped it."""
        self._must_read = self._is_stale = self._may_expire = True

    async def fill(self) -> None:
        """Move what came meanwhile into the batch, as far as it holds.

        :raises OutboxError: if the outbox cannot be read; nothing is forgotten by that
        """
        if self._must_read and (len(self.batch) < BATCH_SIZE or self._is_stale):
            await self._read()

        if not self._must_read:
            room = max(0, BATCH_SIZE - len(self.batch))
            arrived, self._incoming = self._incoming[:room], self._incoming[room:]
            for waiting in arrived:
                if waiting.id > self._read_through:
                    self._hold(waiting)

    async def _read(self) -> None:
        """Replace the batch by what the outbox holds."""
        # Cleared first: what is put while this reads comes in again. What came in already is in
        # the outbox too.
        self._must_read = self._is_stale = False
        self._incoming.clear()

        wanted = BATCH_SIZE + 1
        try:
            entries = await self._outbox.read(self._lane, limit=wanted)
        except BaseException:
            self.reload()
            raise

        held = {waiting.id: waiting for waiting in self.batch}
        self.batch.clear()
        unreadable = []
        for found in entries[:BATCH_SIZE]:
            self._read_through = max(self._read_through, found.id)
            waiting = held.get(found.id) or self._decode(found)
            if waiting is None:
                unreadable.append(found)
            else:
                self.batch.append(waiting)

        if len(entries) == wanted:
            self._must_read = True

        if unreadable:
            await self._give_up(unreadable)

    def _decode(self, found: OutboxEntry) -> Waiting | None:
        try:
            entry = Entry.from_json(found.body)
        except ValueError:
            return None

        age = (found.put_time - self._made).total_seconds()
        # The wall clock may have been set meanwhile.
        arrived = LONG_AGO if age < 0 else min(self._made_at + age, anyio.current_time())
        return Waiting(found.id, entry, found.expires, arrived)

    def _hold(self, waiting: Waiting) -> None:
        if self.batch and waiting.id < self.batch[-1].id:
            # Two were put at the same time.
            self.batch = sorted([*self.batch, waiting], key=lambda item: item.id)
        else:
            self.batch.append(waiting)

    async def _give_up(self, entries: list[OutboxEntry]) -> None:
        logger.error("lane '%s': %d entries in the outbox are unreadable", self._lane, len(entries))
        await self._outbox.dead_letter((entry.id for entry in entries), "it cannot be read")

    def remove(self, count: int) -> list[Waiting]:
        """Take the oldest entries out of the batch; the caller tells the outbox."""
        taken = self.batch[:count]
        del self.batch[:count]
        return taken

    def take_out(self, ids: Container[int]) -> list[Waiting]:
        """Take some entries out of the batch; the caller tells the outbox."""
        taken = [waiting for waiting in self.batch if waiting.id in ids]
        self.batch = [waiting for waiting in self.batch if waiting.id not in ids]
        return taken

    async def expire(self) -> list[ExpiredEntries]:
        """Take out what has expired, here and in the outbox, and return how much of what it was.

        :raises OutboxError: if the outbox cannot be read; nothing is forgotten by that
        """
        if not self._may_expire:
            return []

        expiries: list[ExpiredEntries] = []
        # Once they are gone from the outbox, nobody else will tell of them.
        with anyio.CancelScope(shield=True):
            expiries += await self._outbox.expire(self._lane)

        now = datetime.now(UTC)
        expired = {w.id for w in self.batch if w.expires is not None and w.expires <= now}
        if expired:
            self.take_out(expired)

        return expiries

    def nothing_expires(self) -> None:
        """Take note that nothing waits, and what had expired was asked for."""
        self._may_expire = False

    def close(self) -> None:
        """Forget what is incoming; what waits stays in the outbox."""
        # What is put from now on is read by the next start.
        self._must_read = True
        self._incoming.clear()
