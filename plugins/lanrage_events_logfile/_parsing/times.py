"""When lines were written: dates for lines that have only a clock, and the zone of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lanrage_events.events import in_utc

from .._config import has_date

TIME_GROUP = "time"
CLOCK_GROUP = "clock"
_DAY = timedelta(days=1)
# Every time zone is a multiple of it away from UTC.
_ZONE_STEP = timedelta(minutes=15)
_ZONE_MAX = timedelta(hours=26)
# How long a server may keep a line before it is in the file.
_WRITTEN_WITHIN = timedelta(seconds=5)
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_CLOCK_MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says about when its lines were written."""

    name: str
    """the name of the file, which may have a date: ``2026-11-30-1.log.gz``"""
    modified: datetime
    """when it was last written to"""
    last_lines: Sequence[str] = ()
    """its last lines, the newest last, where they can be known"""


class LineTimes:
    """Find the time of a line.

    A server in a container may be in another time zone than this machine. Its newest line shows how
    far apart they are: it was written when the file was.

    :param time_format: the format of the group ``time``, None if there is none
    """

    def __init__(self, time_format: str | None) -> None:
        self._format = time_format
        self._has_date = time_format is not None and has_date(time_format)
        self._latest: datetime | None = None
        self._shift = timedelta(0)

    def look_at(self, written: Written, prefixes: Sequence[re.Match[str]]) -> None:
        """Take the dates of a file for the lines that come next.

        :param prefixes: the prefixes of its last lines, the newest last
        """
        self._latest = _local(written.modified)
        self._shift = timedelta(0)
        newest = [found for found in map(self._read, prefixes) if found is not None]
        if newest:
            apart = self._latest - newest[-1]
            zone = round(apart / _ZONE_STEP) * _ZONE_STEP
            if abs(apart - zone) <= _WRITTEN_WITHIN and abs(zone) <= _ZONE_MAX:
                self._shift = zone
                return

        named = _DATE.search(written.name)
        if named is not None:
            try:
                day = date(*map(int, named.groups()))
                self._latest = datetime.combine(day, time.max)
            except ValueError:
                return

    def of(self, prefix: re.Match[str]) -> datetime | None:
        """Return the time of a line in UTC, None if nothing says it."""
        found = self._read(prefix)
        try:
            return None if found is None else in_utc((found + self._shift).astimezone(UTC))
        except (ValueError, OverflowError, OSError):
            return None

    def _read(self, prefix: re.Match[str]) -> datetime | None:
        """Return the time of a line by the server's clock."""
        groups = prefix.groupdict()
        seconds = seconds_of(groups.get(CLOCK_GROUP))
        text = groups.get(TIME_GROUP)
        if text is not None and self._format is not None:
            found = _parse(text, self._format)
            if found is not None and self._has_date:
                return found

            if found is not None:
                seconds = 3600 * found.hour + 60 * found.minute + found.second

        if seconds is None or self._latest is None:
            return None

        # Without a date, it is the last such time of day before the file was last written to.
        latest = self._latest - self._shift
        found = datetime.combine(latest.date(), time.min) + timedelta(seconds=seconds)
        return found if found <= latest + _WRITTEN_WITHIN else found - _DAY


def seconds_of(clock: str | None) -> int | None:
    """Return a time of day in seconds, None if it is none."""
    parts = (clock or "").split(":")
    if len(parts) != 3 or not all(
        part.isdecimal() and len(part) <= _CLOCK_MAX_DIGITS for part in parts
    ):
        return None

    hours, minutes, seconds = map(int, parts)
    return 3600 * hours + 60 * minutes + seconds


def _parse(text: str, time_format: str) -> datetime | None:
    try:
        return _local(datetime.strptime(text, time_format))
    except (ValueError, OverflowError, OSError):
        pass

    try:
        return _local(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        return None


def _local(moment: datetime) -> datetime:
    """Return a time in the zone of this machine, where the server likely runs, without the zone."""
    return moment if moment.tzinfo is None else moment.astimezone().replace(tzinfo=None)
