"""Parties that are over: what they are found by, and what is kept of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from lanrage_events import Member, Party, PartyEnded, PartyEvent
from lanrage_events.abc import Person

from .followed import Followed, called, names

_TIMES = ("since", "game_since", "last_change", "ended")


class EndedParties:
    """The parties that are over, with their cards, what ended first first."""

    def __init__(self) -> None:
        self._all: dict[Followed, None] = {}
        self._named: dict[str, Followed] = {}
        """by what they were called; of those with one name, the last"""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Followed]:
        return iter(tuple(self._all))

    def add(self, followed: Followed) -> None:
        """Add one."""
        self._all[followed] = None
        if (party := followed.over) is not None:
            self._named |= dict.fromkeys(names(party.id, party.name), followed)

    def discard(self, followed: Followed) -> None:
        """Remove one, if it is here."""
        self._all.pop(followed, None)
        if (party := followed.over) is not None:
            for name in names(party.id, party.name):
                if self._named.get(name) is followed:
                    del self._named[name]

    def before(self, time: float) -> list[Followed]:
        """Return those that ended before a time, in seconds since 1970."""
        return list(takewhile(lambda one: (one.ended_at or 0.0) < time, self._all))

    def find(self, event: PartyEvent) -> Followed | None:
        """Return the one that an event is about that comes late or again, None if there is none."""
        found = self._named.get(next(names(*called(event)), ""))
        if found is None or found.over is None or isinstance(event, PartyEnded):
            return found

        # Values of events are not validated inside the process.
        time = event.time if event.time.tzinfo is not None else event.time.replace(tzinfo=UTC)
        return found if time <= found.over.last_change else None


def dump_party(party: Party) -> str:
    """Return a party as JSON in one line, for :func:`load_party`."""
    return json.dumps(asdict(party), default=datetime.isoformat, separators=(",", ":"))


def load_party(text: str) -> Party:
    """Return a party from its text.

    :raises ValueError: if it is not one
    """
    try:
        data: dict[str, Any] = json.loads(text)
        data |= {name: datetime.fromisoformat(data[name]) for name in _TIMES if data[name]}
        data |= {name: tuple(map(tuple, data[name])) for name in ("games", "loyal")}
        data["players"] = tuple(data["players"])
        data["members"] = tuple(
            Member(name=one["name"], since=datetime.fromisoformat(one["since"]))
            for one in data["members"]
        )
        return Party(**data)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no party: {error!r}") from None


def without(party: Party, person: Person) -> Party:
    """Return a party without the names of a person; how many there were stays known."""
    is_meant = person.is_called
    return replace(
        party,
        host=None if is_meant(party.host) else party.host,
        members=tuple(one for one in party.members if not is_meant(one.name)),
        players=tuple(name for name in party.players if not is_meant(name)),
        loyal=tuple(one for one in party.loyal if not is_meant(one[0])),
    )
