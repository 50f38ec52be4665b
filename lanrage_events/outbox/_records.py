from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

UNTIL_RESUMED = datetime.max.replace(tzinfo=UTC)
"""``postponed_until`` of a lane that waits until somebody resumes it"""


def to_microseconds(time: datetime) -> int:
    """Return an aware time as the outbox's file keeps it: microseconds since 1970."""
    if time.tzinfo is None:
        raise ValueError(f"expected a time with a time zone, such as UTC, not {time!r}")

    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the time in UTC that the outbox's file keeps as a number."""
    return _EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """What is put into an outbox."""

    lane: str
    """the name of the lane; entries of one lane are read in the order in which they were put"""
    body: str
    """text that means something to whoever delivers it, such as JSON"""
    label: str = ""
    """what a person sees in lists, such as the event type"""
    expires: datetime | None = None
    """when it is no longer worth delivering, aware; None for never"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """What waits in an outbox to be delivered."""

    id: int
    """unique in its file for ever, and higher than that of every entry put before"""
    lane: str
    body: str
    label: str
    put_time: datetime
    """when it was put, in UTC"""
    expires: datetime | None
    """when it is no longer worth delivering, in UTC; None for never"""
    postponed_until: datetime | None
    """when it may be tried again, in UTC, if it was postponed by itself"""
    attempts: int
    """how often it was postponed by itself"""
    last_error: str
    """why it was postponed last"""
    size: int
    """the bytes of the body in UTF-8, which count towards the outbox's bound"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(OutboxEntry):
    """What could not be delivered for good: kept and shown, and not tried again by itself."""

    failed_time: datetime
    """when it was given up, in UTC"""
    reason: str
    """why, in one line"""
    detail: str
    """what the receiver said exactly, such as the path of the faulty field"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLane:
    """How one lane stands."""

    name: str
    pending: int
    """entries that wait, the postponed ones included"""
    bytes: int
    """the size of their bodies in UTF-8"""
    oldest: datetime | None
    """when the first of them was put, in UTC"""
    dead: int
    """dead letters of this lane"""
    postponed_until: datetime | None
    """when the lane as a whole may be tried again; :data:`UNTIL_RESUMED` if it waits for that"""
    attempts: int
    """how often the lane was postponed since something of it was delivered"""
    last_error: str
    """why it was postponed last"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredEntries:
    """Entries of one lane and label that were removed because their time was over."""

    lane: str
    label: str
    count: int
    oldest: datetime
    """when the first of them was put, in UTC"""
    newest: datetime
    """when the last of them was put, in UTC"""

    def merged(self, other: ExpiredEntries) -> ExpiredEntries:
        """Return both as one."""
        return ExpiredEntries(
            lane=self.lane,
            label=self.label,
            count=self.count + other.count,
            oldest=min(self.oldest, other.oldest),
            newest=max(self.newest, other.newest),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatistics:
    """What an outbox holds as of its last transaction, and what happened since it was opened."""

    pending: int
    """entries that wait, the postponed ones included"""
    bytes: int
    """the size of their bodies in UTF-8"""
    oldest: datetime | None
    """when the first of them was put, in UTC"""
    dead: int
    """dead letters"""
    put: int
    """entries that were put"""
    acknowledged: int
    """entries that were delivered"""
    expired: int
    """entries that were removed because their time was over"""
    dead_lettered: int
    """entries that became dead letters"""
    retried: int
    """dead letters that this process made entries again"""
    dropped: int
    """entries and dead letters that this process removed because somebody said so"""
    forgotten: int
    """dead letters that were removed because there were too many"""
    refused: int
    """entries that were not put because the outbox was full"""
    failed: int
    """entries that were not put because the file could not be written"""
    unwritten: int
    """entries that are done with but still in the file, because it cannot be written"""
