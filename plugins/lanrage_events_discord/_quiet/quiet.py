"""What keeps webhooks quiet at a time: the quiet hours of the configuration, and mutes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .calendar import Calendar, Loudness
from .mutes import Mute, Mutes

_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Quietness:
    """How quiet a webhook is, and until when."""

    loudness: Loudness = Loudness.LOUD
    until: datetime | None = None
    """when that changes, in UTC; None if it never does"""
    why: str = ""
    """in one line, with the time; empty if it is loud"""
    mute: Mute | None = None
    """what mutes it, None if only quiet hours do"""
    holds_until: datetime = _EVER
    """when any of this changes: a mute may end in quiet hours"""


LOUD = Quietness()


class Quiet:
    """Says how quiet each webhook is.

    Nothing runs in the background: each answer holds for some time, and is found again after that.

    :param calendar: the quiet hours of webhooks that have none of their own
    :param mutes: those that last
    """

    def __init__(self, calendar: Calendar, mutes: Mutes) -> None:
        self.mutes = mutes
        self._calendar = calendar
        self._own: dict[str, Calendar] = {}
        self._known: dict[str, tuple[int, datetime, Quietness]] = {}
        """answers by webhook, with the version of the mutes, and with since when they hold"""

    def use(self, webhook: str, calendar: Calendar | None) -> None:
        """Give a webhook quiet hours of its own, or those that all have.

        :param calendar: its own; None for those that all have
        """
        self._known.pop(webhook, None)
        if calendar is None:
            self._own.pop(webhook, None)
        else:
            self._own[webhook] = calendar

    def at(self, webhook: str) -> Quietness:
        """Return how quiet a webhook is now."""
        now, version = self.mutes.now(), self.mutes.version
        known, since, quietness = self._known.get(webhook, (-1, now, LOUD))
        if known != version or not since <= now < quietness.holds_until:
            quietness = self._find(webhook, now)
            self._known[webhook] = version, now, quietness

        return quietness

    def seconds_left(self, webhook: str) -> float:
        """Return in how many seconds that changes; infinite if it never does."""
        until = self.at(webhook).until
        return math.inf if until is None else (until - self.mutes.now()).total_seconds()

    def _find(self, webhook: str, now: datetime) -> Quietness:
        calendar, mutes = self._own.get(webhook, self._calendar), self.mutes.of(webhook)
        loudness = calendar.at(now, _muted(mutes, now))
        until = _next_change(calendar, mutes, now)
        if not loudness:
            return Quietness(until=until, holds_until=until or _EVER)

        strongest = [mute for mute in mutes if mute.then == loudness]
        mute = max(strongest, key=lambda one: one.until, default=None)
        why = _why(mute, until, now, calendar.zone or self._calendar.zone)
        holds_until = min(until or _EVER, _EVER if mute is None else mute.until)
        return Quietness(loudness, until, why, mute, holds_until)


def _muted(mutes: list[Mute], now: datetime) -> Loudness:
    return max((mute.then for mute in mutes if mute.until > now), default=Loudness.LOUD)


def _next_change(calendar: Calendar, mutes: list[Mute], now: datetime) -> datetime | None:
    current, when = calendar.at(now, _muted(mutes, now)), now
    # While a mute lasts, the calendar matters only where it is stricter.
    for end in sorted(mute.until for mute in mutes):
        change = calendar.next_change(when, _muted(mutes, when))
        if change is not None and change < end:
            return change

        when = end
        if calendar.at(when, _muted(mutes, when)) != current:
            return when

    return calendar.next_change(when)


def _why(mute: Mute | None, until: datetime | None, now: datetime, zone: tzinfo | None) -> str:
    end = "" if until is None else f" until {clock_time(until, now, zone)}"
    if mute is None:
        return f"quiet hours{end}"

    muted = f"muted until {clock_time(mute.until, now, zone)}{mute.reason}"
    goes_on = until is None or until > mute.until
    return f"{muted}, then quiet hours{end}" if goes_on else muted


def clock_time(when: datetime, now: datetime, zone: tzinfo | None = None) -> str:
    """Return a time as people read it, such as ``22:10`` or ``2026-12-01 08:00``.

    :param now: whose date need not be said
    :param zone: the time zone; None for that of this computer
    """
    shown = when.astimezone(zone)
    text = (
        f"{shown:%H:%M}"
        if shown.date() == now.astimezone(zone).date()
        else f"{shown:%Y-%m-%d %H:%M}"
    )
    # A container's clock is not that of its readers.
    return f"{text} {zone or 'UTC'}" if zone or shown.tzname() == "UTC" else text
