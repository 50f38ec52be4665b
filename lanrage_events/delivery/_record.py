"""The record of a lane: its statistics, its failures by reason, and its history."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

import anyio

from ._history import History

BATCH_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500)
"""upper bounds of the histogram, in entries per message"""


@dataclass(slots=True)
class LaneStatistics:
    """What a lane has done since it was made."""

    sent: int = 0
    """entries that the receiver accepted"""
    messages: int = 0
    """requests that the receiver accepted"""
    requests: int = 0
    failed: int = 0
    """entries that became dead letters"""
    expired: int = 0
    """entries that were too old when their turn came"""
    cancelled: int = 0
    """entries that were done without being sent"""
    last_error: str = ""
    """what went wrong last, without secrets"""


StatisticsT_co = TypeVar("StatisticsT_co", bound=LaneStatistics, covariant=True)


class LaneRecord(Generic[StatisticsT_co]):
    """Counts what a lane does.

    :param statistics: where
    """

    def __init__(self, statistics: StatisticsT_co) -> None:
        self.statistics = statistics
        self.history: History = History()
        self.failed: Counter[str] = Counter()
        """entries that became dead letters, by a short reason"""
        self.failed_requests: Counter[str] = Counter()
        """requests that delivered nothing, by a short reason"""
        self.waiting: int = 0
        """entries that wait, as far as the lane knows"""
        self._sizes = [0] * (len(BATCH_SIZES) + 1)

    @property
    def batch_sizes(self) -> list[tuple[float, int]]:
        """How many messages had at most as many entries as each of :data:`BATCH_SIZES`."""
        bounds = (*map(float, BATCH_SIZES), float("inf"))
        return list(zip(bounds, accumulate(self._sizes), strict=True))

    def arrived(self, count: int) -> None:
        """Count entries that wait from now on."""
        self.recount(self.waiting + count)

    def recount(self, waiting: int) -> None:
        """Replace the count of waiting entries."""
        waiting = max(0, waiting)
        if waiting != self.waiting:
            self.waiting = waiting
            self.history.waiting(anyio.current_time(), waiting)

    def request_failed(self, reason: str, text: str) -> None:
        """Count a request that delivered nothing.

        :param reason: one of a bounded number, such as ``http_503``
        :param text: one line to show
        """
        self.failed_requests[reason] += 1
        self.statistics.last_error = text

    def delivered(self, count: int) -> None:
        """Count a delivered message and its entries."""
        self.statistics.messages += 1
        if count:
            self.statistics.sent += count
            self._sizes[bisect_left(BATCH_SIZES, count)] += 1
            self.history.sent(anyio.current_time(), count)
            self.arrived(-count)

    def dead_lettered(self, count: int, reason: str) -> None:
        """Count entries that became dead letters.

        :param reason: one of a bounded number, such as ``http_400``
        """
        if count:
            self.statistics.failed += count
            self.failed[reason] += count
            self.history.failed(anyio.current_time(), count)
            self.arrived(-count)

    def expired(self, count: int) -> None:
        """Count entries that were too old when their turn came."""
        self.statistics.expired += count
        self.arrived(-count)

    def cancelled(self, count: int) -> None:
        """Count entries that were done without being sent."""
        self.statistics.cancelled += count
        self.arrived(-count)
