"""What waits in a lane: in a memory channel while it fits there, and always in the outbox."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from lanrage_events import Outbox, OutboxEntry

from ._entry import Entry

logger = logging.getLogger("lanrage_events.discord")

CHANNEL_SIZE = 1000
"""entries that the memory channel holds; what is beyond is read from the outbox"""
BATCH_SIZE = 1000
"""entries that a batch is made of at most"""
LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
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

    def __init__(self, outbox: Outbox, lane: str) -> None:
        self._outbox = outbox
        self._lane = lane
        self._made = datetime.now(UTC)
        self._made_at = anyio.current_time()
        self._send, self._receive = anyio.create_memory_object_stream[Waiting](CHANNEL_SIZE)
        self.batch: deque[Waiting] = deque()
        """what was taken out of the channel, the oldest first"""
        self._held: set[int] = set()
        """the numbers of what is in the batch"""
        self._must_read = True
        """whether the outbox may hold what is neither in the channel nor in the batch"""
        self._read_through = 0
        """the highest number that was read from the outbox: all below came into the batch then"""

    async def put(self, entry: Entry, expires: datetime | None) -> None:
        """Add an entry; it is safe in the outbox once this returns."""
        label = entry.type
        number = await self._outbox.put(self._lane, entry.to_json(), label=label, expires=expires)
        if not self._must_read:
            try:
                self._send.send_nowait(Waiting(number, entry, expires, anyio.current_time()))
            except anyio.WouldBlock:
                self._must_read = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, as far as is known without looking into the outbox."""
        in_channel = self._receive.statistics().current_buffer_used
        return not self.batch and not in_channel and not self._must_read

    @property
    def is_urgent(self) -> bool:
        """Whether something in the batch is not to be gathered."""
        return any(waiting.entry.presentation.immediate for waiting in self.batch)

    def reread(self) -> None:
        """Look into the outbox again, where somebody may have put something back."""
        self._must_read = True

    async def fill(self) -> None:
        """Move what came meanwhile into the batch, as far as it holds."""
        while len(self.batch) < BATCH_SIZE:
            try:
                waiting = self._receive.receive_nowait()
            except anyio.WouldBlock:
                break

            if waiting.id > self._read_through:
                self._hold(waiting)

        if self._must_read and len(self.batch) < BATCH_SIZE:
            await self._read()

    async def _read(self) -> None:
        # Cleared first: what is put while this reads comes through the channel again.
        self._must_read = False
        wanted = BATCH_SIZE + 1
        entries = await self._outbox.read(self._lane, limit=wanted)
        unreadable = []
        for found in entries[:BATCH_SIZE]:
            self._read_through = max(self._read_through, found.id)
            try:
                entry = Entry.from_json(found.body)
            except ValueError:
                unreadable.append(found)
                continue

            arrived = LONG_AGO if found.put_time < self._made else self._made_at
            self._hold(Waiting(found.id, entry, found.expires, arrived))

        if unreadable:
            await self._give_up(unreadable)

        if len(entries) == wanted:
            self._must_read = True

    def _hold(self, waiting: Waiting) -> None:
        if waiting.id in self._held:
            return

        self._held.add(waiting.id)
        if self.batch and waiting.id < self.batch[-1].id:
            # It was put back, or two were put at the same time.
            ordered = sorted([*self.batch, waiting], key=lambda item: item.id)
            self.batch = deque(ordered)
        else:
            self.batch.append(waiting)

    async def _give_up(self, entries: list[OutboxEntry]) -> None:
        logger.error("lane '%s': %d entries in the outbox are unreadable", self._lane, len(entries))
        await self._outbox.dead_letter((entry.id for entry in entries), "it cannot be read")

    def remove(self, count: int) -> list[Waiting]:
        """Take the oldest entries out of the batch; the caller tells the outbox."""
        removed = [self.batch.popleft() for _ in range(count)]
        self._held.difference_update(waiting.id for waiting in removed)
        return removed

    def take_out(self, ids: Container[int]) -> list[Waiting]:
        """Take some entries out of the batch; the caller tells the outbox."""
        taken = [waiting for waiting in self.batch if waiting.id in ids]
        self.batch = deque(waiting for waiting in self.batch if waiting.id not in ids)
        self._held.difference_update(waiting.id for waiting in taken)
        return taken

    def remove_expired(self, now: datetime) -> None:
        """Take what has expired out of the batch."""
        expired = {w.id for w in self.batch if w.expires is not None and w.expires <= now}
        if expired:
            self.take_out(expired)

    def close(self) -> None:
        """Close the memory channel; what waits stays in the outbox."""
        self._send.close()
        self._receive.close()
