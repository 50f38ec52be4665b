"""The record of a lane: what every lane counts, and what only Discord's do."""

from __future__ import annotations

import anyio

from lanrage_events import delivery
from lanrage_events.delivery import LONG_AGO

from .._client import Outcome, OutcomeKind
from .._settling import Counts
from .state import LaneStatistics

TOO_MANY_REQUESTS = 429
NO_ANSWER = "no_answer"
SHORTENED_LOGGED_SECONDS = 600.0


def reason_code(outcome: Outcome) -> str:
    """Return a short name of what went wrong, one of a bounded number, such as ``http_503``.

    It has Discord's own code where that is known, such as ``code_50035``.
    """
    if outcome.status is None:
        return NO_ANSWER

    return f"code_{outcome.code}" if outcome.is_known_code else f"http_{outcome.status}"


class LaneRecord(delivery.LaneRecord[LaneStatistics]):
    """Counts what a lane does."""

    def __init__(self) -> None:
        super().__init__(LaneStatistics())
        self.rejected_alerts = 0
        """alerts that became dead letters"""
        self._shortened = 0
        """shortened events that were not logged yet"""
        self._logs_shortened_at = LONG_AGO

    def answered(self, outcome: Outcome) -> None:
        """Count the outcome of a request."""
        if outcome.status == TOO_MANY_REQUESTS:
            self.statistics.rate_limited += 1
            self.history.rate_limited(anyio.current_time())

        if outcome.kind is not OutcomeKind.DELIVERED:
            self.request_failed(reason_code(outcome), outcome.reason)

    def reconnects(self, counts: Counts) -> None:
        """Count reconnects."""
        self.statistics.reconnects += counts.total
        self.statistics.reconnects_uncounted += counts.unreported

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
