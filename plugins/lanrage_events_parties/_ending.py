"""When parties are over: those that are empty, and those of which nothing was heard for long."""

from __future__ import annotations

import math
from datetime import datetime

import anyio

from lanrage_events import Party
from lanrage_events.events import seconds_later, utc_now

from ._config import PartiesConfig

GRACE_SECONDS = 10.0
"""how long after the start no party ends: what a log file says of the time before is on its way"""


class Ending:
    """Knows when parties are over, by the clock of the event loop, which nobody sets.

    :param config: how long they have to be empty, or without an event
    """

    def __init__(self, config: PartiesConfig) -> None:
        self._config = config
        self._due: dict[str, float] = {}
        """by key: when it is over, if nothing happens until then"""
        self._sizes: dict[str, int] = {}
        """by key: how many members it has"""
        self._next = math.inf
        self._woken = anyio.Event()

    @property
    def members(self) -> int:
        """How many members all parties have together."""
        return sum(self._sizes.values())

    def load(self, party: Party) -> None:
        """Note a party of an earlier run."""
        seconds = self._seconds(party)
        age = max(0.0, (utc_now() - party.last_change).total_seconds())
        self._set(party, max(seconds - age, min(seconds, GRACE_SECONDS)))

    def update(self, key: str, party: Party | None) -> None:
        """Note that an event was about a party, or that the party is gone."""
        if party is None:
            self._due.pop(key, None)
            self._sizes.pop(key, None)
        else:
            self._set(party, self._seconds(party))

    def postpone(self, key: str, seconds: float) -> None:
        """Look at a party again after some time."""
        self._due[key] = anyio.current_time() + seconds

    def time_of(self, party: Party) -> datetime:
        """Return when it was known that a party is over, by the times of its events."""
        now = utc_now()
        return min(seconds_later(party.last_change, self._seconds(party)) or now, now)

    def due(self) -> list[str]:
        """Return the keys of the parties that are over now, in order."""
        now = anyio.current_time()
        found = [(due, key) for key, due in self._due.items() if due <= now]
        return [key for _, key in sorted(found)]

    def wake(self) -> None:
        """Let :meth:`wait` return."""
        self._woken.set()

    async def wait(self, until: float = math.inf) -> None:
        """Wait until a party may be over; without one, there is no timer.

        :param until: when to return in any case
        """
        self._next = min(self._due.values(), default=math.inf)
        self._woken = anyio.Event()
        with anyio.CancelScope(deadline=min(self._next, until)):
            await self._woken.wait()

    def _seconds(self, party: Party) -> float:
        """Return how long nothing must happen in a party until it is over."""
        if party.is_idle:
            return math.inf

        stale_after = self._config.stale_after
        return min(self._config.end_after, stale_after) if party.is_empty else stale_after

    def _set(self, party: Party, seconds: float) -> None:
        self._sizes[party.key] = party.size
        self._due[party.key] = due = anyio.current_time() + seconds
        if due < self._next:
            self._next = due
            self._woken.set()
