"""The calendar of quiet hours: how loud messages are at a time, and when that changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from typing import Any

_QUARTER_MINUTES = 15
"""Clocks are set only when a quarter of an hour begins in UTC, whatever the time zone"""
_QUARTERS_AHEAD = 16 * 96
"""in which each change of a week comes at least once, though a clock that is set forward may skip
one of them"""
_EVER = datetime.max.replace(tzinfo=UTC)


class Loudness(IntEnum):
    """What happens to the messages of a webhook; where several apply, the highest counts."""

    LOUD = 0
    SILENT = 1
    """they arrive without a notification and mention no one"""
    HOLD = 2
    """they wait"""
    DROP = 3
    """what comes meanwhile is not posted; what came before waits"""

    @property
    def word(self) -> Any:
        """What the configuration calls it."""
        return self.name.lower()

    @property
    def holds(self) -> bool:
        """Whether nothing is posted."""
        return self >= Loudness.HOLD


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """Times of the week, as a clock on the wall shows them.

    They apply while the clock shows a time from ``start`` to before ``end``. So they follow daylight
    saving time: what a clock shows twice, they have twice, and what it skips, they do not have.
    """

    start: int
    """in minutes since midnight, up to 1440"""
    end: int
    """the same; if it is before the start, the times last into the next day"""
    days: frozenset[int]
    """on which they begin, from 0 for Monday; the night from Sunday to Monday is Sunday's"""
    zone: tzinfo | None = None
    """of the clock; None for that of this computer"""
    then: Loudness = Loudness.SILENT

    def contain(self, now: datetime) -> bool:
        """Return whether they apply at a time, which is aware."""
        clock = now.astimezone(self.zone)
        minute, day = _minute(clock), clock.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end

        since_yesterday = (day - 1) % 7 in self.days and minute < self.end
        return since_yesterday or (day in self.days and minute >= self.start)


class Calendar:
    """How loud messages are at each time.

    :param times: when they are not loud
    """

    def __init__(self, times: Iterable[QuietTimes] = ()) -> None:
        self._times: Sequence[QuietTimes] = tuple(times)
        self._next: dict[Loudness, tuple[datetime, datetime]] = {}
        """the next changes, with since when each is the next one"""

    def __bool__(self) -> bool:
        return bool(self._times)

    @property
    def zone(self) -> tzinfo | None:
        """The time zone that the first times have."""
        return self._times[0].zone if self._times else None

    def at(self, now: datetime, least: Loudness = Loudness.LOUD) -> Loudness:
        """Return how loud messages are at a time, which is aware.

        :param least: what they are without any times, as a mute says
        """
        found = (times.then for times in self._times if times.then > least and times.contain(now))
        return max(found, default=least)

    def next_change(self, now: datetime, least: Loudness = Loudness.LOUD) -> datetime | None:
        """Return when that changes next, in UTC; None if it never does."""
        begin, until = self._next.get(least, (_EVER, _EVER))
        if not begin <= now < until:
            begin, until = self._next[least] = now, self._find_change(now, least)

        return None if until == _EVER else until

    def _find_change(self, now: datetime, least: Loudness) -> datetime:
        current, times = self.at(now, least), [one for one in self._times if one.then > least]
        quarter = now.astimezone(UTC)
        quarter -= timedelta(minutes=quarter.minute % _QUARTER_MINUTES)
        quarter = quarter.replace(second=0, microsecond=0)
        for _ in range(_QUARTERS_AHEAD if times else 0):
            minutes = {0}
            for one in times:
                clock = _minute(quarter.astimezone(one.zone))
                minutes.update((edge - clock) % 1440 for edge in (one.start, one.end))

            for minute in sorted(minutes):
                when = quarter + timedelta(minutes=minute)
                if minute < _QUARTER_MINUTES and when > now and self.at(when, least) != current:
                    return when

            quarter += timedelta(minutes=_QUARTER_MINUTES)

        return _EVER


def _minute(clock: datetime) -> int:
    return clock.hour * 60 + clock.minute
