"""The calendar of quiet hours: how loud messages are at a time, and when that changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import IntEnum
from typing import Any

_DAYS_AHEAD = 16
"""in which each change of a week comes at least once, though a clock that is set forward may skip
one of them"""
_SECOND = timedelta(seconds=1)


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
    """in minutes since midnight"""
    end: int
    """the same, up to 1440; if it is before the start, the times last into the next day"""
    days: frozenset[int]
    """on which they begin, from 0 for Monday; the night from Sunday to Monday is Sunday's"""
    zone: tzinfo | None = None
    """of the clock; None for that of this computer"""
    then: Loudness = Loudness.SILENT

    def contain(self, now: datetime) -> bool:
        """Return whether they apply at a time, which is aware."""
        clock = now.astimezone(self.zone)
        minute, day = clock.hour * 60 + clock.minute, clock.weekday()
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
        self._next: tuple[datetime, datetime] | None = None
        """the next change, and since when it is the next one"""

    def __bool__(self) -> bool:
        return bool(self._times)

    @property
    def zone(self) -> tzinfo | None:
        """The time zone that the first times have."""
        return self._times[0].zone if self._times else None

    def at(self, now: datetime) -> Loudness:
        """Return how loud messages are at a time, which is aware."""
        found = (times.then for times in self._times if times.contain(now))
        return max(found, default=Loudness.LOUD)

    def next_change(self, now: datetime) -> datetime | None:
        """Return when that changes next, in UTC; None if it never does."""
        if self._next is not None and self._next[0] <= now < self._next[1]:
            return self._next[1]

        current = self.at(now)
        found = next((when for when in self._boundaries(now) if self.at(when) != current), None)
        self._next = None if found is None else (now, found)
        return found

    def _boundaries(self, now: datetime) -> list[datetime]:
        """Return the times to come at which a change is possible, the next one first."""
        found: set[datetime] = set()
        for zone in {times.zone for times in self._times}:
            minutes = {
                minute
                for times in self._times
                if times.zone is zone
                for minute in (times.start, times.end)
            }
            found.update(_clock_times(now.astimezone(zone).date(), minutes, zone))
            found.update(_clock_changes(now, zone))

        return sorted(when for when in found if when > now)


def _clock_times(today: date, minutes: Collection[int], zone: tzinfo | None) -> Iterator[datetime]:
    """Yield when a clock shows one of these minutes, all of the times if it does so repeatedly."""
    for days in range(-1, _DAYS_AHEAD):
        midnight = datetime.combine(today + timedelta(days=days), time())
        for minute in minutes:
            shown = midnight + timedelta(minutes=minute)
            for fold in (0, 1):
                # In the time of this computer, if it has no zone.
                yield shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _clock_changes(now: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """Yield when a clock is set forward or back."""
    begin = now.astimezone(UTC)
    for _ in range(_DAYS_AHEAD):
        end = begin + timedelta(days=1)
        if _offset(begin, zone) != (new := _offset(end, zone)):
            before, after = begin, end
            while after - before > _SECOND:
                middle = before + (after - before) / 2
                if _offset(middle, zone) == new:
                    after = middle
                else:
                    before = middle

            # Clocks are set at full seconds.
            yield after.replace(microsecond=0)

        begin = end


def _offset(when: datetime, zone: tzinfo | None) -> timedelta | None:
    return when.astimezone(zone).utcoffset()
