"""The record of a lane: its statistics, its failures by reason, and its history."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

import anyio

from .._client import Outcome, OutcomeKind
from .history import History
from .outage import LONG_AGO
from .state import LaneStatistics

TOO_MANY_REQUESTS = 429
NO_ANSWER = "no_answer"
INTERNAL_ERROR = "fault_of_ours"  # what dashboards know it by
BATCH_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500)
"""upper bounds of the histogram, in events per message"""
SHORTENED_LOGGED_SECONDS = 600.0


def reason_code(outcome: Outcome) -> str:
    """Return a short name of what went wrong, one of a bounded number, such as ``http_503``.

    It has Discord's own code where that is known, such as ``code_50035``.
    """
    if outcome.status is None:
        return NO_ANSWER

    return f"code_{outcome.code}" if outcome.is_known_code else f"http_{outcome.status}"


class LaneRecord:
    """Counts what a lane does."""

    def __init__(self) -> None:
        self.statistics = LaneStatistics()
        self.history = History()
        self.failed: Counter[str] = Counter()
        """events that became dead letters, by :func:`reason_code`"""
        self.failed_requests: Counter[str] = Counter()
        """requests that delivered nothing, by :func:`reason_code`"""
        self.rejected_alerts = 0
        """alerts that became dead letters"""
        self.waiting = 0
        """events that wait, as far as the lane knows"""
        self._sizes = [0] * (len(BATCH_SIZES) + 1)
        self._shortened = 0
        """shortened events that were not logged yet"""
        self._logs_shortened_at = LONG_AGO

    @property
    def batch_sizes(self) -> list[tuple[float, int]]:
        """How many messages had at most as many events as each of :data:`BATCH_SIZES`."""
        bounds = (*map(float, BATCH_SIZES), float("inf"))
        return list(zip(bounds, accumulate(self._sizes), strict=True))

    def arrived(self, count: int) -> None:
        """Count events that wait from now on."""
        self.recount(self.waiting + count)

    def recount(self, waiting: int) -> None:
        """Replace the count of waiting events."""
        waiting = max(0, waiting)
        if waiting != self.waiting:
            self.waiting = waiting
            self.history.waiting(anyio.current_time(), waiting)

    def answered(self, outcome: Outcome) -> None:
        """Count the outcome of a request."""
        if outcome.status == TOO_MANY_REQUESTS:
            self.statistics.rate_limited += 1
            self.history.rate_limited(anyio.current_time())

        if outcome.kind is not OutcomeKind.DELIVERED:
            self.failed_requests[reason_code(outcome)] += 1
            self.statistics.last_error = outcome.reason

    def delivered(self, count: int) -> None:
        """Count a delivered message and its events."""
        self.statistics.messages += 1
        if count:
            self.statistics.sent += count
            self._sizes[bisect_left(BATCH_SIZES, count)] += 1
            self.history.sent(anyio.current_time(), count)
            self.arrived(-count)

    def shortened(self, count: int) -> int:
        """Count events whose text was shortened.

        :return: how many to log now: none if some were logged a short time ago
        """
        self.statistics.shortened += count
        self._shortened += count
        now = anyio.current_time()
        if not count or now < self._logs_shortened_at:
            return 0

        self._logs_shortened_at = now + SHORTENED_LOGGED_SECONDS
        count, self._shortened = self._shortened, 0
        return count

    def dead_lettered(self, count: int, reason: str) -> None:
        """Count events that became dead letters.

        :param reason: one of a bounded number, see :func:`reason_code`
        """
        if count:
            self.statistics.failed += count
            self.failed[reason] += count
            self.history.failed(anyio.current_time(), count)
            self.arrived(-count)

    def expired(self, count: int) -> None:
        """Count events that were too old when their turn came."""
        self.statistics.expired += count
        self.arrived(-count)
