"""Times: which are valid, how they are read, and checks of seconds."""

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


def check_seconds(
    name: str,
    seconds: object,
    *,
    may_be_none: bool = False,
    may_be_zero: bool = False,
    may_be_infinite: bool = True,
) -> None:
    """Check a number of seconds that a parameter was given.

    :raises TypeError: if it is no number
    :raises ValueError: if it is too small or too large
    """
    if seconds is None and may_be_none:
        return

    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        or_none = " or None" if may_be_none else ""
        raise TypeError(f"{name} must be a number of seconds{or_none}, not {seconds!r}")

    if not (seconds > 0 or (may_be_zero and seconds == 0)):
        least = "at least 0" if may_be_zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {seconds}")

    if seconds == float("inf") and not may_be_infinite:
        raise ValueError(f"{name} must be a finite number of seconds, not {seconds}")
