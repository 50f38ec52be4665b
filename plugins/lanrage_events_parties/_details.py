"""The details of joins and leaves, which are filled in before anything receives the events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from lanrage_events import Parties, PartyEvent, PeerLeft
from lanrage_events.events import utc_now

from ._state import Detail, State, filled, follow

MOST_DETAILS = 10_000
"""events that were followed, of which is known what was filled in"""
MOST_UNDERWAY = 10_000
"""events that were published and have not arrived; beyond them, the oldest counts as lost"""
LOST_AFTER = timedelta(seconds=1)
"""how long an event may be underway while nothing is being handled. It was dropped, or it waits for
room in the mailbox of another plugin"""

KEEPS_AT_MOST = timedelta(minutes=1)
"""how long such an event keeps its party from ending"""


@dataclass(slots=True, eq=False)
class _Underway:
    """An event that was published, and has not arrived in the plugin's hook yet."""

    event: PartyEvent
    number: int
    keys: Sequence[str]
    """of the parties that it is about"""
    since: datetime


class Details:
    """Fills in ``duration``, ``first_time`` and ``count``, by parties of its own.

    These are ahead of those of the state by the events that are underway. An event that never arrives,
    since something drops it, is taken back.

    :param state: what is behind
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._idle_since: datetime | None = None
        """None while events are being handled, or cannot be, so that others have to wait"""
        self._parties = Parties()
        self._details = OrderedDict[str, Detail]()
        """by event id, so that an event that is published again has the same"""
        self._underway = OrderedDict[str, _Underway]()
        """by event id, in the order of the numbers"""
        self._number = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Expect events to arrive soon."""
        self._idle_since = utc_now()
        try:
            yield
        finally:
            self._idle_since = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Expect events to wait while others are handled."""
        self._idle_since = None
        try:
            yield
        finally:
            self._idle_since = utc_now()

    def continue_from(self, state: State, copy: Parties | None = None) -> None:
        """Continue from another state, or from what it has become.

        :param copy: its parties once more; by default they are copied
        """
        self._state = state
        self._details.update(state.details)
        self._parties = Parties() if copy is None else copy
        if copy is None:
            for party in state.parties:
                self._parties.load(state.parties.dump(party.key))

        for underway in self._underway.values():
            self._parties.follow(underway.event)

    def fill(self, event: PartyEvent) -> PartyEvent:
        """Return an event that is being published, with what is known about its player."""
        self._take_back_lost(LOST_AFTER)
        detail = self._details.get(event.id)
        if detail is None:
            detail = self._details[event.id] = self._find(event)
            if len(self._details) > MOST_DETAILS:
                self._details.popitem(last=False)

        return filled(event, detail)

    def arrived(self, events: Sequence[tuple[PartyEvent, Sequence[str]]]) -> None:
        """Note that the state has followed events.

        :param events: each with the keys of the parties that it is about there
        """
        last, other = 0, set[str]()
        for event, keys in events:
            underway = self._underway.pop(event.id, None)
            if underway is None:
                if event.id not in self._details:
                    follow(self._parties, event)

                continue

            last = max(last, underway.number)
            if underway.keys != keys:  # since something before it did not arrive
                other.update(keys, underway.keys)

        # They arrive in order, so those before did not.
        lost = list(takewhile(lambda one: one.number < last, self._underway.values()))
        if lost or other:
            self._take_back(lost, other)

    def end(self, key: str, time: datetime) -> bool:
        """End a party, unless an event about it is underway; return whether it has ended."""
        self._take_back_lost(KEEPS_AT_MOST)
        if any(key in underway.keys for underway in self._underway.values()):
            return False

        if key in self._parties:
            self._parties.end(key, time)

        return True

    def _find(self, event: PartyEvent) -> Detail:
        """Follow an event, and return what is known about its player, if it is about one."""
        is_new = self._state.visitors.expect(event)
        if not isinstance(event, PeerLeft):
            return is_new, self._follow(event)

        member = self._parties.member(event)
        count = self._follow(event)
        return None if member is None else (event.time - member.since).total_seconds(), count

    def _follow(self, event: PartyEvent) -> int | None:
        """Follow an event, and return how many members its party has, None if there is none."""
        keys = follow(self._parties, event)
        self._number += 1
        self._underway[event.id] = _Underway(event, self._number, keys, utc_now())
        if len(self._underway) > MOST_UNDERWAY:
            self._take_back([next(iter(self._underway.values()))])

        return self._parties.size(keys[0]) if keys else None

    def _take_back_lost(self, after: timedelta) -> None:
        idle_since = self._idle_since
        if self._underway and idle_since is not None:
            before = utc_now() - after
            if idle_since < before and next(iter(self._underway.values())).since < before:
                late = takewhile(lambda one: one.since < before, self._underway.values())
                self._take_back(list(late))

    def _take_back(self, lost: Sequence[_Underway], keys: Collection[str] = ()) -> None:
        """Undo what events have changed that were not published after all.

        :param keys: of further parties to get from the state
        """
        keys = {*keys, *(key for underway in lost for key in underway.keys)}
        for underway in lost:
            event = underway.event
            del self._underway[event.id]
            self._details.pop(event.id, None)
            self._state.visitors.unexpect(event)
            keys.add(self._state.parties.find(event) or "")

        for key in keys:
            self._parties.remove(key)
            if key in self._state.parties:
                self._parties.load(self._state.parties.dump(key))

        for underway in self._underway.values():
            if not keys.isdisjoint(underway.keys):
                again = follow(self._parties, underway.event)
                underway.keys = tuple(dict.fromkeys((*again, *underway.keys)))
