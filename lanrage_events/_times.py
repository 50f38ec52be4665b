"""Times: which are valid, and how they are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
"""the first valid time; a day before it still is a time in any time zone"""
LATEST = datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)
"""the last valid time"""
EXPECTED = "a time from 0001-01-02 to 9999-12-30 in UTC was expected"


def in_utc(time: datetime) -> datetime:
    """Return the same moment in UTC; a naive time is taken for UTC.

    :raises ValueError: if it is before 0001-01-02 or after 9999-12-30, such as the zero time of some
        languages: in another time zone there may be no such time
    """
    if time.tzinfo is not UTC:
        try:
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except OverflowError:
            raise ValueError(EXPECTED) from None

    if not EARLIEST <= time <= LATEST:
        raise ValueError(EXPECTED)

    return time


def parse_time(value: object) -> datetime:
    """Return a time in UTC.

    :param value: a time, or a text in ISO 8601, such as ``2026-01-31T20:15:00Z``; without a time
        zone it is taken for UTC
    :raises ValueError: if it is no valid time
    """
    if isinstance(value, datetime):
        return in_utc(value)

    try:
        time = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("a time was expected, such as 2026-01-31T20:15:00Z") from None

    return in_utc(time)


def seconds_later(time: datetime, seconds: float) -> datetime | None:
    """Return the time some seconds after another, None if that is never.

    :param time: if it is not valid, the answer is None, too
    """
    try:
        return in_utc(in_utc(time) + timedelta(seconds=seconds))
    except (ValueError, OverflowError):
        return None
