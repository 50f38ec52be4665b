"""The records of an outbox: what is put into it, and what it returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

UNTIL_RESUMED = datetime.max.replace(tzinfo=UTC)
"""``postponed_until`` of a lane that waits until it is resumed"""


def to_microseconds(time: datetime) -> int:
    """Return an aware time as it is stored in the outbox's file: microseconds since 1970."""
    if time.tzinfo is None:
        raise ValueError(f"expected a time with a time zone, such as UTC, not {time!r}")

    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the time in UTC that is stored as a number in the outbox's file."""
    return _EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An entry to put into an outbox."""

    lane: str
    """the name of the lane; entries of one lane are read in the order in which they were put"""
    body: str
    """what to deliver, as text, such as JSON"""
    label: str = ""
    """what lists show, such as the event type"""
    expires: datetime | None = None
    """when it is no longer worth delivering, aware; None for never"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An entry that waits in an outbox to be delivered."""

    id: int
    """never used again in its file, and higher than that of every entry put before"""
    lane: str
    body: str
    label: str
    put_time: datetime
    """when it was put, in UTC"""
    expires: datetime | None
    """when it is no longer worth delivering, in UTC; None for never"""
    postponed_until: datetime | None
    """when it may be retried, in UTC, if the entry was postponed and not only its lane"""
    attempts: int
    """how often the entry was postponed, without its lane"""
    last_error: str
    """why it was postponed last"""
    size: int
    """the bytes of the body in UTF-8, which count towards the outbox's limit"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(OutboxEntry):
    """An entry that was rejected for good: kept, shown, and retried only on request."""

    failed_time: datetime
    """when it became a dead letter, in UTC"""
    reason: str
    """why, in one line"""
    detail: str
    """the exact answer of the receiver, such as the path of the wrong field"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLane:
    """The state of one lane."""

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
    """when the whole lane may be retried; :data:`UNTIL_RESUMED` if it waits until it is resumed"""
    attempts: int
    """how often the lane was postponed since its last delivery"""
    last_error: str
    """why it was postponed last"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredEntries:
    """Entries of one lane and label that were removed because they expired."""

    lane: str
    label: str
    count: int
    oldest: datetime
    """when the first of them was put, in UTC"""
    newest: datetime
    """when the last of them was put, in UTC"""


def merge_expired(expired: Iterable[ExpiredEntries]) -> list[ExpiredEntries]:
    """Return one for each lane and label."""
    merged: dict[tuple[str, str], ExpiredEntries] = {}
    for new in expired:
        known = merged.get((new.lane, new.label), new)
        merged[new.lane, new.label] = ExpiredEntries(
            lane=new.lane,
            label=new.label,
            count=new.count + (0 if known is new else known.count),
            oldest=min(known.oldest, new.oldest),
            newest=max(known.newest, new.newest),
        )

    return list(merged.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatistics:
    """What an outbox holds as of its last transaction, and counts since it was opened."""

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
    """entries that were removed because they expired"""
    dead_lettered: int
    """entries that became dead letters"""
    retried: int
    """dead letters that this process turned into entries again"""
    dropped: int
    """entries and dead letters that this process removed on request"""
    forgotten: int
    """dead letters that were removed because there were too many"""
    rejected: int
    """entries that were not put because the outbox was full"""
    failed: int
    """entries that were not put because the file could not be written"""
    unwritten: int
    """entries that are done but still in the file, because it cannot be written"""
