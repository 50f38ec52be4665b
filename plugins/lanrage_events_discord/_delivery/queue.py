"""The queue of a lane, of rendered entries."""

from __future__ import annotations

import logging

from lanrage_events import delivery
from lanrage_events.outbox import Outbox, OutboxEntry

from .._rendering import Entry

logger = logging.getLogger("lanrage_events.discord")


def _decode(found: OutboxEntry) -> Entry:
    return Entry.from_json(found.body)


class LaneQueue(delivery.LaneQueue[Entry]):
    """The entries of one lane, in order.

    :param outbox: keeps them until the caller acknowledges them
    :param lane: its name there
    :param incoming_size: entries that wait in memory for the batch; more are read from the outbox
    :param batch_size: entries that a batch has at most
    """

    def __init__(
        self, outbox: Outbox, lane: str, *, incoming_size: int = 1000, batch_size: int = 1000
    ) -> None:
        super().__init__(
            outbox,
            lane,
            _decode,
            logger=logger,
            incoming_size=incoming_size,
            batch_size=batch_size,
        )

    @property
    def first_arrival(self) -> float | None:
        """When the oldest event in the batch came into the lane, None if there is none but alerts."""
        return next((item.arrived for item in self.batch if not item.entry.is_alert), None)

    @property
    def is_urgent(self) -> bool:
        """Whether something in the batch must be sent without gathering."""
        return any(waiting.entry.presentation.immediate for waiting in self.batch)
