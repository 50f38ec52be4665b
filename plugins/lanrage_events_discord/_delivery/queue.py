"""The queue of a lane, of rendered entries."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace

import anyio

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
    :param must_be_quiet: whether only what is important may be posted now; the rest is left to the
        outbox and read again when that is over
    :param incoming_size: entries that wait in memory for the batch; more are read from the outbox
    :param batch_size: entries that a batch has at most
    """

    def __init__(
        self,
        outbox: Outbox,
        lane: str,
        config: BatchConfig | None = None,
        posted: Posted | None = None,
        must_be_quiet: Callable[[], bool] = lambda: False,
        *,
        incoming_size: int = 1000,
        batch_size: int = 1000,
    ) -> None:
        self.settling = Settling(config or BatchConfig(), posted or Posted(), lane)
        self._must_be_quiet = must_be_quiet
        self.is_quiet = False
        """whether only what is important may be posted"""
        self.has_passed = False
        """whether something is left to the outbox because it is quiet"""
        self.old_before = anyio.current_time()
        """entries that arrived before this are backlog"""
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
        if self.is_quiet is not self._must_be_quiet():
            self._follow_quiet()

        self.settling.look_at_clocks()
        await super().fill()

    @property
    def has_changed(self) -> bool:
        """Whether :meth:`fill` may find something, or be quiet where it was not."""
        return self.has_more or self.is_quiet is not self._must_be_quiet()

    def _follow_quiet(self) -> None:
        """Let everything be admitted again, since quiet hours or a mute have begun or ended."""
        self.is_quiet = not self.is_quiet
        was_held = bool(self.held) or self.has_passed
        if was_held and not self.is_quiet:
            self.make_old()

        if was_held or not self.is_empty:
            self.reload()

    def make_old(self) -> None:
        """Present what has arrived until now as backlog."""
        self.old_before = anyio.current_time()

    def finish(self, *, hold: bool, quiet: bool) -> None:
        """Hold nothing from now on, or not be quiet.

        :param hold: whether what must last is held
        :param quiet: whether it may be quiet
        """
        if not hold:
            self.settling.stop_holding()

        if not quiet:
            self._must_be_quiet = lambda: False

    def admit(self, waiting: Waiting[Entry]) -> bool:
        """Return whether an entry goes into the batch, or is held, cancelled or passed over."""
        fate = self.settling.admit(waiting)
        if fate is Fate.CANCELLED:
            return False

        if self.is_quiet and not waiting.entry.is_important:
            self.has_passed = True
            self.settling.leave_out([waiting])
            return False

        if fate is Fate.HELD:
            self.hold(waiting)

        return fate is Fate.GOES

    def readmit(self) -> None:
        """Forget what was admitted, since everything comes again."""
        self.has_passed = False
        self.settling.readmit()

    def settle(self) -> set[int]:
        """Release what lasts, remove what came to nothing, and return the numbers of that."""
        self.release(self.settling.release())
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
