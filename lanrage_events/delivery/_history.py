"""The history of a lane: what happened in the last minutes, kept without a timer."""

from __future__ import annotations

from dataclasses import dataclass, replace

SECONDS_PER_BUCKET = 5.0
BUCKETS = 60


@dataclass(slots=True)
class Bucket:
    """What happened within some seconds."""

    start: float
    """when it began, on the clock of the history's callers"""
    sent: int = 0
    """entries that were delivered"""
    failed: int = 0
    """entries that became dead letters"""
    rate_limited: int = 0
    """answers that asked to wait"""
    waited: float = 0.0
    """seconds in which limits kept the lane from sending"""
    waiting: int = 0
    """the most entries that waited at the same time"""
    left: int = 0
    """how many waited at its end"""


class History:
    """Counts what happens in buckets of some seconds, and forgets what is older than some minutes.

    Times are seconds of a clock that does not go back. Buckets in which nothing happens cost
    nothing: they are made on request.
    """

    seconds_per_bucket = SECONDS_PER_BUCKET
    count = BUCKETS
    """how many buckets are kept"""

    def __init__(self) -> None:
        self._counts: dict[int, Bucket] = {}
        self._waited: dict[int, float] = {}
        self._level = 0
        """how many entries wait"""
        self._level_before = 0
        """how many waited before the oldest bucket that is kept"""
        self._waits_since: float | None = None

    def sent(self, now: float, count: int) -> None:
        """Count delivered entries."""
        self._at(now).sent += count

    def failed(self, now: float, count: int) -> None:
        """Count entries that became dead letters."""
        self._at(now).failed += count

    def rate_limited(self, now: float) -> None:
        """Count an answer that asks to wait."""
        self._at(now).rate_limited += 1

    def waiting(self, now: float, count: int) -> None:
        """Record how many entries wait now."""
        counts = self._at(now)
        self._level = counts.left = count
        counts.waiting = max(counts.waiting, count)

    def wait_begins(self, now: float) -> None:
        """Record that limits keep the lane from sending, if they did not already."""
        if self._waits_since is None:
            self._waits_since = now

    def wait_ends(self, now: float) -> None:
        """Record that they no longer do."""
        since, self._waits_since = self._waits_since, None
        if since is not None and now > since:
            _add_wait(self._waited, since, now)
            oldest = _number(now) - BUCKETS + 1
            for number in [number for number in self._waited if number < oldest]:
                del self._waited[number]

    def buckets(self, now: float) -> list[Bucket]:
        """Return the buckets of the last minutes, the oldest first; the last one is not over."""
        self._forget(now)
        waited = dict(self._waited)
        if self._waits_since is not None:
            _add_wait(waited, self._waits_since, now)

        level = self._level_before
        found: list[Bucket] = []
        last = _number(now)
        for number in range(last - BUCKETS + 1, last + 1):
            counts = self._counts.get(number) or _bucket(number, level)
            level = counts.left
            found.append(replace(counts, waited=waited.get(number, 0.0)))

        return found

    def _at(self, now: float) -> Bucket:
        counts = self._counts.get(_number(now))
        if counts is None:
            self._forget(now)
            counts = _bucket(_number(now), self._level)
            self._counts[_number(now)] = counts

        return counts

    def _forget(self, now: float) -> None:
        oldest = _number(now) - BUCKETS + 1
        # They stand in the order of their time.
        for number in [number for number in self._counts if number < oldest]:
            self._level_before = self._counts.pop(number).left


def _bucket(number: int, level: int) -> Bucket:
    return Bucket(start=number * SECONDS_PER_BUCKET, waiting=level, left=level)


def _number(time: float) -> int:
    return int(time // SECONDS_PER_BUCKET)


def _add_wait(waited: dict[int, float], since: float, now: float) -> None:
    """Divide a wait among the buckets that it lasted through, as far as they are kept."""
    last = _number(now)
    for number in range(max(_number(since), last - BUCKETS + 1), last + 1):
        begin = max(since, number * SECONDS_PER_BUCKET)
        end = min(now, (number + 1) * SECONDS_PER_BUCKET)
        if end > begin:
            waited[number] = waited.get(number, 0.0) + end - begin
