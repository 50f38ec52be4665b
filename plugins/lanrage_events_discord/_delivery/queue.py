"""The queue of a lane, of rendered entries."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace

from lanrage_events import delivery
from lanrage_events.delivery import Waiting
from lanrage_events.outbox import ExpiredEntries, Outbox, OutboxEntry

from .._config import BatchConfig
from .._rendering import Entry
from .._settling import Fate, Posted, Settling

logger = logging.getLogger("lanrage_events.discord")


def _decode(found: OutboxEntry) -> Entry:
    return Entry.from_json(found.body)


class LaneQueue(delivery.LaneQueue[Entry]):
    """The entries of one lane, in order.

    :param outbox: keeps them until the caller acknowledges them
    :param lane: its name there
    :param config: says which entries wait until they last
    :param posted: what was posted
    :param may_go: whether an entry may be posted now; what may not is left to the outbox, from which
        :meth:`reload` reads it again
    :param incoming_size: entries that wait in memory for the batch; more are read from the outbox
    :param batch_size: entries that a batch has at most
    """

    def __init__(
        self,
        outbox: Outbox,
        lane: str,
        config: BatchConfig | None = None,
        posted: Posted | None = None,
        may_go: Callable[[Entry], bool] = lambda entry: True,
        *,
        incoming_size: int = 1000,
        batch_size: int = 1000,
    ) -> None:
        self.settling = Settling(config or BatchConfig(), posted or Posted(), lane, may_go)
        self._expired_held: Counter[str] | None = None
        """by type, what expired while it was held; None for nothing"""
        super().__init__(
            outbox,
            lane,
            _decode,
            logger=logger,
            incoming_size=incoming_size,
            batch_size=batch_size,
        )

    async def fill(self) -> None:
        """Move new entries into the batch, as far as there is room."""
        self.settling.look_at_clocks()
        await super().fill()

    def admit(self, waiting: Waiting[Entry]) -> bool:
        """Return whether an entry goes into the batch, or is held or cancelled."""
        fate = self.settling.admit(waiting)
        if fate is Fate.HELD:
            self.hold(waiting)

        return fate is Fate.GOES

    def readmit(self) -> None:
        """Forget what was admitted, since everything comes again."""
        self.settling.readmit()

    def settle(self) -> set[int]:
        """Release what lasts, remove what came to nothing, and return the numbers of that."""
        self.release([*self.settling.release()])
        cancelled = self.settling.take_cancelled()
        if cancelled:
            super().remove_ids(cancelled)

        return cancelled

    def remove(self, count: int) -> list[Waiting[Entry]]:
        """Remove the oldest entries from the batch; the caller updates the outbox."""
        removed = super().remove(count)
        self.settling.removed(removed)
        return removed

    def remove_ids(self, ids: Container[int]) -> list[Waiting[Entry]]:
        """Remove some entries; the caller updates the outbox."""
        removed = super().remove_ids(ids)
        self.settling.removed(removed)
        return removed

    async def expire(self) -> list[ExpiredEntries]:
        """Remove what has expired, here and in the outbox, and return how much of which type."""
        held = {**self.held}
        found = await super().expire()
        if held:
            gone = held.keys() - self.held.keys()
            self._expired_held = self._expired_held or Counter()
            self._expired_held.update(held[one].entry.type for one in gone)

        return found

    def without_held(self, expired: ExpiredEntries) -> ExpiredEntries:
        """Return what expired without what was held, which would not be posted yet."""
        if not self._expired_held:
            return expired

        held = min(expired.count, self._expired_held.pop(expired.label, 0))
        return replace(expired, count=expired.count - held)

    @property
    def first_arrival(self) -> float | None:
        """When the oldest event in the batch came into the lane, None if there is none but alerts."""
        return next((item.arrived for item in self.batch if not item.entry.is_alert), None)

    @property
    def is_urgent(self) -> bool:
        """Whether something in the batch must be sent without gathering."""
        return any(waiting.entry.presentation.immediate for waiting in self.batch)
