"""An attempt: what is known, in this run, of the requests for a card."""

from __future__ import annotations

from dataclasses import dataclass

from lanrage_events.delivery import LONG_AGO

_LONGEST_WAIT_SECONDS = 30.0


@dataclass(slots=True)
class Attempt:
    """What is known, in this run, of the requests for a card; on the clock of the event loop."""

    sent_at: float = LONG_AGO
    """when the last request left"""
    posted_at: float | None = None
    """when its message was posted, if that was in this run"""
    reposted_at: float | None = None
    """when it was posted again because it was gone, if that was in this run"""
    retry_at: float = LONG_AGO
    """when the next one may leave after one that failed"""
    waits_because: str = ""
    """why the next request is not sent now; empty if nothing keeps it"""
    failures: int = 0
    """how many times in a row it failed"""
    failing_since: float | None = None
    is_old: bool = False
    """whether Discord says that its message is old"""

    def failed(self, now: float) -> None:
        """Count a failure."""
        self.failures += 1
        if self.failing_since is None:
            self.failing_since = now

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures, self.failing_since, self.retry_at = 0, None, LONG_AGO

    def back_off(self, now: float) -> None:
        """Wait longer with each failure, since other requests succeed meanwhile."""
        self.retry_at = now + min(2.0**self.failures, _LONGEST_WAIT_SECONDS)
