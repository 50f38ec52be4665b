"""An outage: how long it has lasted, and when to retry."""

from __future__ import annotations

import anyio

from ..backoff import Backoff

FIRST_RETRY_SECONDS = 0.1
# So that a lane resumes within moments of an outage of some seconds...
MAX_RETRY_SECONDS = 2.0
# ... and one of hours does not cost a request every other second.
SHORT_OUTAGE_SECONDS = 60.0
MAX_LONG_OUTAGE_RETRY_SECONDS = 30.0
LONG_AGO = float("-inf")
"""a time on the event loop's clock that was before everything"""


class Outage:
    """What a lane knows of the outage that it is in, if any.

    A restart tries once at once.

    Times are those of the event loop's clock, in seconds.
    """

    def __init__(self) -> None:
        self.retry_at: float = LONG_AGO
        """when the next attempt may be made"""
        self._began: float | None = None
        self._reported_at = LONG_AGO
        self._backoff = Backoff(FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS, jitter=0.5)

    @property
    def active(self) -> bool:
        """Whether the last attempt failed."""
        return self._began is not None

    @property
    def lasted(self) -> float:
        """Seconds since the first attempt that failed, 0 if there is no outage."""
        return 0.0 if self._began is None else anyio.current_time() - self._began

    def retry_now(self) -> None:
        """Make the next attempt at once, and further ones soon."""
        self.retry_at = LONG_AGO
        self._backoff.reset()

    def record_failure(self, retry_after: float | None = None, *, soon: bool = False) -> bool:
        """Count an attempt that failed, and plan the next one.

        :param retry_after: seconds that the server asks to wait
        :param soon: whether to retry as in a short outage, however long it has lasted
        :return: whether to log the outage: at its beginning, and once a minute
        """
        now = anyio.current_time()
        if self._began is None:
            self._began = now

        is_short = soon or self.lasted < SHORT_OUTAGE_SECONDS
        self._backoff.longest = MAX_RETRY_SECONDS if is_short else MAX_LONG_OUTAGE_RETRY_SECONDS
        self.retry_at = now + self._backoff.next(retry_after or 0.0)
        if now - self._reported_at < SHORT_OUTAGE_SECONDS:
            return False

        self._reported_at = now
        return True

    def end(self) -> None:
        """Forget the outage."""
        self._began, self._reported_at, self.retry_at = None, LONG_AGO, LONG_AGO
        self._backoff.reset()
